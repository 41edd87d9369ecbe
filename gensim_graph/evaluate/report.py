"""One HTML page that shows a forecast, its scores and its maps, and works offline."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined

from gensim_graph.errors import InputError
from gensim_graph.evaluate.baselines import persistence_beside
from gensim_graph.evaluate.deformation import deformation_scores
from gensim_graph.evaluate.gallery import Gallery, curves, mesh_picture
from gensim_graph.evaluate.maps import pretty_units
from gensim_graph.evaluate.matching import Verification, match
from gensim_graph.evaluate.scores import evaluate, skill_table, write_scores
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Path
from gensim_graph.variables import Variable, VariableTable, default_variables
from gensim_graph.writing import write_atomically

PAGE, MARKER = "report.html", '<meta name="generator" content="gensim-graph report">'
FILES = {PAGE, "scores.json", "scores.csv", "deformation.csv"}
NARROW, WIDE = 0.8, 1.25  # a spread-skill ratio between these is called consistent


def write_report(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    out: Path,
    baselines: Mapping[str, xr.Dataset] | None = None,
    title: str = "Sea-ice ensemble forecast",
    information: Mapping[str, Any] | None = None,
    variables: VariableTable | None = None,
) -> FilePath:
    """Score a forecast and write a folder with ``report.html``, ``scores.json``, ``scores.csv``, ``deformation.csv``.

    The folder is made beside its place and then moved there; an earlier report at that place is replaced.

    Args:
        forecast: dims ([start], [member], lead_time, face), with its mesh.
        truth: dims (time, face).
        out: the folder.
        baselines: name -> forecast with the same valid times. Persistence is added where it is absent and the truth
            holds the starts.
        information: what the reader should know about the model: label -> text.
        variables: the variable table that ships when not given.

    Returns:
        Path of ``report.html``.

    Raises:
        InputError: ``out`` exists and is no report of ours, or what :func:`~gensim_graph.evaluate.scores.evaluate`
            raises.
    """
    out = FilePath(out)
    _check_place(out)
    table = variables or default_variables()
    matched = match(forecast, truth, table)
    if matched.mesh is None:
        raise InputError("a report draws maps; write the mesh topology (UGRID) into the forecast or the truth")
    models = _with_persistence(forecast, truth, baselines or {}, table)
    scores = evaluate(forecast, truth, matched.areas, models, table)
    deformed = _deformation(matched, models, truth, table)
    page = _page(title, information or {}, matched, matched.mesh, scores, deformed)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda folder: _write_files(folder, page, scores, deformed))
    return out / PAGE


def _write_files(folder: FilePath, page: str, scores: pd.DataFrame, deformed: pd.DataFrame | None) -> None:
    write_scores(scores, folder)
    if deformed is not None:
        deformed.to_csv(folder / "deformation.csv", index=False)
    (folder / PAGE).write_text(page, encoding="utf-8")


def _check_place(out: FilePath) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: it is a file; name a folder for the report")
    present = {entry.name for entry in out.iterdir()}
    ours = PAGE in present and MARKER in (out / PAGE).read_text(encoding="utf-8", errors="replace")[:2000]
    if present and not (ours and present <= FILES):
        strange = ", ".join(sorted(present - FILES if ours else present)[:5])
        raise InputError(
            f"{out}: it exists and is not only a report of ours ({strange}); name another folder or empty it"
        )


def _with_persistence(
    forecast: xr.Dataset, truth: xr.Dataset, baselines: Mapping[str, xr.Dataset], table: VariableTable
) -> dict[str, xr.Dataset]:
    if "persistence" in baselines:
        return dict(baselines)
    try:
        return {"persistence": persistence_beside(forecast, truth, table), **baselines}
    except InputError:  # the truth begins after the start: the report says that there is nothing to compare with
        return dict(baselines)


def _deformation(
    matched: Verification, baselines: Mapping[str, xr.Dataset], truth: xr.Dataset, table: VariableTable
) -> pd.DataFrame | None:
    if not {"siu", "siv"} <= {variable.name for variable in matched.variables}:
        return None
    others = {name: match(dataset, truth, table, matched.areas, name) for name, dataset in baselines.items()}
    return deformation_scores({"forecast": matched, **others})


def _page(
    title: str,
    information: Mapping[str, Any],
    matched: Verification,
    mesh: Mesh,
    scores: pd.DataFrame,
    deformed: pd.DataFrame | None,
) -> str:
    environment = Environment(
        loader=PackageLoader("gensim_graph.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    gallery = Gallery(matched, mesh)
    return environment.get_template("report.html.jinja").render(
        marker=MARKER,
        title=title,
        facts=_facts(matched, mesh) | {str(key): str(value) for key, value in information.items()},
        leads=[float(hours) for hours in matched.lead_hours],
        units={variable.name: pretty_units(variable.units) or "1" for variable in matched.variables},
        skill=_skill_rows(scores),
        consistency=_consistency_rows(scores),
        bounds=_bounds_rows(scores, matched),
        curves=curves(scores, matched.variables),
        maps=list(gallery.variables()),
        deformation_maps=list(gallery.deformation()),
        deformation=[] if deformed is None else deformed.to_dict("records"),
        mesh=mesh_picture(mesh),
        scores=scores.to_dict("records"),
    )


def _facts(matched: Verification, mesh: Mesh) -> dict[str, str]:
    starts = np.unique(matched.valid_times[:, 0] - matched.forecast["lead_time"].values[0])
    names = [np.datetime_as_string(start, unit="m").replace("T", " ") for start in starts]
    hours = [f"{lead:g}" for lead in matched.lead_hours]
    origin = FilePath(str(matched.truth.attrs.get("origin", "not named"))).name
    truth = matched.truth.attrs.get("title") or matched.truth.attrs.get("source") or origin
    return {
        "Starts": f"{matched.starts}: " + _shortened(names),
        "Lead times": _shortened(hours) + " h",
        "Members": str(matched.members),
        "Variables": ", ".join(variable.name for variable in matched.variables),
        "Truth": str(truth),
        "Mesh": f"{mesh.n_faces:,} faces, median spacing {np.median(mesh.spacing) * 1e-3:.3g} km, "
        f"{_plane(mesh)}, hash {mesh.hash[:12]}",
    }


def _shortened(names: Sequence[str], most: int = 8) -> str:
    return ", ".join(names) if len(names) <= most else ", ".join([*names[: most - 2], "...", names[-1]])


def _skill_rows(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a variable and model: RMSE over that of persistence, a cell a lead time with its verdict."""
    if "persistence" not in set(scores["model"]):
        return []
    ratios = skill_table(scores)
    rows = []
    for (variable, model), group in ratios.groupby(["variable", "model"], sort=False):
        cells = [_cell(ratio, "better" if ratio < 1 else "worse", ratio < 1) for ratio in group["rmse_ratio"]]
        rows.append({"variable": variable, "model": model, "cells": cells})
    order = list(scores["variable"].unique())
    return sorted(rows, key=lambda row: order.index(row["variable"]))


def _consistency_rows(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """A row a variable: spread-skill ratio of the forecast, a cell a lead time. Empty for one member."""
    rows = []
    own = scores[scores["model"] == "forecast"]
    for variable, group in own.groupby("variable", sort=False):
        verdicts = [(value, _consistency(value)) for value in group["spread_skill"]]
        rows.append({"variable": variable, "cells": [_cell(v, word, word == "consistent") for v, word in verdicts]})
    return rows if own["spread_skill"].notna().any() else []


def _consistency(ratio: float) -> str:
    if ratio < NARROW:
        return "too narrow"
    return "too wide" if ratio > WIDE else "consistent"


def _bounds_rows(scores: pd.DataFrame, matched: Verification) -> list[dict[str, Any]]:
    """A row a bounded variable: the largest share of values beyond its bounds over the lead times of the forecast."""
    largest = scores[scores["model"] == "forecast"].groupby("variable")["out_of_bounds"].max()
    rows = []
    for variable in matched.variables:
        if variable.is_bounded:
            share = float(largest[variable.name])
            rows.append({"variable": variable.name, "limits": _limits(variable), "share": share, "good": share == 0.0})
    return rows


def _limits(variable: Variable) -> str:
    ends = [f"{bound:g}" for bound in (variable.lower, variable.upper) if math.isfinite(bound)]
    word = "" if len(ends) == 2 else "at least " if math.isfinite(variable.lower) else "at most "
    return f"{word}{' to '.join(ends)} {pretty_units(variable.units)}".rstrip()


def _plane(mesh: Mesh) -> str:
    if mesh.crs is None:
        return "idealised plane"
    operation = mesh.crs.coordinate_operation  # planes of models are seldom named, their projection is
    return str(operation.method_name if mesh.crs.name in ("undefined", "unknown") and operation else mesh.crs.name)


def _cell(value: float, word: str, good: bool) -> dict[str, Any]:
    if math.isnan(value):
        return {"text": "–", "word": "no change", "kind": ""}
    return {"text": f"{value:.2f}", "word": word, "kind": "good" if good else "bad"}


def _number(value: float) -> str:
    return "–" if isinstance(value, float) and math.isnan(value) else f"{value:.4g}"

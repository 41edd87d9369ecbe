"""One HTML page that shows a forecast, its scores and its maps, and works offline."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.assessment import TABLES, assess
from gensim_graph.evaluate.baselines import persistence_beside
from gensim_graph.evaluate.report.chapters import chapters
from gensim_graph.evaluate.matching import Verification, match_models
from gensim_graph.evaluate.report.page import MARKER, render
from gensim_graph.evaluate.verify import write_scores
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable, default_variables
from gensim_graph.system import write_atomically

PAGE = "report.html"
FILES = {PAGE, "scores.json", "tables.json", *(f"{name}.csv" for name in TABLES)}


def write_report(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    out: Path,
    baselines: Mapping[str, xr.Dataset] | None = None,
    title: str = "Sea-ice ensemble forecast",
    information: Mapping[str, Any] | None = None,
    variables: VariableTable | None = None,
    climatology: xr.Dataset | None = None,
    on_lead: Callable[[], object] | None = None,
    model: Surrogate | None = None,
) -> FilePath:
    """Evaluate a forecast and write a folder with ``report.html``, a CSV file a table, and all of them as JSON.

    The files are ``scores.csv`` and ``scores.json``, a file for each table of
    :func:`~gensim_graph.evaluate.assessment.assess` that is not empty, and ``tables.json``. The folder is made beside its
    place and then moved there; an earlier report at that place is replaced.

    Args:
        forecast: dims ([start], [member], lead_time, face), with its mesh.
        truth: dims (time, face).
        out: the folder.
        baselines: name -> forecast with the same valid times. Persistence is added where it is absent and the truth
            holds the starts.
        information: what the reader should know about the model: label -> text.
        variables: the variable table that ships when not given.
        climatology: what anomalies are departures from.
        on_lead: called after every lead time of every start, for a progress bar.
        model: the model that made the forecast: the page then shows what it has learnt.

    Returns:
        Path of ``report.html``.

    Raises:
        InputError: ``out`` exists and is no report of ours, or what :func:`~gensim_graph.evaluate.verify.scores.evaluate`
            raises.
    """
    out = FilePath(out)
    _check_place(out)
    table = variables or default_variables()
    models = match_models(forecast, truth, table, None, _with_persistence(forecast, truth, baselines or {}, table))
    mesh = models["forecast"].mesh

    if mesh is None:
        raise InputError("a report draws maps; write the mesh topology (UGRID) into the forecast or the truth")

    tables = assess(models, climatology, on_lead)
    page = _page(title, information or {}, models["forecast"], mesh, tables, model)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda folder: _write_files(folder, page, tables))

    return out / PAGE


def _write_files(folder: FilePath, page: str, tables: Mapping[str, pd.DataFrame]) -> None:
    write_scores(tables["scores"], folder)
    for name, table in tables.items():
        if not table.empty:
            table.to_csv(folder / f"{name}.csv", index=False)

    texts = {name: table.to_json(orient="records", double_precision=10) for name, table in tables.items()}
    rows = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
    (folder / "tables.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")
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


def _page(
    title: str,
    information: Mapping[str, Any],
    matched: Verification,
    mesh: Mesh,
    tables: Mapping[str, pd.DataFrame],
    model: Surrogate | None,
) -> str:
    facts = _facts(matched, mesh) | {str(key): str(value) for key, value in information.items()}
    return render(title, facts, chapters(matched, mesh, tables, model))


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


def _plane(mesh: Mesh) -> str:
    if mesh.crs is None:
        return "idealised plane"
    operation = mesh.crs.coordinate_operation  # planes of models are seldom named, their projection is
    return str(operation.method_name if mesh.crs.name in ("undefined", "unknown") and operation else mesh.crs.name)

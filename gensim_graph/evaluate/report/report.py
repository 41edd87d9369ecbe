"""A folder with the report of one forecast: the page, a CSV file per table, and all tables as JSON."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.assessment import TABLES, assess
from gensim_graph.evaluate.baselines import persistence_beside
from gensim_graph.evaluate.innovations import INNOVATION_TABLES, score_innovations
from gensim_graph.evaluate.matching import match_models
from gensim_graph.evaluate.observations import OBSERVATION_TABLES, ObservedProduct, score_observations
from gensim_graph.evaluate.report.chapters import chapters, observation_sections
from gensim_graph.evaluate.report.facts import forecast_facts
from gensim_graph.evaluate.report.observed import observation_facts
from gensim_graph.evaluate.report.page import MARKER, render
from gensim_graph.evaluate.report.wording import fact_label
from gensim_graph.evaluate.scored_variables import scored_table
from gensim_graph.evaluate.verification import Verification
from gensim_graph.evaluate.verify import write_scores
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.system import check_space, write_atomically
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable

if TYPE_CHECKING:  # the network takes a second to import; a page without a section on the model does not need it
    from gensim_graph.surrogate import Surrogate

PAGE = "report.html"
FILES = {PAGE, "scores.json", "tables.json"} | {
    f"{name}.csv" for name in (*TABLES, *OBSERVATION_TABLES, *INNOVATION_TABLES)
}
"""Files of a report; a folder that contains anything else is not replaced."""


def write_report(
    forecast: xr.Dataset,
    truth: xr.Dataset | None,
    out: Path,
    baselines: Mapping[str, xr.Dataset] | None = None,
    title: str = "Sea-ice ensemble forecast",
    information: Mapping[str, Any] | None = None,
    variables: VariableTable | None = None,
    climatology: xr.Dataset | None = None,
    on_lead: Callable[[], object] | None = None,
    model: "Surrogate | None" = None,
    observations: Sequence[ObservedProduct] = (),
    run: Path | None = None,
    innovations: xr.Dataset | None = None,
) -> FilePath:
    """Evaluate a forecast and write the report: ``report.html``, one CSV file per table, and all tables as JSON.

    The files are ``scores.csv`` and ``scores.json``, one CSV file for each table of
    :func:`~gensim_graph.evaluate.assessment.assess` that is not empty, and ``tables.json``. The folder is written
    beside its final place and then moved there; an earlier report at that place is replaced.

    Args:
        forecast: dims ([start], [member], lead_time, face), with its mesh.
        truth: dims (time, face); None if there are only observations, and the page is about them alone.
        out: the folder to write.
        baselines: name -> forecast with the same valid times. Persistence is added if it is not given and the truth
            contains the starts.
        title: heading of the page.
        information: facts about the model for the reader: label -> text.
        variables: by default the variable table that ships, with the further variables of the forecast.
        climatology: reference of the anomalies, see :func:`~gensim_graph.evaluate.verify.scores.evaluate`.
        on_lead: called after every lead time of every start, for a progress bar.
        model: the model that made the forecast; the page then has a section on what it has learnt.
        observations: as :func:`~gensim_graph.evaluate.open_observations` returns them; the page then has a section on
            the comparison with them.
        run: folder of the model. If it is the folder of a training, or ``best/`` in it, the section on what the model
            has learnt shows its learning curves.
        innovations: of a forecast that has used observations, as :func:`~gensim_graph.open_innovations` returns them;
            the page then has a section on them.

    Returns:
        Path of ``report.html``.

    Raises:
        InputError: ``out`` exists and is not a report, there is no mesh, neither a truth nor observations, or what
            :func:`~gensim_graph.evaluate.verify.scores.evaluate` raises.

    Example:
        A forecast of one day that keeps the initial thickness, beside a trajectory that ships:

        >>> from tempfile import TemporaryDirectory
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.evaluate import persistence
        >>> truth = gg.open_store(cyclone_trajectories("test")[0])
        >>> truth = truth.drop_vars(["sic", "sid", "siu", "siv", "snt"])
        >>> forecast = persistence(truth.isel(time=0), [np.timedelta64(24, "h")])
        >>> with TemporaryDirectory() as folder:
        ...     page = gg.write_report(forecast, truth, folder)
        ...     sorted(path.name for path in page.parent.iterdir())
        ['report.html', 'scores.csv', 'scores.json', 'structure.csv', 'tables.json']
    """
    out = FilePath(out)
    _check_place(out)
    used = {} if innovations is None else score_innovations(innovations)
    if truth is None:
        page, tables = _observed(forecast, observations, baselines, title, information or {}, used)
    else:
        table = scored_table(forecast, variables)
        rivals = _with_persistence(forecast, truth, baselines or {}, table)
        models = match_models(forecast, truth, table, None, rivals)
        mesh = models["forecast"].mesh
        if mesh is None:
            raise InputError("a report draws maps; write the mesh topology (UGRID) into the forecast or the truth")

        has_initial = bool((forecast["lead_time"].values == np.timedelta64(0)).any())  # what persistence needs
        compared = baselines if has_initial else rivals
        observed = score_observations(forecast, observations, compared) if observations else {}
        tables = assess(models, climatology, on_lead) | observed | used
        page = _page(title, information or {}, models["forecast"], mesh, tables, model, run)

    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, lambda folder: _write_files(folder, page, tables))

    return out / PAGE


def _observed(
    forecast: xr.Dataset,
    observations: Sequence[ObservedProduct],
    baselines: Mapping[str, xr.Dataset] | None,
    title: str,
    information: Mapping[str, Any],
    used: dict[str, pd.DataFrame],
) -> tuple[str, dict[str, pd.DataFrame]]:
    """Page and tables of a forecast that is compared with observations only."""
    if not observations:
        raise InputError("there is nothing to compare with: give a truth or observations")

    tables = score_observations(forecast, observations, baselines) | used
    mesh = mesh_from_dataset(forecast)
    facts = observation_facts(forecast, mesh) | _told(information)

    return render(title, facts, observation_sections(mesh, tables)), tables


def _told(information: Mapping[str, Any]) -> dict[str, str]:
    return {fact_label(str(key)): str(value) for key, value in information.items()}


def _check_place(out: FilePath) -> None:
    """Raise an error if the folder contains anything but an earlier report, or cannot be written."""
    check_space(out, beside=True)
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: it is a file; name a folder for the report")

    present = {entry.name for entry in out.iterdir()}
    ours = PAGE in present and MARKER in (out / PAGE).read_text(encoding="utf-8", errors="replace")[:2000]

    if present and not (ours and present <= FILES):
        strange = ", ".join(sorted(present - FILES if ours else present)[:5])
        raise InputError(
            f"{out}: it exists and contains more than an earlier report ({strange}); name another folder or empty it"
        )


def _with_persistence(
    forecast: xr.Dataset, truth: xr.Dataset, baselines: Mapping[str, xr.Dataset], table: VariableTable
) -> dict[str, xr.Dataset]:
    """Add persistence to the baselines; without it if the truth does not contain the starts."""
    if "persistence" in baselines:
        return dict(baselines)

    try:
        return {"persistence": persistence_beside(forecast, truth, table), **baselines}
    except InputError:  # the page then says that there is nothing to compare with
        return dict(baselines)


def _page(
    title: str,
    information: Mapping[str, Any],
    matched: Verification,
    mesh: Mesh,
    tables: Mapping[str, pd.DataFrame],
    model: "Surrogate | None",
    run: Path | None,
) -> str:
    folder = None if run is None else FilePath(run)
    facts = forecast_facts(matched, mesh) | _told(information)
    return render(title, facts, chapters(matched, mesh, tables, model, folder))


def _write_files(folder: FilePath, page: str, tables: Mapping[str, pd.DataFrame]) -> None:
    """Write all files of a report into an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    if "scores" in tables:
        write_scores(tables["scores"], folder)
    for name, table in tables.items():
        if not table.empty:
            table.to_csv(folder / f"{name}.csv", index=False)

    texts = {name: table.to_json(orient="records", double_precision=10) for name, table in tables.items()}
    rows = ",\n".join(f"{json.dumps(name)}: {text}" for name, text in texts.items())
    (folder / "tables.json").write_text("{\n" + rows + "\n}\n", encoding="utf-8")
    (folder / PAGE).write_text(page, encoding="utf-8")

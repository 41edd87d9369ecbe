"""``gensim-graph evaluate``: scores and a report of a forecast.

Only ``--model`` needs the network. Its libraries take a second to import, so functions that need them import them.
"""

import atexit
import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
import xarray as xr

from gensim_graph.cli.console import console, place, say
from gensim_graph.errors import InputError, naming
from gensim_graph.evaluate import (
    chosen_variables,
    has_innovations,
    open_innovations,
    open_truths,
    scored_table,
    write_report,
)
from gensim_graph.io import mesh_from_dataset
from gensim_graph.system import one_line_bar, present_objects_kept

if TYPE_CHECKING:
    from gensim_graph.surrogate import Surrogate


@present_objects_kept()
def evaluate_command(
    store: Annotated[Path, typer.Argument(help="Forecast, a .zarr of gensim-graph forecast.")],
    truth: Annotated[
        list[str],
        typer.Option(
            help="What happened: fields of a model, or observations with gaps, means, drift vectors or a grid of their "
            "own; file, folder or pattern; repeat it."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    baseline: Annotated[
        list[str] | None, typer.Option(help="NAME=STORE, another forecast to compare with; repeat it.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model of the forecast, to show what it has learnt.")] = None,
    variables: Annotated[
        str | None, typer.Option(help="Variables to score, such as sic,sit; without it, all that both have.")
    ] = None,
) -> None:
    """Score a forecast and write an HTML report with maps and curves.

    [dim]gensim-graph evaluate fc.zarr --truth run.nc --baseline twin=twin.zarr --out report/[/]

    [dim]gensim-graph evaluate fc.zarr --truth 'ice_conc_nh_*.nc' --truth 'ice_drift_nh_*.nc' --variables sic,siu,siv[/]
    """
    atexit.register(_end_at_once)

    others = {}
    for row in baseline or []:
        name, equals, path = row.partition("=")
        if not equals:
            raise InputError(f"--baseline {row}: expected NAME=STORE, for instance twin=twin.zarr")
        others[name] = _open_forecast(Path(path))

    surrogate = None if model is None else _load(model)
    ensemble = _open_forecast(store)
    with naming(store):
        mesh_from_dataset(ensemble)  # a report needs the mesh

    table = scored_table(ensemble, None if surrogate is None else surrogate.normaliser.table)
    if variables is not None:
        table = chosen_variables(table, variables.split(","))
    truths = open_truths(truth, ensemble, table)
    instants = int((ensemble["lead_time"].values > np.timedelta64(0)).sum()) * ensemble.sizes.get("start", 1)

    with one_line_bar("evaluating", show=not console.quiet) as progress:
        task = progress.add_task("", total=instants)
        page = write_report(
            ensemble,
            truths.model,
            out,
            others,
            variables=table,
            on_lead=lambda: progress.advance(task),
            model=surrogate,
            observations=truths.observations,
            run=model,
            innovations=open_innovations(store) if has_innovations(store) else None,
        )
    say(f"the report is {place(page)}; open it in a browser")


def _end_at_once() -> None:
    """Leave all objects to the system when Python ends: to visit and free them one by one takes most of a second.

    Triton, which comes with the network, reports objects that were not freed as an error.
    """
    if "triton" not in sys.modules:
        gc.freeze()


def _load(model: Path) -> "Surrogate":
    from gensim_graph.surrogate import Surrogate

    return Surrogate.load(model)


def _open_forecast(path: Path) -> xr.Dataset:
    """Open a forecast; its fields are read when they are needed.

    Raises:
        InputError: there is none at the path, it cannot be read, or it is not finished.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such forecast; check the path")

    try:
        forecast = xr.open_zarr(path, chunks=None)
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a forecast ({error})") from None

    if _ends_in_gaps(forecast):
        _check_finished(path)

    return forecast


def _ends_in_gaps(forecast: xr.Dataset) -> bool:
    """Return True if values of the last lead time are missing, as in a forecast that has not come so far."""
    fields = (field for field in forecast.data_vars.values() if "lead_time" in field.dims)
    return any(bool(field.isel(lead_time=-1).isnull().any()) for field in fields)


def _check_finished(path: Path) -> None:
    """Raise an error if a forecast of ours is not finished."""
    from gensim_graph.forecast import RESTART, check_complete

    if (path / RESTART).exists():
        check_complete(path)

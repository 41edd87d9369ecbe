"""``gensim-graph evaluate``: scores and a report of a forecast."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import xarray as xr

from gensim_graph.cli.console import console, place, say
from gensim_graph.errors import InputError, naming
from gensim_graph.evaluate import chosen_variables, open_truths, scored_table, write_report
from gensim_graph.forecast import RESTART, check_complete
from gensim_graph.io import mesh_from_dataset
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import one_line_bar


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
    others = {}
    for row in baseline or []:
        name, equals, path = row.partition("=")
        if not equals:
            raise InputError(f"--baseline {row}: expected NAME=STORE, for instance twin=twin.zarr")
        others[name] = _open_forecast(Path(path))

    surrogate = None if model is None else Surrogate.load(model)
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
        )
    say(f"the report is {place(page)}; open it in a browser")


def _open_forecast(path: Path) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"{path}: there is no such forecast; check the path")
    if (path / RESTART).exists():
        check_complete(path)

    try:
        return xr.open_zarr(path, chunks=None)  # fields are read when they are needed
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a forecast ({error})") from None

"""``gensim-graph data prepare`` and ``data info``: stores for training from archives of any size."""

import os
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.table import Table

from gensim_graph.cli.console import command_line, console, place, results, say
from gensim_graph.data.prepared import (
    PreparationEstimate,
    StoreDescription,
    describe_store,
    estimate_preparation,
    prepare,
)
from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.system import return_freed_memory, size_in_words
from gensim_graph.units import is_duration, parse_duration

_MOST_WORKERS = 8
"""Processes that are started unless the user asks for more: a disk is seldom faster than this."""

_SHOWN = 8
"""Trajectories and missing times that are listed."""


def prepare_command(
    sources: Annotated[list[str], typer.Argument(help="File, folder or pattern.", metavar="SOURCE...")],
    out: Annotated[Path, typer.Option(help="Store to write, *.zarr; the same command again goes on, or adds files.")],
    mesh: Annotated[
        Path | None, typer.Option(help="Mesh of the store; without it, the mesh of the first file.")
    ] = None,
    precision: Annotated[
        str, typer.Option(help="float32, float16, or bits:N to keep N binary digits of each value.")
    ] = "float32",
    lead_time: Annotated[
        list[str] | None, typer.Option(help="Lead time of the training, 12h by default; repeat it for several.")
    ] = None,
    skip_gaps: Annotated[
        bool, typer.Option("--skip-gaps", help="Leave out times with missing values and pairs across gaps in time.")
    ] = False,
    workers: Annotated[int | None, typer.Option(help="Processes; one for each core by default.", min=1)] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it will take, and stop.")] = False,
    repair: Annotated[bool, typer.Option(help="Mend defects of the mesh.")] = False,
) -> None:
    """Write a store for training from an archive of any size: train then starts at once and reads what it needs.

    [dim]gensim-graph data prepare 'archive/*.nc' --out archive.zarr[/]

    [dim]gensim-graph data prepare 'archive/*.nc' --out archive.zarr --precision bits:10 --dry-run[/]
    """
    leads = [_lead(text) for text in lead_time or ["12h"]]
    return_freed_memory()
    loaded = None if mesh is None else load_mesh(mesh, repair=repair)
    processes = workers or min(len(os.sched_getaffinity(0)), _MOST_WORKERS)
    options = {"precision": precision, "lead_times": leads, "skip_gaps": skip_gaps, "workers": processes}

    if dry_run:
        estimate = estimate_preparation(sources, out, loaded, **options)  # type: ignore[arg-type]
        if estimate is None:
            say(f"{place(out)} holds all of these files already")
        else:
            _print_estimate(estimate)
        return

    prepare(sources, out, loaded, progress=not console.quiet, **options)  # type: ignore[arg-type]
    _print_description(out, describe_store(out))
    say(f"train on it with:{command_line('gensim-graph', 'train', '--data', out)}")


def archive_info_command(store: Annotated[Path, typer.Argument(help="Store that data prepare wrote.")]) -> None:
    """Show what a prepared store holds: records, times, variables, precision and its error.

    [dim]gensim-graph data info archive.zarr[/]
    """
    _print_description(store, describe_store(store))


def _lead(text: str) -> np.timedelta64:
    if not is_duration(text):
        raise InputError(f"--lead-time: expected a positive length of time such as 12h, 90min or 1d; came '{text}'")
    return parse_duration(text).to_timedelta64()


def _print_estimate(estimate: PreparationEstimate) -> None:
    layout = estimate.layout
    minutes, seconds = divmod(round(estimate.seconds), 60)
    results.print(
        f"{estimate.records:,} records of {layout.n_trajectories} trajectories, {layout.cells:,} cells, "
        f"{len(layout.names)} variables ({', '.join(layout.names)})\n"
        f"{size_in_words(estimate.values)} in float32; about {size_in_words(estimate.size)} on disk as "
        f"{layout.precision}; about {minutes // 60}:{minutes % 60:02}:{seconds:02} h",
        highlight=False,
        soft_wrap=True,
    )


def _print_description(path: Path, store: StoreDescription) -> None:
    layout = store.layout
    if store.unfinished is not None:
        done, total = store.unfinished
        say(f"{place(path)} is not finished: {done} of {total} shards; the command that it began with goes on")

    table = Table("variable", "unit", "mean", "deviation", "largest error", "rms error", title=f"{path.name}")
    for row in store.variables:
        numbers = (row.mean, row.deviation, row.largest_error, row.rms_error)
        table.add_row(row.name, row.units, *(f"{number:.3g}" for number in numbers))
    if store.variables:
        results.print(table)

    leads = ", ".join(_hours(steps * layout.step) for steps in layout.lead_steps)
    results.print(
        f"{layout.cells:,} cells; {layout.precision}, {size_in_words(store.size)}; "
        f"records {_hours(layout.step)} apart; statistics for lead times of {leads}",
        highlight=False,
        soft_wrap=True,
    )
    _print_times(store)


def _print_times(store: StoreDescription) -> None:
    total = sum(count for _, _, count in store.trajectories)
    results.print(f"{total:,} records of {len(store.trajectories)} trajectories:", highlight=False)

    for first, last, count in store.trajectories[:_SHOWN]:
        span = " to ".join(np.datetime_as_string(time, "m") for time in (first, last))
        results.print(f"  {span}, {count:,} records", highlight=False, soft_wrap=True)
    if len(store.trajectories) > _SHOWN:
        results.print(f"  and {len(store.trajectories) - _SHOWN} more")

    if len(store.missing):
        listed = ", ".join(np.datetime_as_string(store.missing[:_SHOWN], "m"))
        more = ", ..." if len(store.missing) > _SHOWN else ""
        results.print(f"{len(store.missing)} records have no values: {listed}{more}", highlight=False, soft_wrap=True)


def _hours(step: np.timedelta64) -> str:
    return f"{step / np.timedelta64(1, 'h'):g} h"

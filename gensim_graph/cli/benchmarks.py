"""``gensim-graph benchmark``: time and memory of the network; ``gensim-graph study``: its skill across resolutions."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gensim_graph.benchmark.resolutions import (
    Protocol,
    StudyOptions,
    TrainingBudget,
    read_plan,
    run_resolutions,
)
from gensim_graph.benchmark.speed import SUITES, Options, Report, parse_cells, run_suite
from gensim_graph.cli.console import console, place, say
from gensim_graph.errors import InputError
from gensim_graph.system import check_space, keep_freed_memory, one_line_bar

_STUDY = "resolutions"
"""Suite that was the study's name before it became a command of its own."""


def study_command(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="key=value for all trainings, for instance operator.unit_km=null."),
    ] = None,
    plan: Annotated[str, typer.Option(help="resolutions, quick, or a YAML file of your own.")] = "resolutions",
    data: Annotated[Path | None, typer.Option(help="Folder of the files that the plan names.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for resolutions.md, .json and .png.")] = Path("bench"),
    preset: Annotated[str, typer.Option(help="Size of the networks.")] = "tiny",
    steps: Annotated[int, typer.Option(help="Training steps of every network.", min=1)] = 3000,
    members: Annotated[int, typer.Option(help="Ensemble members.", min=1)] = 16,
    gensim: Annotated[
        Path | None, typer.Option(help="A checkout of GenSIM, to train its network on grids too.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="In small, an hour on two cores.")] = False,
) -> None:
    """Train on some resolutions and meshes, forecast on others, and score every pair in one table.

    [dim]gensim-graph study --quick[/]

    [dim]gensim-graph study --data DIR --preset tiny --steps 3000[/]

    [dim]gensim-graph study --data DIR --gensim CHECKOUT[/]
    """
    chosen = (*TrainingBudget.overrides, *(overrides or []))
    budget = TrainingBudget(preset, 800 if quick else steps, chosen, gensim=gensim)
    protocol = Protocol(4, 2, 1) if quick else Protocol(members)
    study = StudyOptions(read_plan("quick" if quick else plan), out, data, budget, protocol)

    check_space(out)
    keep_freed_memory()
    table = run_resolutions(study, lambda what, share: console.print(f"[dim]{100 * share:3.0f} %[/] {what}"))
    console.print(table.read_text(), highlight=False, soft_wrap=True)
    say(f"the table is in {place(table)}, beside it resolutions.json and resolutions.png")


def benchmark_command(
    suite: Annotated[str, typer.Option(help=f"Suite to measure: {', '.join(SUITES)}.")],
    overrides: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    out: Annotated[Path, typer.Option(help="Folder for SUITE.json and SUITE.png.")] = Path("bench"),
    cells: Annotated[str | None, typer.Option(help="Sizes of the meshes, square numbers with commas.")] = None,
    rounds: Annotated[int, typer.Option(help="Samples of each; all contestants run once a round.")] = 7,
    preset: Annotated[str, typer.Option(help="Size of the operator (suite scaling).")] = "base",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads of the CPU; without it, PyTorch's own choice.")] = None,
    keep_memory: Annotated[
        bool, typer.Option("--keep-memory/--return-memory", help="Keep freed memory, as training does, or return it.")
    ] = True,
    plan: Annotated[str, typer.Option(hidden=True)] = "resolutions",
    data: Annotated[Path | None, typer.Option(hidden=True)] = None,
    steps: Annotated[int, typer.Option(hidden=True, min=1)] = 3000,
    members: Annotated[int, typer.Option(hidden=True, min=1)] = 16,
    gensim: Annotated[Path | None, typer.Option(hidden=True)] = None,
    quick: Annotated[bool, typer.Option("--quick", hidden=True)] = False,
) -> None:
    """Measure time and memory of the network on this machine.

    [dim]gensim-graph benchmark --suite attention --cells 4096,16384[/]

    [dim]gensim-graph benchmark --suite scaling --cells 16384,65536,1048576 --preset tiny --rounds 3[/]

    Skill across resolutions and meshes has a command of its own: gensim-graph study.
    """
    if suite == _STUDY:  # the spelling of version 0.1
        size = "tiny" if preset == Options.preset else preset
        study_command(overrides, plan, data, out, size, steps, members, gensim, quick)
        return
    if suite not in SUITES:
        raise InputError(f"--suite {suite}: expected one of {', '.join((*SUITES, _STUDY))}")
    if overrides:
        raise InputError(f"{' '.join(overrides)}: suite {suite} trains nothing; leave it out")

    check_space(out)
    options = Options(parse_cells(cells), rounds, device, threads, preset, keep_memory=keep_memory)
    with one_line_bar(suite, [("{task.fields[what]}", 30)], show=not console.quiet) as progress:
        task = progress.add_task("", total=1.0, what="")

        def watch(what: str, share: float) -> None:
            progress.update(task, completed=share, what=what[:30])

        report = run_suite(suite, options, out, watch)

    _print_benchmark(report)
    say(f"table and figure are in {place(out)}: {suite}.json, {suite}.png")


def _print_benchmark(report: Report) -> None:
    table = Table("", "stage", "cells", "µs a cell", "kB a cell", title=report.name)
    for row in report.rows:
        time, memory = row.microseconds_per_cell, row.bytes_per_cell
        figures = "" if time is None else f"{time:.2f}", "" if memory is None else f"{memory / 1e3:.2f}"
        table.add_row(row.contestant, row.stage, f"{row.cells:,}", *figures)
    console.print(table)

    for ratio in report.ratios:
        console.print(f"{ratio.what}, {ratio.stage}, {ratio.cells:,} cells: {ratio}")
    for name, share in report.derived.get("share_of_matrix_product", {}).items():
        console.print(f"{name} cells: {100 * share:.0f} % of the speed of a product of large matrices")
    for reason in report.left_out:
        console.print(f"[dim]left out: {reason}[/]")

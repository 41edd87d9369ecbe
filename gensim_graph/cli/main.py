"""The command line. Flags for what everyone types, Hydra overrides (``trainer.max_steps=500``) for the rest.

Exit codes: 0; 2 for wrong input, with a message and no traceback; 1 for a failure of ours.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
import xarray as xr
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from gensim_graph.benchmark.resolutions import Protocol, StudyOptions, TrainingBudget, read_plan, run_resolutions
from gensim_graph.benchmark.speed import SUITES, Options, Report, parse_cells, run_suite
from gensim_graph.cli.demo import Study, run_study
from gensim_graph.cli.forecasting import forecast
from gensim_graph.cli.meshes import mesh_app
from gensim_graph.config import compose_config
from gensim_graph.errors import InputError
from gensim_graph.evaluate import write_report
from gensim_graph.forecast import RESTART, check_complete
from gensim_graph.graph import cached_graph
from gensim_graph.io import load_mesh, mesh_from_dataset, open_store
from gensim_graph.nn import OperatorConfig
from gensim_graph.simulate import Experiment, build_ensemble, in_words, seconds_needed, write_cyclone
from gensim_graph.simulate import check_simulation_place as check_store
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import keep_freed_memory
from gensim_graph.train import TrainingPlan, check_folder, config_of, fit, plan_simulation, plan_training

_RESOLUTIONS = "resolutions"

app = typer.Typer(
    help="A generative sea-ice model on any mesh.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
app.add_typer(mesh_app, name="mesh")
app.command()(forecast)
console = Console()


@app.command()
def train(
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key=value, for instance trainer.max_steps=500.")
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh to train on; without it, the meshes of the data.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            help="File, folder or pattern; repeat it. Without it, the built-in cyclone, or ice simulated on the mesh."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run; running the same command again resumes it.")] = Path(
        "run"
    ),
    preset: Annotated[str, typer.Option(help="tiny (minutes on a laptop), small or base (a GPU).")] = "tiny",
    start: Annotated[
        Path | None, typer.Option(help="Trained model to go on from, a folder or small; its size is kept.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and stop.")] = False,
    repair: Annotated[bool, typer.Option(help="Mend defects of the mesh.")] = False,
) -> None:
    """Train a model of the sea ice.

    [dim]gensim-graph train --mesh nextsim.msh[/]

    [dim]gensim-graph train --data 'runs/*.nc' --start small --out tuned/ trainer.learning_rate=5e-4[/]

    [dim]gensim-graph train --data 'runs/*.nc' --preset small --out run/ trainer.max_steps=20000 data.lead_time=6h[/]
    """
    config = compose_config(preset, overrides)
    model = None if start is None else Surrogate.load(start)
    if model:
        config = config_of(model, config, overrides or [])

    check_folder(out)
    loaded = None if mesh is None else load_mesh(mesh, repair=repair)
    keep_freed_memory()
    simulated = plan_simulation(loaded, out, config.trainer.seed) if data is None else None

    if simulated is not None:
        if not simulated.is_there:
            simulated.announce()
        if dry_run and not simulated.is_there:
            console.print_json(json.dumps(config.to_dict()))
            return
        data = [str(simulated.write())]

    plan = plan_training(loaded, data, config, start=model)
    _print_plan(plan)

    if dry_run:
        console.print_json(json.dumps(plan.config.to_dict()))
        return

    fit(plan, out)
    console.print(
        f"the model is in [bold]{out}[/]; forecast with: gensim-graph forecast --model {out} --initial FILE@TIME"
    )


@app.command()
def simulate(
    mesh: Annotated[Path, typer.Option(help="Mesh to simulate on.")],
    out: Annotated[Path, typer.Option(help="Store to write, *.zarr.")],
    members: Annotated[int, typer.Option(help="Independent trajectories.")] = Experiment.members,
    days: Annotated[float, typer.Option(help="Length of each.")] = Experiment.days,
    seed: Annotated[int, typer.Option(help="Of ice, storms and cohesion.")] = Experiment.seed,
    every: Annotated[str, typer.Option(help="Time between records, such as 3h or 30min.")] = Experiment.every,
    case: Annotated[
        str, typer.Option(help="random ice and storms, or the benchmark of Mehlmann et al. (2021).")
    ] = Experiment.case,
    physics: Annotated[
        str, typer.Option(help="Constants: benchmark (those of neXtSIM-DG) or nextsim (neXtSIM v2).")
    ] = Experiment.physics,
    thermodynamics: Annotated[bool, typer.Option("--thermodynamics", help="Let ice grow and melt, from January.")] = (
        Experiment.thermodynamics
    ),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = Experiment.device,
    precision: Annotated[str, typer.Option(help="float64 or float32.")] = Experiment.precision,
    repair: Annotated[bool, typer.Option(help="Mend defects of the mesh.")] = False,
) -> None:
    """Simulate sea ice under moving storms on any mesh: data to train on where there are none.

    [dim]gensim-graph simulate --mesh nextsim.msh --members 8 --days 4 --out storms.zarr[/]
    """
    experiment = Experiment(members, days, seed, every, case, physics, thermodynamics, device, precision)
    check_store(out)
    loaded = load_mesh(mesh, repair=repair)
    keep_freed_memory()
    ensemble = build_ensemble(loaded, experiment)

    console.print(
        f"{members} trajectories of {days:g} days on {loaded.n_faces:,} faces, "
        f"about {in_words(seconds_needed(ensemble))}"
    )
    write_cyclone(ensemble, out)
    console.print(f"the simulation is in [bold]{out}[/]; train on it with: gensim-graph train --data {out}")


@app.command()
def evaluate(
    store: Annotated[Path, typer.Argument(help="Forecast, a .zarr of gensim-graph forecast.")],
    truth: Annotated[str, typer.Option(help="What happened: netCDF or zarr; remapped to the mesh of the forecast.")],
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("report"),
    baseline: Annotated[
        list[str] | None, typer.Option(help="NAME=STORE, another forecast to compare with; repeat it.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The model of the forecast, to show what it has learnt.")] = None,
) -> None:
    """Score a forecast and write an HTML report with maps and curves.

    [dim]gensim-graph evaluate fc.zarr --truth run.nc --baseline twin=twin.zarr --out report/[/]
    """
    others = {}
    for row in baseline or []:
        name, equals, path = row.partition("=")
        if not equals:
            raise InputError(f"--baseline {row}: expected NAME=STORE, for instance twin=twin.zarr")
        others[name] = _open_forecast(Path(path))

    surrogate = None if model is None else Surrogate.load(model)
    ensemble = _open_forecast(store)
    reality = open_store(truth, mesh_from_dataset(ensemble))
    instants = int((ensemble["lead_time"].values > np.timedelta64(0)).sum()) * ensemble.sizes.get("start", 1)

    with Progress(console=console) as progress:
        task = progress.add_task("evaluating", total=instants)
        page = write_report(ensemble, reality, out, others, on_lead=lambda: progress.advance(task), model=surrogate)

    console.print(f"the report is [link=file://{page.resolve()}]{page}[/]")


@app.command()
def benchmark(
    suite: Annotated[str, typer.Option(help=f"What to measure: {', '.join((*SUITES, _RESOLUTIONS))}.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Suite resolutions: key=value for all trainings, for instance operator.unit_km=null."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for SUITE.json and SUITE.png.")] = Path("bench"),
    cells: Annotated[str | None, typer.Option(help="Sizes of the meshes, square numbers with commas.")] = None,
    rounds: Annotated[int, typer.Option(help="Samples of each; all contestants run once a round.")] = 7,
    preset: Annotated[str, typer.Option(help="Size of the operator (suite scaling).")] = "base",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(help="Of the CPU; without it, what PyTorch takes.")] = None,
    keep_memory: Annotated[
        bool, typer.Option("--keep-memory/--return-memory", help="Keep freed memory, as training does; or do not.")
    ] = True,
    plan: Annotated[
        str, typer.Option(help="Suite resolutions: resolutions, quick, or a YAML file of your own.")
    ] = "resolutions",
    data: Annotated[
        Path | None, typer.Option(help="Suite resolutions: folder of the files that the plan names.")
    ] = None,
    steps: Annotated[int, typer.Option(help="Suite resolutions: training steps of every network.", min=1)] = 3000,
    members: Annotated[int, typer.Option(help="Suite resolutions: ensemble members.", min=1)] = 16,
    gensim: Annotated[
        Path | None, typer.Option(help="Suite resolutions: a checkout of GenSIM, to train its network on grids too.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Suite resolutions: in small, an hour on two cores.")] = False,
) -> None:
    """Time and memory of the network on this machine; its skill across resolutions and meshes.

    [dim]gensim-graph benchmark --suite attention --cells 4096,16384[/]

    [dim]gensim-graph benchmark --suite resolutions --quick[/]

    [dim]gensim-graph benchmark --suite resolutions --data DIR --preset tiny --steps 3000[/]

    [dim]gensim-graph benchmark --suite resolutions --data DIR --gensim CHECKOUT[/]

    [dim]gensim-graph benchmark --suite scaling --cells 16384,65536,1048576 --preset tiny --rounds 3[/]
    """
    if suite == _RESOLUTIONS:
        size = "tiny" if preset == Options.preset else preset
        chosen = (*TrainingBudget.overrides, *(overrides or []))
        budget = TrainingBudget(size, 800 if quick else steps, chosen, gensim=gensim)
        protocol = Protocol(4, 2, 1) if quick else Protocol(members)
        _resolutions(StudyOptions(read_plan("quick" if quick else plan), out, data, budget, protocol))
        return

    if suite not in SUITES:
        raise InputError(f"--suite {suite}: expected one of {', '.join((*SUITES, _RESOLUTIONS))}")
    if overrides:
        raise InputError(f"{' '.join(overrides)}: suite {suite} trains nothing; leave it out")

    options = Options(parse_cells(cells), rounds, device, threads, preset, keep_memory=keep_memory)
    with Progress(console=console) as progress:
        task = progress.add_task(suite, total=1.0)

        def watch(what: str, share: float) -> None:
            progress.update(task, completed=share, description=f"{suite}, {what}" if what else None)

        report = run_suite(suite, options, out, watch)

    _print_benchmark(report)
    console.print(f"table and figure are in [bold]{out}[/]: {suite}.json, {suite}.png")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of everything.")] = Path("demo"),
    steps: Annotated[int, typer.Option(help="Training steps.", min=1)] = Study.steps,
) -> None:
    """Train, forecast and evaluate on the built-in data: about ten minutes on two cores.

    [dim]gensim-graph demo --out demo/[/]
    """
    keep_freed_memory()
    run_study(Study(steps=steps, twin_steps=max(1, steps // 4)), out, console)


def _resolutions(study: StudyOptions) -> None:
    keep_freed_memory()
    table = run_resolutions(study, lambda what, share: console.print(f"[dim]{100 * share:3.0f} %[/] {what}"))
    console.print(table.read_text(), highlight=False, soft_wrap=True)
    console.print(f"the table is in [bold]{table}[/], beside it resolutions.json and resolutions.png")


def _open_forecast(path: Path) -> xr.Dataset:
    if not path.exists():
        raise InputError(f"{path}: there is no such forecast; check the path")
    if (path / RESTART).exists():
        check_complete(path)

    try:
        return xr.open_zarr(path, chunks=None)  # fields are read when they are needed
    except Exception as error:
        raise InputError(f"{path}: cannot be read as a forecast ({error})") from None


def _print_plan(plan: TrainingPlan) -> None:
    table = Table("mesh", "faces", "trajectories", "pairs", "spacing km", "clusters", title="training data")
    for index, part in enumerate(plan.data):
        graph = cached_graph(part.mesh)
        row = (part.mesh.n_faces, len(part.state), part.n_pairs, f"{np.median(part.mesh.spacing) / 1e3:.1f}")
        table.add_row(str(index), *map(str, row), str(graph.n_clusters))

    console.print(table)
    config, operator = plan.config, plan.operator()
    present = [v.name for v in plan.normaliser.table.variables if v.name in plan.normaliser.statistics.values]
    cells = config.data.batch * min(config.data.clusters * 256, max(part.mesh.n_faces for part in plan.data))

    console.print(
        f"variables {', '.join(present)}; lead time {config.data.lead_time}\n"
        f"operator: {operator.n_parameters:,} weights; "
        f"{config.trainer.max_steps} steps of {config.data.batch} samples; "
        f"about {_memory(cells, config.operator, operator.n_parameters):.1f} GB at {cells:,} cells a batch"
    )


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


def _memory(cells: int, config: OperatorConfig, weights: int) -> float:
    """Rough peak of a training step in GB, a fit to the peaks of ``tiny`` and ``small`` in float32 on a CPU.

    0.6 GB for the libraries, 16 bytes a weight (value, gradient, two moments), and for each cell of the batch 710 bytes
    a feature and layer on the cells and 28 a feature and block on the tokens.
    """
    per_cell = 710 * config.cell_width * config.cell_layers + 28 * config.width * config.blocks
    return 0.6 + (cells * per_cell + 16 * weights) / 1e9


def main() -> None:
    """Entry point: one line for wrong input, exit code 2."""
    logging.basicConfig(format="%(message)s", handlers=[RichHandler(console=Console(stderr=True), show_path=False)])
    try:
        app()
    except InputError as error:
        Console(stderr=True).print("[red]error:[/]", Text(str(error)), highlight=False, soft_wrap=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

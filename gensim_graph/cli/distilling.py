"""``gensim-graph distil`` and ``calibrate``: a student of one evaluation in each step, and its biases in long runs."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from gensim_graph.cli.console import command_line, console, place, results, say
from gensim_graph.cli.training import TrainingRequest, device_override, let_first_process_talk, run_training
from gensim_graph.errors import InputError
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import choose_device
from gensim_graph.train import calibrate, student_overrides
from gensim_graph.units import SECONDS_PER_DAY


def distil_command(
    model: Annotated[Path, typer.Option(help="The trained flow: a folder, small or an address.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, for instance data.rollout=4.")] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(help="File, folder or pattern to train on, such as the data of the flow; repeat it."),
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh to train on; without it, the meshes of the data.")] = None,
    forcing: Annotated[
        list[str] | None, typer.Option(help="Winds and temperatures that replace those of the data; repeat it.")
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(help="Files to validate on; repeat it. Without it, a part of the data is held back."),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the run; the same command again resumes it.")] = Path("student"),
    evaluations: Annotated[int, typer.Option(help="Evaluations of the network in each step of the forecast.")] = 1,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda; short for trainer.accelerator=.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan of the training and stop.")] = False,
) -> None:
    """Train a student of a flow: a model that needs one evaluation of the network in each step instead of eleven.

    [dim]gensim-graph distil --model run/ --data 'runs/*.nc' --out student/[/]

    [dim]gensim-graph distil --model small --data 'runs/*.nc' --out student/ data.rollout=4 trainer.max_steps=4000[/]

    [dim]gensim-graph forecast --model student/ --initial state.nc --forcing winds.nc --days 10 --out ten.zarr[/]
    """
    let_first_process_talk()
    chosen = [*(overrides or []), *device_override(device, overrides or [])]
    flow = Surrogate.load(model)
    settings = student_overrides(flow, evaluations, chosen)
    request = TrainingRequest(mesh, data, forcing, validation, None, None, flow, device, dry_run, False, None)
    run_training(request, settings, out)


def calibrate_command(
    model: Annotated[Path, typer.Option(help="The student: a folder, small-1 or an address.")],
    data: Annotated[
        list[str],
        typer.Option(help="File, folder or pattern with state and forcing; repeat it: each counts the same."),
    ],
    window: Annotated[str, typer.Option(help="Length of the free runs, such as 30d.")] = "120d",
    variables: Annotated[str, typer.Option(help="Scalars that are calibrated, such as sit,snt.")] = "sit",
    out: Annotated[Path, typer.Option(help="New folder of the calibrated model.")] = Path("calibrated"),
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Reduce the biases with which long runs of a student drift away.

    Its last layer is fitted to the tendencies of free runs: what each step adds to the ice shall be right in the mean.

    Give all of the data that the student was trained on, so that what it does elsewhere stays as it is.

    [dim]gensim-graph calibrate --model student/ --data 'years/*.nc' --data 'storms/*.nc' --out calibrated/[/]

    [dim]gensim-graph calibrate --model student/ --data 'years/*.nc' --window 60d --variables sit,snt --out new/[/]
    """
    names = [name.strip() for name in variables.split(",") if name.strip()]
    if not names:
        raise InputError("--variables: expected names such as sit,snt; came none")
    student = Surrogate.load(model).to(choose_device(device))
    calibrated, rows = calibrate(student, data, window=window, variables=names, out=out, progress=not console.quiet)

    table = Table("set", "variable", "steps", "error a day", "after", "groups")
    days = calibrated.lead_time.astype("timedelta64[s]").astype(float) / SECONDS_PER_DAY
    units = {variable.name: variable.units for _, variable in calibrated.forecast_variables}
    for row in rows:
        errors = [f"{value / days:+.2g} {units[row.variable]}" for value in (row.mean, row.mean_after)]
        table.add_row(Path(row.name).name, row.variable, str(row.steps), *errors, f"{row.groups_after:.3f}")
    results.print(table)
    command = command_line("gensim-graph", "forecast", "--model", out, "--initial", "FILE@TIME")
    say("error of what a day adds, truth less model, over the mesh; groups: error of 64 cells, after / before")
    say(f"the model is in {place(out)}; forecast with:{command}")

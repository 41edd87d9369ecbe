"""``gensim-graph distil``: train a student, which forecasts with one evaluation of the network in each step."""

from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.training import TrainingRequest, device_override, let_first_process_talk, run_training
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import student_overrides


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

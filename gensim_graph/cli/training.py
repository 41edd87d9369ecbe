"""``gensim-graph train``: one training, or a sweep of trainings in numbered folders."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.console import command_line, console, place, results, say
from gensim_graph.cli.plan_table import print_plan
from gensim_graph.cli.sweep_folder import open_sweep
from gensim_graph.config import compose_config, sweep
from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import choose_device, keep_freed_memory
from gensim_graph.train import (
    check_folder,
    config_of,
    fit,
    is_first_process,
    keep_settings,
    plan_simulation,
    plan_training,
)

_ACCELERATORS = {"auto": "auto", "cpu": "cpu", "cuda": "gpu"}
"""Option ``--device`` -> ``trainer.accelerator``, a word of Lightning."""


@dataclass(frozen=True)
class TrainingRequest:
    """Options of a command that trains, which all runs of a sweep share.

    Attributes:
        mesh, data, forcing, validation, preset, file, start, device, dry_run, repair, topology: options of
            :func:`train_command`.
    """

    mesh: Path | None
    data: list[str] | None
    forcing: list[str] | None
    validation: list[str] | None
    preset: str | None
    file: Path | None
    start: Path | Surrogate | None
    device: str | None
    dry_run: bool
    repair: bool
    topology: str | None


def train_command(
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
    forcing: Annotated[
        list[str] | None,
        typer.Option(
            help="Winds and temperatures on any grid and with any time step: file, folder or pattern; repeat it. They "
            "replace those of the data."
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(help="Files to validate on; repeat it. Without it, a part of the data is held back."),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            help="Folder of the run; the same command again resumes it, with more trainer.max_steps extends it."
        ),
    ] = Path("run"),
    preset: Annotated[
        str | None, typer.Option(help="tiny (the default, minutes on a laptop), small, or base (a GPU).")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with the settings that differ from the defaults.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Trained model to go on from: a folder, small or an address; its size is kept.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda; short for trainer.accelerator=.")] = None,
    multirun: Annotated[
        bool, typer.Option("--multirun", "-m", help="Train once for each combination of values, in OUT/0, OUT/1, ...")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the plan of the training and stop.")] = False,
    repair: Annotated[bool, typer.Option(help="Mend defects of the mesh.")] = False,
    topology: Annotated[
        str | None, typer.Option(help="Name of the mesh topology, where the mesh or the data have several.")
    ] = None,
) -> None:
    """Train a model of the sea ice.

    [dim]gensim-graph train --mesh nextsim.msh[/]

    [dim]gensim-graph train --data 'runs/*.nc' --start small --out tuned/ +experiment=fine_tune[/]

    [dim]gensim-graph train --data 'runs/*.nc' --preset small --out run/ trainer.max_steps=20000 data.lead_time=6h[/]

    [dim]gensim-graph train --data 'runs/*.nc' --forcing 'era5/*.nc' --out run/[/]

    [dim]gensim-graph train --multirun operator=tiny,small data.batch=8,16 --out sweep/[/]
    """
    let_first_process_talk()
    request = TrainingRequest(mesh, data, forcing, validation, preset, config, start, device, dry_run, repair, topology)
    runs = [[*row, *device_override(device, row)] for row in sweep(overrides or [])]
    if not multirun:
        if len(runs) > 1:
            raise InputError(f"{' '.join(overrides or [])}: gives several values; add --multirun to train each")
        run_training(request, runs[0], out)
        return

    for row in runs:  # a mistake in any of them shows before the first training
        compose_config(preset, row, config)
    if not dry_run:
        open_sweep(out, runs)
    for number, row in enumerate(runs):
        console.rule(f"{out / str(number)}  {' '.join(row)}")
        run_training(request, row, out / str(number))


def let_first_process_talk() -> None:
    """Silence this process if it is one of several of a training, and not the first."""
    if not is_first_process():
        console.quiet = True
        logging.getLogger("gensim_graph").setLevel(logging.ERROR)


def device_override(device: str | None, overrides: list[str]) -> list[str]:
    """Return the override that ``--device`` stands for.

    Args:
        device: option of the user.
        overrides: of the user; they may not choose the device too.

    Raises:
        InputError: an unknown device, no GPU, or two choices.
    """
    if device is None:
        return []
    if device not in _ACCELERATORS:
        number = "; CUDA_VISIBLE_DEVICES chooses a GPU by its number" if device.startswith("cuda:") else ""
        raise InputError(f"--device {device}: expected auto, cpu or cuda{number}")
    if any(row.startswith("trainer.accelerator=") for row in overrides):
        raise InputError("--device and trainer.accelerator=: both choose the device; give one of them")

    choose_device(device)  # raises without a GPU
    return [f"trainer.accelerator={_ACCELERATORS[device]}"]


def run_training(request: TrainingRequest, overrides: list[str], out: Path) -> None:
    """Train, with progress and a hint to what comes next.

    Args:
        request: options of the command.
        overrides: Hydra overrides.
        out: folder of the run.

    Raises:
        InputError: see :func:`~gensim_graph.train`.
    """
    config = compose_config(request.preset, overrides, request.file)
    start = request.start
    model = Surrogate.load(start) if isinstance(start, Path) else start
    if model:
        config = config_of(model, config, overrides)
    check_folder(out)
    config = keep_settings(out, config)

    mesh = None if request.mesh is None else _mesh_of(request, request.mesh)
    data = request.data
    keep_freed_memory()
    simulated = plan_simulation(mesh, out, config.trainer.seed) if data is None else None
    if simulated is not None:
        if not simulated.exists:
            simulated.announce()
        if request.dry_run and not simulated.exists:
            results.print_json(json.dumps(config.to_dict()))
            return
        data = [str(simulated.write(progress=not console.quiet))]

    plan = plan_training(
        mesh,
        data,
        config,
        start=model,
        validation=request.validation,
        topology=request.topology,
        forcing=request.forcing,
    )
    print_plan(plan, results if request.dry_run else console)
    if request.dry_run:
        results.print_json(json.dumps(plan.config.to_dict()))
        return

    fit(plan, out, progress=not console.quiet)
    command = command_line("gensim-graph", "forecast", "--model", out, "--initial", "FILE@TIME")
    say(f"the model is in {place(out)}; forecast with:{command}")


def _mesh_of(request: TrainingRequest, file: Path) -> Mesh:
    """The mesh of ``--mesh``; other formats than netCDF and zarr have one topology only."""
    topology = request.topology if file.suffix in (".nc", ".nc4", ".zarr") else None
    return load_mesh(file, repair=request.repair, topology=topology)

"""``gensim-graph forecast``: an ensemble forecast in a zarr store."""

from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.console import command_line, console, place, say
from gensim_graph.data import open_forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast import Batch, Ranks, check_place, read_initial, split_initial, steps_of, write_forecast
from gensim_graph.io import load_mesh, mesh_from_dataset
from gensim_graph.nn import is_compiled_on
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import choose_device, keep_freed_memory

_STEPS = 8


def forecast_command(
    model: Annotated[
        Path, typer.Option(help="Trained model: a folder, small, or an address (https://, hf://OWNER/NAME).")
    ],
    initial: Annotated[str, typer.Option(help="Initial state: FILE@TIME, or FILE@TIME,TIME,... for several starts.")],
    forcing: Annotated[
        list[str] | None,
        typer.Option(
            help="Winds and temperatures on any grid: file, folder or pattern; repeat it. Without it, the state's file."
        ),
    ] = None,
    mesh: Annotated[Path | None, typer.Option(help="Mesh to forecast on; state and winds are remapped to it.")] = None,
    members: Annotated[int, typer.Option(help="Ensemble members.", min=1)] = 16,
    steps: Annotated[
        int | None, typer.Option(help=f"Forecast steps, one lead time each; {_STEPS} without --years.", min=1)
    ] = None,
    years: Annotated[float | None, typer.Option(help="Length in years of 365.25 days, in place of --steps.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the noise.", min=0)] = 0,
    out: Annotated[
        Path, typer.Option(help="Store to write, *.zarr; the same command again goes on, with more steps it extends.")
    ] = Path("forecast.zarr"),
    every: Annotated[int, typer.Option(help="Steps between written states.", min=1)] = 1,
    variables: Annotated[
        str | None, typer.Option(help="Variables to write, such as sic,sit; without it, all of the model.")
    ] = None,
    budget: Annotated[
        bool, typer.Option("--budget", help="Write transport and source of ice and snow in each step, too.")
    ] = False,
    interpolate: Annotated[
        bool, typer.Option("--interpolate", help="Interpolate winds linearly between their times.")
    ] = False,
    repeat_forcing: Annotated[
        bool, typer.Option("--repeat-forcing", help="Repeat the winds; whole years repeat by the calendar.")
    ] = False,
    batch: Annotated[
        str, typer.Option(help="Members computed together, or auto: as many as suit memory and device.")
    ] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[str, typer.Option(help="Precision of the network: float32 or bf16.")] = "float32",
    compiled: Annotated[
        bool | None,
        typer.Option(
            "--compile/--no-compile",
            help="Compile the network, which takes minutes and pays in long runs. By default on a GPU.",
        ),
    ] = None,
    mirror: Annotated[
        str,
        typer.Option(
            help="auto: a mesh in the other hemisphere than the training data is forecast in its mirror image; always; "
            "never."
        ),
    ] = "auto",
    conserve: Annotated[
        str,
        typer.Option(
            help="auto: the volume of ice and snow is kept in a closed domain, if the model has no sources; always; "
            "never."
        ),
    ] = "auto",
    topology: Annotated[
        str | None, typer.Option(help="Name of the mesh topology, where the file of the state has several.")
    ] = None,
) -> None:
    """Forecast an ensemble into a zarr store, of any length, on one process or many.

    [dim]gensim-graph forecast --model run/ --initial state.nc@2000-01-02T00 --steps 4 --out fc.zarr[/]

    [dim]gensim-graph forecast --model run/ --initial state.nc@2000-01-01 --forcing 'era5/*.nc' --interpolate
    --repeat-forcing --years 10 --members 4 --every 2 --variables sic,sit --out decade.zarr[/]

    [dim]torchrun --nproc-per-node 4 -m gensim_graph forecast --model run/ --initial state.nc@2000-01-02T00
    --members 64 --out fc.zarr[/]
    """
    if steps is not None and years is not None:
        raise InputError("--steps and --years: give one of them")
    if mirror not in ("auto", "always", "never"):
        raise InputError(f"--mirror {mirror}: expected auto, always or never")
    if conserve not in ("auto", "always", "never"):
        raise InputError(f"--conserve {conserve}: expected auto, always or never")
    if precision not in ("float32", "bf16"):
        raise InputError(f"--precision {precision}: expected float32 or bf16")

    check_place(out)
    keep_freed_memory()
    ranks = Ranks.from_environment()
    surrogate = Surrogate.load(model).to(choose_device(device, ranks.local_rank), precision)  # type: ignore[arg-type]

    surrogate.mirror, surrogate.conserve = mirror, conserve  # type: ignore[assignment]
    if is_compiled_on("auto" if compiled is None else str(compiled).lower(), surrogate.device):
        surrogate.compile()

    table = surrogate.normaliser.table
    state = read_initial(initial, None if mesh is None else load_mesh(mesh), table, topology)
    winds = forcing or [split_initial(initial)[0]]
    drivers = open_forcing(
        winds, mesh_from_dataset(state), table, interpolate=interpolate, repeat=repeat_forcing, topology=topology
    )

    write_forecast(
        surrogate,
        state,
        drivers,
        out,
        steps=steps or (_STEPS if years is None else steps_of(years, surrogate.lead_time)),
        members=members,
        seed=seed,
        every=every,
        variables=tuple(variables.split(",")) if variables else (),
        budget=budget,
        batch=_batch(batch),
        progress=not console.quiet,
    )
    if ranks.is_first:
        command = command_line("gensim-graph", "evaluate", out, "--truth", "FILE")
        say(f"the forecast is in {place(out)}; look at it with:{command}")


def _batch(text: str) -> Batch:
    if text != "auto" and not text.isdigit():
        raise InputError(f"--batch {text}: expected a number of members, or auto")
    return "auto" if text == "auto" else int(text)

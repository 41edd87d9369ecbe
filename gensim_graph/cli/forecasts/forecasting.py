"""``gensim-graph forecast``: an ensemble forecast in a zarr store."""

from pathlib import Path
from typing import Annotated

import typer

from gensim_graph.cli.console import command_line, console, place, say
from gensim_graph.cli.forecasts import forecast_options as given
from gensim_graph.cli.forecasts.forecast_setup import DEFAULT_STEPS, batch_of, prepare_forecast
from gensim_graph.errors import InputError
from gensim_graph.forecast import steps_of, write_forecast


def forecast_command(
    model: given.ModelOption,
    initial: given.InitialOption,
    forcing: given.ForcingOption = None,
    mesh: given.MeshOption = None,
    members: given.MembersOption = 16,
    steps: Annotated[
        int | None, typer.Option(help=f"Forecast steps, one lead time each; {DEFAULT_STEPS} without --years.", min=1)
    ] = None,
    years: Annotated[float | None, typer.Option(help="Length in years of 365.25 days, in place of --steps.")] = None,
    seed: given.SeedOption = 0,
    out: given.OutOption = Path("forecast.zarr"),
    every: given.EveryOption = 1,
    variables: given.VariablesOption = None,
    budget: Annotated[
        bool,
        typer.Option(
            "--budget",
            help="Write sit_transport and sit_source, too, and the same for the snow: the change in a step by "
            "the drift, and by sources.",
        ),
    ] = False,
    observations: Annotated[
        list[str] | None,
        typer.Option(
            help="Observations that the members are pulled towards: file or pattern; repeat it. More options for them: "
            "gensim-graph assimilate."
        ),
    ] = None,
    error: given.ErrorOption = None,
    guard: given.GuardOption = True,
    interpolate: given.InterpolateOption = False,
    repeat_forcing: given.RepeatOption = False,
    batch: given.BatchOption = "auto",
    device: given.DeviceOption = "auto",
    precision: given.PrecisionOption = "float32",
    compiled: given.CompileOption = False,
    mirror: given.MirrorOption = "auto",
    conserve: given.ConserveOption = "auto",
    topology: given.TopologyOption = None,
) -> None:
    """Forecast an ensemble into a zarr store, of any length, on one process or many.

    [dim]gensim-graph forecast --model run/ --initial state.nc@2000-01-02T00 --steps 4 --out fc.zarr[/]

    [dim]gensim-graph forecast --model run/ --initial state.nc@2000-01-01 --forcing 'era5/*.nc' --interpolate
    --repeat-forcing --years 10 --members 4 --every 2 --variables sic,sit --out decade.zarr[/]

    [dim]gensim-graph forecast --model run/ --initial state.nc@2000-01-02T00 --budget --out budget.zarr[/]
    (how much ice has moved, and how much has grown or melted)

    [dim]torchrun --nproc-per-node 4 -m gensim_graph forecast --model run/ --initial state.nc@2000-01-02T00
    --members 64 --out fc.zarr[/]

    [dim]gensim-graph forecast --model run_a/ --model run_b/ --initial state.nc@2000-01-02T00 --members 16
    --out fc.zarr[/]  (members 0 to 7 from run_a, 8 to 15 from run_b)
    """
    if steps is not None and years is not None:
        raise InputError("--steps and --years: give one of them")
    if error and not observations:
        raise InputError("--error: it is that of --observations, and there are none")

    setup = prepare_forecast(
        out,
        model,
        initial,
        mesh,
        forcing,
        interpolate=interpolate,
        repeat_forcing=repeat_forcing,
        device=device,
        precision=precision,
        compiled=compiled,
        mirror=mirror,
        conserve=conserve,
        topology=topology,
    )
    count = steps or (DEFAULT_STEPS if years is None else steps_of(years, setup.model.lead_time))
    observed = None
    if observations:
        from gensim_graph.cli.forecasts.observed_input import read_observed  # a plain forecast needs none

        setup.models.check_guidable()
        observed = read_observed(observations, setup, count, error)

    write_forecast(
        setup.models.models,
        setup.state,
        setup.forcing,
        out,
        steps=count,
        members=members,
        seed=seed,
        every=every,
        variables=tuple(variables.split(",")) if variables else (),
        budget=budget,
        guard=guard,
        batch=batch_of(batch),
        progress=not console.quiet,
        observations=observed,
    )
    if setup.ranks.is_first:
        command = command_line("gensim-graph", "evaluate", out, "--truth", "FILE")
        say(f"the forecast is in {place(out)}; look at it with:{command}")

"""``gensim-graph assimilate``: a forecast that observations correct in each step."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, get_args

import numpy as np
import typer

from gensim_graph.assimilate import LETKF, Assimilation, Method, Observations
from gensim_graph.cli.console import command_line, console, place, results, say
from gensim_graph.cli.forecasts import forecast_options as given
from gensim_graph.cli.forecasts.forecast_setup import (
    DEFAULT_STEPS,
    ForecastSetup,
    batch_of,
    check_choice,
    prepare_forecast,
)
from gensim_graph.cli.forecasts.innovation_summary import print_innovations
from gensim_graph.cli.forecasts.observed_input import numbers_by_variable, read_observed
from gensim_graph.errors import InputError
from gensim_graph.flow import GuidanceConfig
from gensim_graph.forecast import write_forecast
from gensim_graph.units import KM_PER_METRE

_FILTER = Assimilation.filter


def _in_km(radius: float | Mapping[str, float]) -> str:
    """Radii as the option takes them."""
    if isinstance(radius, Mapping):
        return ",".join(f"{name}={one * KM_PER_METRE:g}" for name, one in radius.items())
    return f"{radius * KM_PER_METRE:g}"


_NEEDS = {"share": ("both",), "products": ("guided", "both")} | dict.fromkeys(
    ("radius", "groups", "inflation", "relaxation"), ("letkf", "both")
)
"""Option -> methods that use it."""


def assimilate_command(
    model: given.ModelOption,
    initial: given.InitialOption,
    observations: Annotated[
        list[str], typer.Option(help="Observations: CSV, netCDF or zarr, tables or gridded; repeat it.")
    ],
    forcing: given.ForcingOption = None,
    mesh: given.MeshOption = None,
    members: given.MembersOption = 32,
    steps: Annotated[
        int | None, typer.Option(help=f"Forecast steps, one lead time each; {DEFAULT_STEPS} without --days.", min=1)
    ] = None,
    days: Annotated[float | None, typer.Option(help="Length in days, in place of --steps.")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="guided: observations guide the flow of each member; letkf: free steps, each followed by a local "
            "ensemble transform Kalman filter; both share the information."
        ),
    ] = "guided",
    share: Annotated[
        float | None, typer.Option(help="Part of the information that guides, of method both; 0.5 if not given.")
    ] = None,
    products: Annotated[
        int | None, typer.Option(help="Backward passes in each evaluation of a guided flow; 1 if not given.")
    ] = None,
    radius: Annotated[
        list[str] | None,
        typer.Option(
            help="Filter: km to which observations reach, a number or sic=20,siu=50,siv=50; "
            f"{_in_km(_FILTER.radius)} if not given."
        ),
    ] = None,
    groups: Annotated[
        list[str] | None,
        typer.Option(
            help="Filter: variables that correct each other, such as sit,sic; repeat it for each group. "
            f"{' and '.join(','.join(one) for one in _FILTER.groups or ())} if not given; all for one group."
        ),
    ] = None,
    inflation: Annotated[
        float | None, typer.Option(help=f"Filter: factor of the variances; {_FILTER.inflation:g} if not given.")
    ] = None,
    relaxation: Annotated[
        float | None,
        typer.Option(help=f"Filter: part of the old spread that stays; {_FILTER.relaxation:g} if not given."),
    ] = None,
    error: given.ErrorOption = None,
    thin: Annotated[
        float | None, typer.Option(help="Drop observations that are nearer to another one than this, km.")
    ] = None,
    average: Annotated[
        bool, typer.Option("--average/--no-average", help="Average the observations of a time in each cell.")
    ] = True,
    seed: given.SeedOption = 0,
    out: given.OutOption = Path("analysis.zarr"),
    every: given.EveryOption = 1,
    variables: given.VariablesOption = None,
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
    """Correct a forecast with observations, step by step: an analysis, and what it changed.

    [dim]gensim-graph assimilate --model small --initial state.nc@2000-01-02 --forcing 'era5/*.nc' --interpolate
    --observations 'ice_conc_nh_*.nc' --observations buoys.csv --days 10 --members 32 --out analysis.zarr[/]

    [dim]gensim-graph assimilate --model small --initial state.nc@2000-01-02 --observations obs.nc
    --method letkf --radius sic=20,siu=50,siv=50 --error sic=0.05 --steps 6 --out filtered.zarr[/]
    """
    check_choice("method", method, get_args(Method))
    if steps is not None and days is not None:
        raise InputError("--steps and --days: give one of them")
    settings: dict[str, Any] = {
        "share": share,
        "products": products,
        "radius": radius,
        "groups": groups,
        "inflation": inflation,
        "relaxation": relaxation,
    }
    _check_settings(method, settings)

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
    _check_ensemble(setup, method, members)
    settings["groups"] = _groups(groups, setup)
    count = steps or (DEFAULT_STEPS if days is None else _steps_of(days, setup))
    observed = _assimilation(read_observed(observations, setup, count, error, thin, average), method, settings)

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
        guard=guard,
        batch=batch_of(batch),
        progress=not console.quiet,
        observations=observed,
    )
    if setup.ranks.world == 1:  # of several processes, others may still be at work
        print_innovations(out, results, is_guided=method != "letkf")
    if setup.ranks.is_first:
        command = command_line("gensim-graph", "evaluate", out, "--truth", "FILE")
        say(f"the analysis is in {place(out)}; look at it with:{command}")


def _check_settings(method: str, settings: dict[str, Any]) -> None:
    """Raise an error for a setting that the method does not use."""
    for name, value in settings.items():
        if value is not None and method not in _NEEDS[name]:
            raise InputError(f"--{name}: method {method} does not use it; it is for {' and '.join(_NEEDS[name])}")


def _check_ensemble(setup: ForecastSetup, method: str, members: int) -> None:
    """Raise an error if the method cannot work with the model or the number of members."""
    if method != "letkf":
        setup.models.check_guidable()
    states = max(setup.state.sizes.get(name, 1) for name in ("member", "trajectory"))
    count = setup.models.count_members(members, max(states, setup.forcing.n_members))
    if method != "guided" and count < 2:
        raise InputError(f"--method {method}: the filter needs two members or more; came {count}")


def _steps_of(days: float, setup: ForecastSetup) -> int:
    """Steps in a number of days, at least one."""
    if not 0 < days < np.inf:
        raise InputError(f"--days {days:g}: expected a number above 0")
    return max(1, round(days * (np.timedelta64(1, "D") / setup.model.lead_time)))


def _groups(texts: list[str] | None, setup: ForecastSetup) -> list[list[str]] | None:
    """Groups of variables of the filter; None if they are not given."""
    known = [one.name for _, one in setup.model.forecast_variables]
    if texts is None or texts == ["all"]:
        return None if texts is None else [known]

    groups = [[name.strip() for name in text.split(",")] for text in texts]
    unknown = [name for group in groups for name in group if name not in known]
    if unknown:
        raise InputError(
            f"--groups: no variable {', '.join(unknown)}; expected names out of {', '.join(known)}, separated by "
            "commas, such as --groups sit,sic --groups siu,siv, or all"
        )
    return groups


def _assimilation(observations: Observations, method: str, settings: dict[str, Any]) -> Assimilation:
    known = {name: value for name, value in settings.items() if value is not None}
    radius = numbers_by_variable("radius", known.pop("radius", None))
    share = {"share": known.pop("share")} if "share" in known else {}
    guidance = GuidanceConfig(known.pop("products", GuidanceConfig.products))

    return Assimilation(observations, method, guidance, _filter(radius, known), **share)  # type: ignore[arg-type]


def _filter(radius: float | dict[str, float] | None, settings: dict[str, Any]) -> LETKF:
    """The filter with some of its settings; radii in km."""
    if isinstance(radius, dict):
        settings["radius"] = {name: one / KM_PER_METRE for name, one in radius.items()}
    elif radius is not None:
        settings["radius"] = radius / KM_PER_METRE

    return replace(_FILTER, **settings)

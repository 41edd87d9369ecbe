"""Initial state and forcing of a forecast: checked for what the model needs before the first step."""

import logging
from collections.abc import Hashable, Iterable

import torch
import xarray as xr

from gensim_graph.data import Forcing, Normaliser, as_forcing, stack_variables
from gensim_graph.errors import InputError, check_count
from gensim_graph.io import DATASET_ADVICE
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import Variable

log = logging.getLogger(__name__)


def check_request(steps: int, members: int, seed: int, batch: int) -> None:
    """Refuse numbers that make no forecast.

    Args:
        steps: number of steps, 0 for the initial state alone.
        members: number of ensemble members.
        seed: seed of the noise.
        batch: members computed together.

    Raises:
        InputError: a number that is not whole, or too small.
    """
    check_count("forecast.steps", steps, least=0)
    check_count("forecast.members", members, least=1)
    check_count("forecast.seed", seed, least=0)
    check_count("forecast.batch", batch, least=1)


def initial_states(initial: xr.Dataset, normaliser: Normaliser) -> Float[Tensor, "origin face state"]:
    """Return the state variables of a dataset in the order of the model's channels, physical units.

    Args:
        initial: the state at one time, or an ensemble of states with a dimension ``trajectory``.
        normaliser: variable table and statistics of the model.

    Returns:
        One state for each trajectory; one in all for a dataset without this dimension.

    Raises:
        InputError: a state variable is missing, or there are several times.
    """
    if initial["time"].ndim:
        raise InputError(f"initial state: expected one time, came {initial.sizes['time']}; choose one, .isel(time=0)")

    state = normaliser.table.state
    _require("initial state", initial, state, normaliser)
    names = [variable.name for variable in state if variable.name in initial]
    fields = initial[names]

    if "trajectory" not in fields.dims:
        return torch.from_numpy(stack_variables(fields, state))[None]

    alike = fields.broadcast_like(fields["trajectory"]).transpose("trajectory", "face", ...)
    return torch.from_numpy(stack_variables(alike, state))


def states_of_members(states: Float[Tensor, "origin face state"], members: range) -> Float[Tensor, "member face state"]:
    """Return the initial states of some members: each starts from its own state of the initial ensemble.

    Args:
        states: of the initial ensemble; if there are more members than states, they are taken in turn.
        members: numbers of the members.
    """
    if len(states) == 1:
        return states.expand(len(members), -1, -1)
    return states[[member % len(states) for member in members]]


def count_members(members: int, origins: int, deterministic: bool, weathers: int = 1) -> int:
    """Return the number of members of a forecast, and log how they begin if there are several initial states.

    Args:
        members: as asked for.
        origins: number of initial states.
        deterministic: the model is a deterministic twin, whose members differ by initial state or forcing alone.
        weathers: number of members of the forcing.
    """
    count = min(members, max(origins, weathers)) if deterministic else members
    if origins > 1:
        how = "in turn" if count > origins else "each from its own"
        log.info("%d members start from %d states of the initial ensemble, %s", count, min(count, origins), how)

    return count


def complete_forcing(
    forcing: xr.Dataset | Forcing, mesh: Mesh, normaliser: Normaliser, times: Array | None = None
) -> Forcing:
    """Return the forcing on the mesh of the forecast, with all the variables that the model needs.

    Degree days that the model needs and the forcing lacks are computed from its temperature.

    Args:
        forcing: a dataset, or forcing opened from files.
        mesh: mesh of the forecast.
        normaliser: variable table and statistics of the model.
        times: (T,) datetime64 of the forecast; None if they are not known.

    Raises:
        InputError: a variable is missing, the forcing is on another mesh, or it has no values at one of the times.
    """
    table = normaliser.table
    needed = (*table.forcing, *table.slow)
    if not isinstance(forcing, xr.Dataset | Forcing):
        raise InputError(
            f"forcing: expected a dataset, or files opened with gensim_graph.open_forcing(path, mesh); came "
            f"{type(forcing).__name__}; {DATASET_ADVICE}"
        )

    try:
        opened = as_forcing(forcing, mesh, table)
    except InputError as error:
        has_none = "no variable of the table" in str(error) or "none of" in str(error)
        if isinstance(forcing, xr.Dataset) and has_none:
            _require("forcing", forcing.data_vars, needed, normaliser)  # names those that are needed
        raise

    if times is not None:
        opened.check(times)  # before the degree days, which take minutes
    trained = normaliser.statistics.values
    opened = opened.with_degree_days([one.name for one in table.slow if one.name in trained], times)
    _require("forcing", opened.names, needed, normaliser)

    return opened


def _require(what: str, present: Iterable[Hashable], variables: tuple[Variable, ...], normaliser: Normaliser) -> None:
    """Refuse inputs that lack a variable of the training data."""
    names = [str(name) for name in present]
    trained = normaliser.statistics.values
    optional = normaliser.statistics.optional
    missing = [
        one.name for one in variables if one.name in trained and one.name not in names and one.name not in optional
    ]

    if missing:
        raise InputError(
            f"{what}: {', '.join(missing)} missing; this model was trained with them "
            f"(it has: {', '.join(sorted(names))})"
        )

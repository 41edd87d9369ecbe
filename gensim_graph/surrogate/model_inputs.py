"""Initial state and forcing of a forecast: checked for what the model needs before the first step."""

from collections.abc import Hashable, Iterable

import torch
import xarray as xr

from gensim_graph.data import Forcing, Normaliser, as_forcing, stack_variables
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Float, Tensor
from gensim_graph.variables import Variable


def initial_state(initial: xr.Dataset, normaliser: Normaliser) -> Float[Tensor, "face state"]:
    """Return the state variables of a dataset in the order of the model's channels, physical units.

    Args:
        initial: the state at one time.
        normaliser: variable table and statistics of the model.

    Raises:
        InputError: a state variable is missing, or there are several times.
    """
    if initial["time"].ndim:
        raise InputError(f"initial state: expected one time, came {initial.sizes['time']}; choose one, .isel(time=0)")

    state = normaliser.table.state
    _require("initial state", initial, state, normaliser)

    return torch.from_numpy(stack_variables(initial, state))


def complete_forcing(forcing: xr.Dataset | Forcing, mesh: Mesh, normaliser: Normaliser) -> Forcing:
    """Return the forcing on the mesh of the forecast, with all the variables that the model needs.

    Args:
        forcing: a dataset, or forcing opened from files.
        mesh: mesh of the forecast.
        normaliser: variable table and statistics of the model.

    Raises:
        InputError: a variable is missing, or the forcing is on another mesh.
    """
    table = normaliser.table
    needed = (*table.forcing, *table.slow)
    if isinstance(forcing, xr.Dataset):
        _require("forcing", forcing.data_vars, needed, normaliser)

    opened = as_forcing(forcing, mesh, table)
    _require("forcing", opened.names, needed, normaliser)

    return opened


def _require(what: str, present: Iterable[Hashable], variables: tuple[Variable, ...], normaliser: Normaliser) -> None:
    """Refuse inputs that lack a variable of the training data."""
    names = [str(name) for name in present]
    trained = normaliser.statistics.values
    missing = [variable.name for variable in variables if variable.name in trained and variable.name not in names]

    if missing:
        raise InputError(
            f"{what}: {', '.join(missing)} missing; this model was trained with them "
            f"(it has: {', '.join(sorted(names))})"
        )

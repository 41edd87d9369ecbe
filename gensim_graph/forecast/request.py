"""What is asked of a forecast."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from gensim_graph.errors import InputError, Rule, at_least, check_values
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array, Tensor
from gensim_graph.variables import Variable

YEAR = np.timedelta64(31_557_600, "s")
"""365.25 days."""


@dataclass(frozen=True)
class Request:
    """Length, size and output of a forecast.

    Attributes:
        steps: forecast steps, one lead time each.
        members: of the ensemble.
        seed: of the noise.
        every: steps between written states.
        variables: that are written; empty for all that the model forecasts.

    Raises:
        InputError: a value that makes no sense.
    """

    steps: int = 8
    members: int = 16
    seed: int = 0
    every: int = 1
    variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {name: at_least(1) for name in ("steps", "members", "every")}
        check_values(self, "forecast", rules | {"seed": at_least(0)})

    def written(self, model: Surrogate) -> list[tuple[int, Variable]]:
        """Channels of the state that are written.

        Raises:
            InputError: a variable that the model does not forecast.
        """
        forecast = model.forecast_variables
        known = [variable.name for _, variable in forecast]
        unknown = [name for name in self.variables if name not in known]

        if unknown:
            raise InputError(f"variable '{unknown[0]}': this model forecasts {', '.join(known)}")

        return [(place, one) for place, one in forecast if one.name in (self.variables or known)]


def steps_of(years: float | int, lead_time: np.timedelta64) -> int:
    """Steps in a number of years of 365.25 days, at least one."""
    return max(1, round(years * (YEAR / lead_time)))


@dataclass(frozen=True)
class Starts:
    """What a forecast begins with.

    Attributes:
        mesh: where.
        times: (start,) datetime64[ns].
        states: (start, face, state) on the CPU.
        several: whether they are a dimension of the forecast, which a single one is only if it comes in a list.
    """

    mesh: Mesh
    times: Array
    states: Tensor
    several: bool

    @classmethod
    def of(cls, initial: xr.Dataset, model: Surrogate) -> "Starts":
        """Of a dataset with one time or several.

        Raises:
            InputError: a state variable missing, or no topology.
        """
        several = initial["time"].ndim > 0
        parts = [initial.isel(time=index) for index in range(initial.sizes["time"])] if several else [initial]
        states = torch.stack([model.first_state(part) for part in parts])
        return cls(mesh_from_dataset(initial), np.atleast_1d(initial["time"].values), states, several)

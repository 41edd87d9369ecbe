"""The starts of a forecast: initial states with their times, on one mesh."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array, Float, Tensor


@dataclass(frozen=True)
class Starts:
    """Initial states of a forecast.

    Attributes:
        mesh: mesh of the states.
        times: (start,) datetime64[ns].
        states: (start, face, state) in physical units, on the CPU.
        has_dimension: the store has a dimension ``start``: there are several starts, or a list with a single one.
    """

    mesh: Mesh
    times: Array
    states: Float[Tensor, "start face state"]
    has_dimension: bool

    @classmethod
    def from_dataset(cls, initial: xr.Dataset, model: Surrogate) -> "Starts":
        """Take the starts from a dataset with one time or several.

        Args:
            initial: state at one time, or at several with a dimension ``time``.
            model: the surrogate; it knows the state variables.

        Raises:
            InputError: a state variable missing, or no topology.
        """
        has_dimension = initial["time"].ndim > 0
        parts = [initial.isel(time=index) for index in range(initial.sizes["time"])] if has_dimension else [initial]
        states = torch.stack([model.first_state(part) for part in parts])
        return cls(mesh_from_dataset(initial), np.atleast_1d(initial["time"].values), states, has_dimension)

"""The starts of a forecast: initial states with their times, on one mesh."""

from dataclasses import dataclass

import numpy as np
import torch
import xarray as xr

from gensim_graph.forecast.several_models import ModelSet
from gensim_graph.io import as_state, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import origin_of
from gensim_graph.typing import Array, Float, Tensor


@dataclass(frozen=True)
class Starts:
    """Initial states of a forecast.

    Attributes:
        mesh: mesh of the states.
        times: (start,) datetime64[ns].
        states: (start, origin, face, state) in physical units, on the CPU: an ensemble of states for each start, or a
            single one.
        has_dimension: the store has a dimension ``start``: there are several starts, or a list with a single one.
        origin: file or words that say where the states come from.
    """

    mesh: Mesh
    times: Array
    states: Float[Tensor, "start origin face state"]
    has_dimension: bool
    origin: str

    @classmethod
    def from_dataset(cls, initial: xr.Dataset, models: ModelSet, mesh: Mesh | None = None) -> "Starts":
        """Take the starts from a dataset with one time or several.

        Args:
            initial: state at one time, or at several with a dimension ``time``; an ensemble of states with a dimension
                ``trajectory`` or ``member``.
            models: of the forecast; they know the state variables.
            mesh: mesh of the forecast; None takes that of the dataset.

        Raises:
            InputError: a state variable missing, or no topology.
        """
        initial = as_state(initial, mesh, models.first.normaliser.table)
        has_dimension = initial["time"].ndim > 0
        parts = [initial.isel(time=index) for index in range(initial.sizes["time"])] if has_dimension else [initial]
        for model in models.models[1:]:
            model.first_states(parts[0])  # raises for a variable that this model cannot do without
        states = torch.stack([models.first.first_states(part) for part in parts])
        times = np.atleast_1d(initial["time"].values)

        return cls(mesh or mesh_from_dataset(initial), times, states, has_dimension, origin_of(initial))

    @property
    def described_origin(self) -> str:
        """Origin and times of the states, in words."""
        return f"{self.origin} at {', '.join(np.datetime_as_string(self.times, 'm'))}"

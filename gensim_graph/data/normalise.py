"""Between physical values and the numbers of the network: normalisation, presence flags, bounds."""

from dataclasses import dataclass
from functools import cached_property

import torch

from gensim_graph.data.statistics import Statistics
from gensim_graph.flow import Bounds
from gensim_graph.nn import Channels
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import Variable, VariableTable


@dataclass(frozen=True)
class Normaliser:
    """Physical values in and out, for a variable table and the statistics of the data.

    A variable that the training data lack is a constant zero after normalisation and has its presence flag down, so
    that one set of weights serves data with and without it.
    """

    table: VariableTable
    statistics: Statistics

    @property
    def state_channels(self) -> Channels:
        """Layout of state and residual."""
        return Channels.of(self.table.state)

    @property
    def condition_channels(self) -> Channels:
        """Layout of the conditions: state, forcing at t and t + lead, slow inputs, one presence flag a variable."""
        table = self.table
        physical = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))
        return Channels(physical.count + len(table.variables), physical.vectors)

    @cached_property
    def bounds(self) -> Bounds:
        """Physical bounds of the state, (state,) each."""
        lower, upper = zip(*((variable.lower, variable.upper) for variable in self.table.state), strict=True)
        return Bounds(torch.tensor(lower), torch.tensor(upper))

    @cached_property
    def state_present(self) -> Tensor:
        """(state,) which state variables the model forecasts."""
        return torch.from_numpy(self.statistics.present(self.table.state))

    @cached_property
    def _residual(self) -> tuple[Tensor, Tensor]:
        mean, std = self.statistics.of_residuals(self.table.state)
        return torch.from_numpy(mean.copy()), torch.from_numpy(std.copy())

    @cached_property
    def _flags(self) -> Tensor:
        ordered = (*self.table.state, *self.table.forcing, *self.table.slow)
        return torch.from_numpy(self.statistics.present(ordered)).float()

    def residual(
        self, state: Float[Tensor, "*cells state"], next_state: Float[Tensor, "*cells state"]
    ) -> Float[Tensor, "*cells state"]:
        """x1 = (s_next - s - mean) / std."""
        mean, std = self._residual
        return (next_state - state - mean) / std * self.state_present

    def advance(
        self, state: Float[Tensor, "*cells state"], residual: Float[Tensor, "*cells state"]
    ) -> Float[Tensor, "*cells state"]:
        """Next state, inside its bounds."""
        mean, std = self._residual
        change = (mean + std * residual) * self.state_present
        return self.bounds.clip(state + change)

    def residual_bounds(self, state: Float[Tensor, "*cells state"]) -> Bounds:
        """Bounds of the normalised residual given the state."""
        return self.bounds.of_residual(state, *self._residual)

    def conditions(
        self,
        state: Float[Tensor, "*cells state"],
        forcing: Float[Tensor, "*cells forcing"],
        next_forcing: Float[Tensor, "*cells forcing"],
        slow: Float[Tensor, "*cells slow"],
    ) -> Float[Tensor, "*cells condition"]:
        """Normalised conditions of the operator."""
        table = self.table
        parts = (
            self._normalised(state, table.state),
            self._normalised(forcing, table.forcing),
            self._normalised(next_forcing, table.forcing),
            self._normalised(slow, table.slow),
            self._flags.expand(*state.shape[:-1], -1),
        )
        return torch.cat(parts, dim=-1)

    def _normalised(self, values: Tensor, variables: tuple[Variable, ...]) -> Tensor:
        mean, std = self._moments(variables)
        present = torch.from_numpy(self.statistics.present(variables)).float()
        return (values - torch.from_numpy(mean)) / torch.from_numpy(std) * present

    def _moments(self, variables: tuple[Variable, ...]) -> tuple[Array, Array]:
        mean, std = self.statistics.of_values(variables)
        return mean.copy(), std.copy()

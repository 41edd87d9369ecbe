"""Conversion between physical values and the inputs and outputs of the network: scales, presence flags, bounds."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from gensim_graph.data.drift_response import with_response
from gensim_graph.data.statistics import Statistics
from gensim_graph.flow import Bounds
from gensim_graph.nn import Channels
from gensim_graph.transport import DRIFT
from gensim_graph.typing import Array, Float, Tensor
from gensim_graph.variables import VariableTable


@dataclass(frozen=True)
class Normaliser:
    """Normalisation for a variable table and the statistics of the training data.

    A variable that the training data lack is zero after normalisation and has the presence flag 0, so the same network
    can be trained on data with and without it.

    Attributes:
        table: variable table.
        statistics: of the training data.
        device: device of the values.
    """

    table: VariableTable
    statistics: Statistics
    device: torch.device = field(default=torch.device("cpu"), compare=False)

    def to(self, device: torch.device) -> "Normaliser":
        """Return the normaliser for values on another device."""
        return replace(self, device=device)

    def without(self, names: Iterable[str]) -> "Normaliser":
        """Return the normaliser for data that lack some variables, see :meth:`Statistics.without`.

        Args:
            names: of the variables.
        """
        return replace(self, statistics=self.statistics.without(names))

    @property
    def state_channels(self) -> Channels:
        """Channels of state and residual."""
        return Channels.of(self.table.state)

    @property
    def condition_channels(self) -> Channels:
        """Channels of the conditions: state, forcing at t and t + lead, slow inputs, a presence flag per variable."""
        table = self.table
        physical = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))
        return Channels(physical.count + len(table.variables), physical.vectors)

    @cached_property
    def bounds(self) -> Bounds:
        """Physical bounds of the state, (state,) each, in the units of the variable table."""
        lower, upper = zip(*((variable.lower, variable.upper) for variable in self.table.state), strict=True)
        return Bounds(torch.tensor(lower, device=self.device), torch.tensor(upper, device=self.device))

    @cached_property
    def state_present(self) -> Tensor:
        """(state,) True for the state variables that the model forecasts."""
        return self._tensor(self.statistics.present(self.table.state))

    @property
    def has_sources(self) -> bool:
        """True if ice may grow or melt: something besides vectors, such as wind and current, drives the model."""
        driving = [one for one in (*self.table.forcing, *self.table.slow) if one.vector is None]
        return any(self.statistics.present(driving).tolist())

    @cached_property
    def _residual(self) -> tuple[Tensor, Tensor]:
        mean, std = self.statistics.of_residuals(self.table.state)
        return self._tensor(mean), self._tensor(std)

    @cached_property
    def _flags(self) -> Tensor:
        ordered = (*self.table.state, *self.table.forcing, *self.table.slow)
        return self._tensor(self.statistics.present(ordered)).float()

    def expected(
        self,
        state: Float[Tensor, "*cells state"],
        forcing: Float[Tensor, "*cells forcing"],
        next_forcing: Float[Tensor, "*cells forcing"],
    ) -> Float[Tensor, "*cells state"]:
        """Return the state with the drift of the linear response, if the residual of the drift is counted from it.

        Args:
            state: now, physical units.
            forcing: now, physical units.
            next_forcing: one lead time later, physical units.
        """
        return with_response(self.statistics.response, self.table, state, forcing, next_forcing)

    def with_drift_of(
        self, base: Float[Tensor, "*cells state"], expected: Float[Tensor, "*cells state"]
    ) -> Float[Tensor, "*cells state"]:
        """Return a base with the drift of :meth:`expected`.

        Args:
            base: state, perhaps moved, physical units.
            expected: from :meth:`expected`.
        """
        return torch.where(self._is_drift, expected, base) if self.statistics.response else base

    @cached_property
    def _is_drift(self) -> Tensor:
        """(state,) True for the components of the drift."""
        return torch.tensor([one.standard_name in DRIFT for one in self.table.state], device=self.device)

    def residual(
        self, base: Float[Tensor, "*cells state"], next_state: Float[Tensor, "*cells state"]
    ) -> Float[Tensor, "*cells state"]:
        """Compute the normalised residual x1 = (s_next - base - mean) / std; zero for absent variables.

        Args:
            base: the state s, with the drift of :meth:`expected`, and moved by the drift where the residual is counted
                from the transport; physical units.
            next_state: s one lead time later, physical units.
        """
        mean, std = self._residual
        return (next_state - base - mean) / std * self.state_present

    def advance(
        self, base: Float[Tensor, "*cells state"], residual: Float[Tensor, "*cells state"]
    ) -> Float[Tensor, "*cells state"]:
        """Compute the next state base + mean + std x1, clipped to its bounds. Absent variables do not change.

        Args:
            base: as in :meth:`residual`.
            residual: normalised residual x1.
        """
        return self.bounds.clip(base + self.change(residual))

    def change(self, residual: Float[Tensor, "*cells state"]) -> Float[Tensor, "*cells state"]:
        """Compute mean + std x1, the change that a normalised residual x1 means, before it is clipped.

        Args:
            residual: normalised residual x1.
        """
        mean, std = self._residual
        return (mean + std * residual) * self.state_present

    @property
    def residual_scale(self) -> Float[Tensor, " state"]:
        """Change of the state, in the units of the variables, for a change of the normalised residual by one."""
        return self._residual[1] * self.state_present

    def residual_bounds(self, base: Float[Tensor, "*cells state"]) -> Bounds:
        """Return the bounds of the normalised residual for a given base in physical units, see :meth:`residual`."""
        return self.bounds.of_residual(base, *self._residual)

    def conditions(
        self,
        state: Float[Tensor, "*cells state"],
        forcing: Float[Tensor, "*cells forcing"],
        next_forcing: Float[Tensor, "*cells forcing"],
        slow: Float[Tensor, "*cells slow"],
    ) -> Float[Tensor, "*cells condition"]:
        """Compute the conditions of the network, normalised and with presence flags.

        Args:
            state: now, physical units.
            forcing: now, physical units.
            next_forcing: one lead time later, physical units.
            slow: slow inputs now, physical units.
        """
        mean, std, present = self._conditions
        physical = torch.cat((state, forcing, next_forcing, slow), dim=-1)
        flags = self._flags.expand(*state.shape[:-1], -1)
        return torch.cat(((physical - mean) / std * present, flags), dim=-1)

    @cached_property
    def _conditions(self) -> tuple[Tensor, Tensor, Tensor]:
        """Means, deviations and presence of the physical conditions, in the order of the channels."""
        table = self.table
        ordered = (*table.state, *table.forcing, *table.forcing, *table.slow)
        mean, std = self.statistics.of_values(ordered)
        present = self._tensor(self.statistics.present(ordered)).float()
        return self._tensor(mean), self._tensor(std), present

    def _tensor(self, values: Array) -> Tensor:
        return torch.tensor(values, device=self.device)

"""The guard of a forecast, step by step: measure on the device of the model, judge when the states are written."""

import logging
from typing import NamedTuple

import numpy as np
import torch

from gensim_graph.data import Normaliser
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate.guard.extrapolated_growth import Growth
from gensim_graph.surrogate.guard.guard_fields import GUARD_MEASURES, GuardField, guard_fields
from gensim_graph.surrogate.guard.guard_warnings import GuardWarnings
from gensim_graph.surrogate.guard.guarded_quantities import guarded_quantities
from gensim_graph.surrogate.guard.range_distance import Distances, RangeDistance
from gensim_graph.typing import Array, Float, Tensor

log = logging.getLogger(__name__)


class ForecastGuard:
    """Compares the states and the forcing of a forecast with the training data.

    Args:
        normaliser: variable table and statistics of the model, with at least one range of the state.
        mesh: of the forecast.

    Attributes:
        state: quantities of the state.
        drivers: quantities of forcing and slow inputs.
        fields: the variables that a forecast keeps, one for each quantity.
        growth: extrapolation of the state.
        warnings: lines of the log.
    """

    def __init__(self, normaliser: Normaliser, mesh: Mesh) -> None:
        table, statistics = normaliser.table, normaliser.statistics
        self.state = guarded_quantities(table.state, statistics)
        self.drivers = guarded_quantities((*table.forcing, *table.slow), statistics)
        self.fields: list[GuardField] = guard_fields([*self.state, *self.drivers])
        self.growth, self.warnings = Growth(self.state, statistics.lead_hours), GuardWarnings(mesh)

        self._of_state = RangeDistance(self.state, normaliser.device)
        self._of_drivers = RangeDistance(self.drivers, normaliser.device) if self.drivers else None

    def of_members(self, members: range, history: Tensor | None = None) -> "MemberGuard":
        """Return the guard of some members.

        Args:
            members: their numbers.
            history: of a forecast that goes on, see :attr:`MemberGuard.history`.
        """
        return MemberGuard(self, members, history)

    @torch.inference_mode()
    def measure(
        self, state: Float[Tensor, "member face state"], *drivers: Tensor
    ) -> tuple[Distances, Distances | None]:
        """Compute the distance of states, and of forcing and slow inputs if their range is known, on their device.

        Args:
            state: in the units of the variable table.
            drivers: forcing and slow inputs at the same time, (face, variable) or (member, face, variable) each.
        """
        if self._of_drivers is None:
            return self._of_state.measure(state), None

        fields = torch.cat(drivers, dim=-1)
        return self._of_state.measure(state), self._of_drivers.measure(fields if fields.ndim == 3 else fields[None])


class _Step(NamedTuple):
    """Distances at one time."""

    time: np.datetime64
    state: Distances
    drivers: Distances | None


class MemberGuard:
    """The guard of members that are computed together: their distances, and the positions of their last steps.

    Args:
        guard: of the forecast.
        members: their numbers.
        history: see :attr:`history`; None for a forecast that begins.
    """

    def __init__(self, guard: ForecastGuard, members: range, history: Tensor | None = None) -> None:
        self._guard, self._members = guard, members
        self._history = guard.growth.no_history(len(members)) if history is None else history.numpy()
        self._steps: list[_Step] = []

    @property
    def history(self) -> Tensor:
        """(record, member, quantity, 2) positions of the last steps that :meth:`judged` has returned."""
        return torch.from_numpy(self._history)

    def add(self, time: np.datetime64, state: Float[Tensor, "member face state"], *drivers: Tensor) -> None:
        """Measure a state; nothing waits for the device.

        Args:
            time: valid time.
            state: in the units of the variable table.
            drivers: forcing and slow inputs at that time, as in :meth:`ForecastGuard.measure`, on the device.
        """
        self._steps.append(_Step(time, *self._guard.measure(state, *drivers)))

    def judged(self) -> Float[Array, "step member quantity measure"]:
        """Copy what was measured since the last call, warn, and return the values of the variables.

        Returns:
            Quantities in the order of :attr:`ForecastGuard.fields`, measures in that of ``GUARD_MEASURES``.
        """
        rows = [self._judge(step) for step in self._steps]
        self._steps = []
        shape = (len(rows), len(self._members), len(self._guard.fields), len(GUARD_MEASURES))

        return np.array(rows, dtype=np.float32).reshape(shape)

    def _judge(self, step: _Step) -> Array:
        """Values (member, quantity, measure) of one step."""
        guard, state = self._guard, _on_cpu(step.state)
        self._history = np.concatenate([self._history[1:], state.position[None]])
        ahead = guard.growth.ahead(self._history)
        guard.warnings.check(guard.state, state.position, state.cell, step.time, self._members, ahead)
        values = _measures(state, ahead)

        if step.drivers is None:
            return values

        drivers = _on_cpu(step.drivers)
        is_shared = len(drivers.position) == 1
        members = None if is_shared else self._members
        guard.warnings.check(guard.drivers, drivers.position, drivers.cell, step.time, members)
        measures = _measures(drivers, drivers.position)

        return np.concatenate([values, np.repeat(measures, len(values), axis=0) if is_shared else measures], axis=1)


class _Measured(NamedTuple):
    """Distances on the processor."""

    position: Array
    cell: Array
    moments: Array


def _on_cpu(distances: Distances) -> _Measured:
    return _Measured(*(one.cpu().numpy() for one in distances))


def _measures(measured: _Measured, ahead: Array) -> Array:
    """Return all measures, (member, quantity, measure); ahead: extrapolated positions."""
    beyond = [np.maximum(position.max(axis=-1) - 1, 0) for position in (measured.position, ahead)]
    return np.stack([*beyond, measured.moments[..., 0], measured.moments[..., 1]], axis=-1)


def guard_of(normaliser: Normaliser, mesh: Mesh) -> ForecastGuard | None:
    """Return the guard of a forecast; None if the model does not know the ranges of its training data.

    Args:
        normaliser: of the model.
        mesh: of the forecast.
    """
    if guarded_quantities(normaliser.table.state, normaliser.statistics):
        return ForecastGuard(normaliser, mesh)

    log.debug("no guard: the model does not know the ranges of its training data, as one of an earlier version")
    return None

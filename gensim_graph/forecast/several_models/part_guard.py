"""Guard of members that one model computes, in the variables that all guards of a forecast have in common.

Each model is compared with its own training data. What a model does not know is NaN.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch

from gensim_graph.surrogate.guard import GUARD_MEASURES, ForecastGuard, GuardField
from gensim_graph.typing import Array, Float, Tensor

_SHARED_RANGE = {"training_minimum": max, "training_maximum": min}
"""Attributes for the range that lies within the training data of all models."""


def common_fields(guards: Iterable[ForecastGuard | None]) -> list[GuardField]:
    """Return the variables of several guards: of the state, then of the forcing.

    Where the training data of the models differ, the range in the attributes is the one within all of them; mean and
    deviation are left out.

    Args:
        guards: of the models of a forecast; None for a model without one.
    """
    known = [guard for guard in guards if guard is not None]
    state, drivers = ([name for guard in known for name in part(guard)] for part in (_state_names, _driver_names))
    fields = {field.name: field for guard in reversed(known) for field in guard.fields}

    return [_common(known, fields[name]) for name in dict.fromkeys([*state, *drivers])]


def _common(guards: list[ForecastGuard], field: GuardField) -> GuardField:
    """The variable with the attributes on which the guards agree."""
    attrs = [one.attrs for guard in guards for one in guard.fields if one.name == field.name]
    common: dict[str, str | float] = {}
    for key in field.attrs:
        values = [one[key] for one in attrs]
        if len(set(values)) == 1:
            common[key] = values[0]
        elif key in _SHARED_RANGE:
            common[key] = _SHARED_RANGE[key](values)

    return replace(field, attrs=common)


def _state_names(guard: ForecastGuard) -> list[str]:
    return [field.name for field in guard.fields[: len(guard.state)]]


def _driver_names(guard: ForecastGuard) -> list[str]:
    return [field.name for field in guard.fields[len(guard.state) :]]


class PartGuard:
    """The guard of some members of a work unit.

    Args:
        guards: of all models of the forecast.
        guard: of the model of these members; None if it does not know the ranges of its training data.
        members: their numbers.
        history: positions of the last steps in the quantities of all guards, for a forecast that goes on.
    """

    def __init__(
        self,
        guards: Sequence[ForecastGuard | None],
        guard: ForecastGuard | None,
        members: range,
        history: Tensor | None = None,
    ) -> None:
        known = [one for one in guards if one is not None]
        states = list(dict.fromkeys(name for one in known for name in _state_names(one)))
        fields = [field.name for field in common_fields(guards)]
        own = [] if guard is None else guard.fields

        self._members, self._steps = members, 0
        self._fields, self._channels = len(fields), [fields.index(one.name) for one in own]
        self._states = [states.index(name) for name in _state_names(guard)] if guard else []
        self._empty = torch.full((known[0].growth.records, len(members), len(states), 2), torch.nan)

        chosen = None if history is None else history[:, :, self._states].contiguous()
        self._guard = guard.of_members(members, chosen) if guard else None

    def add(self, time: np.datetime64, state: Float[Tensor, "member face state"], *drivers: Tensor) -> None:
        """Measure a state; nothing waits for the device.

        Args:
            time: valid time.
            state: of these members, in the units of the variable table.
            drivers: forcing and slow inputs of their model at that time, (face, variable) or (member, face, variable).
        """
        self._steps += 1
        if self._guard is not None:
            self._guard.add(time, state, *drivers)

    def judged(self) -> Float[Array, "step member quantity measure"]:
        """Return the values of the variables since the last call, in the order of :func:`common_fields`, and warn."""
        shape = (self._steps, len(self._members), self._fields, len(GUARD_MEASURES))
        values = np.full(shape, np.nan, dtype=np.float32)
        if self._guard is not None:
            values[:, :, self._channels] = self._guard.judged()
        self._steps = 0

        return values

    @property
    def history(self) -> Tensor:
        """(record, member, quantity, 2) positions of the last steps, in the quantities of all guards."""
        positions = self._empty.clone()
        if self._guard is not None:
            positions[:, :, self._states] = self._guard.history

        return positions

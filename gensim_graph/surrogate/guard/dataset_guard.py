"""The guard of a forecast in memory: its variables beside the states of each step."""

from typing import Any

import numpy as np

from gensim_graph.surrogate.guard.forecast_guard import ForecastGuard
from gensim_graph.surrogate.guard.guard_fields import GUARD_DIMENSION, GUARD_MEASURES
from gensim_graph.typing import Float, Tensor


class DatasetGuard:
    """The guard of all members of a forecast, in batches.

    Args:
        guard: of the forecast; None for none.
        batches: numbers of the members of each batch.
    """

    def __init__(self, guard: ForecastGuard | None, batches: list[range]) -> None:
        self._guard = guard
        self._parts = [] if guard is None else [guard.of_members(members) for members in batches]

    def add(self, batch: int, time: np.datetime64, state: Float[Tensor, "member face state"], *drivers: Tensor) -> None:
        """Measure the state of a batch.

        Args:
            batch: its number.
            time: valid time.
            state: in the units of the variable table.
            drivers: see :meth:`MemberGuard.add`.
        """
        if self._parts:
            self._parts[batch].add(time, state, *drivers)

    def variables(self) -> dict[str, Any]:
        """Return the variables (member, guard_measure) of the state that was added last, for ``Dataset.assign``."""
        if self._guard is None:
            return {}

        values = np.concatenate([part.judged()[-1] for part in self._parts])
        dims = ("member", GUARD_DIMENSION)
        fields = {one.name: (dims, values[:, number], one.attrs) for number, one in enumerate(self._guard.fields)}

        return {GUARD_DIMENSION: (GUARD_DIMENSION, list(GUARD_MEASURES)), **fields}

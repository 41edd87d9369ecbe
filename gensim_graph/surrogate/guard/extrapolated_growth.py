"""Extrapolation of the largest positions of a forecast: how far they come if they go on growing as in the last days.

A runaway grows by about the same factor in every step, so a position is extrapolated with its factor. Storms ridge the
ice for days, too, so only growth that outlasts them counts: the factor is the smaller one of those of the two halves of
four days, and growth below 0.6 of the range is left alone. So growth of up to 9 % a step, and that has lasted for four
days, is seen ten steps before the position exceeds 1.5, as 1.5 / 1.09^10 > 0.6. Vectors are not extrapolated: the drift
follows the wind within hours, and its growth of the last days says nothing about the next ones.
"""

from collections.abc import Sequence

import numpy as np

from gensim_graph.surrogate.guard.guarded_quantities import GuardedQuantity
from gensim_graph.typing import Array

STEPS_AHEAD = 12
"""Steps of the extrapolation: the ten that a warning shall come before, and two for growth that varies."""

_LEAST_POSITION = 0.6
"""Growth below this position is not extrapolated."""

_HALF_HOURS, _HALF_STEPS = 48.0, 2
"""Half of the window, and its smallest number of steps."""

_LARGEST_FACTOR = 2.0
"""Largest factor of a step, so that no extrapolation is infinite."""


class Growth:
    """Extrapolates positions.

    Args:
        quantities: of the state.
        lead_hours: length of a step, h.

    Attributes:
        records: number of states in the window, the first and the last included.
    """

    def __init__(self, quantities: Sequence[GuardedQuantity], lead_hours: float) -> None:
        self._half = max(_HALF_STEPS, int(np.ceil(_HALF_HOURS / lead_hours)))
        self._is_scalar = np.array([len(one.channels) == 1 for one in quantities])[:, None]
        self._reach = np.array([one.reach for one in quantities])
        self.records = 2 * self._half + 1

    def no_history(self, members: int) -> Array:
        """Return the history of members that have not begun: (record, member, quantity, 2), all NaN."""
        return np.full((self.records, members, len(self._reach), 2), np.nan, dtype=np.float32)

    def ahead(self, history: Array) -> Array:
        """Return the positions ``STEPS_AHEAD`` steps ahead, (member, quantity, 2), within the bounds of the variables.

        Args:
            history: (record, member, quantity, 2) positions of the last steps, the last one now.
        """
        extrapolated = history[-1] * self._factor(history) ** STEPS_AHEAD
        return np.minimum(extrapolated, np.maximum(self._reach, history[-1]))

    def _factor(self, history: Array) -> Array:
        """Factor by which the positions grow in a step, (member, quantity, 2); 1 if they do not, or not for long."""
        first, middle, now = history[0], history[self._half], history[-1]
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            factor = np.minimum(now / middle, middle / first) ** (1 / self._half)

        counts = np.isfinite(factor) & (now >= _LEAST_POSITION) & self._is_scalar
        return np.clip(np.where(counts, factor, 1.0), 1.0, _LARGEST_FACTOR)

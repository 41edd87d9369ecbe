r"""Positive and freezing degree days, added up from a series of air temperature.

The degree days of the past W at a time t, in K d, are

.. math:: P(t) = \int_{t-W}^{t} \max(T - T_0, 0) \, dt', \qquad F(t) = \int_{t-W}^{t} \max(T_0 - T, 0) \, dt',

with the melting point of ice :math:`T_0 = 273.15` K, and W of 30 days (``_month``) or 365 days (``_year``). If the
series begins later than t - W, they are added up from its beginning.

They are differences of two running sums (:mod:`~gensim_graph.data.series.running_sums`). The pass over the series reads
a record every three hours at most and keeps the sums of one record a day, between which they are linear.
"""

from collections.abc import Sequence

import numpy as np

from gensim_graph.data.series.forcing_series import ForcingSeries
from gensim_graph.data.series.running_sums import TEMPERATURE, RunningSums
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_MONTH, _YEAR = np.timedelta64(30, "D"), np.timedelta64(365, "D")

DEGREE_DAYS = {"pdd_month": (0, _MONTH), "fdd_month": (1, _MONTH), "pdd_year": (0, _YEAR), "fdd_year": (1, _YEAR)}
"""Slow input -> 0 for positive or 1 for freezing degree days, and the length of the past."""

_DAY = np.timedelta64(1, "D")
_READING_STEP = np.timedelta64(3, "h")
_LONGEST_STEP = 3.0  # in median steps, as in the series


class DegreeDays:
    """Degree days on a mesh.

    Args:
        series: the temperature.
        mesh: its mesh.
        names: slow inputs to compute, of :data:`DEGREE_DAYS`.
        first: first time at which they are needed; None for the beginning of the series.
        last: last time at which they are needed; None for its end.

    Raises:
        InputError: a record is missing or cannot be read.
    """

    def __init__(
        self,
        series: ForcingSeries,
        mesh: Mesh,
        names: Sequence[str],
        first: np.datetime64 | None = None,
        last: np.datetime64 | None = None,
    ) -> None:
        self.names = tuple(names)
        self._series = series.only(TEMPERATURE)
        start, end = series.times[0], series.times[-1]
        if first is not None and last is not None and series.cycle is None:
            start, end = first - max(DEGREE_DAYS[name][1] for name in names), last

        records = _records_to_read(series.times, start, end)
        _check_gaps(series.times[records])
        kept = _one_a_day(series.times[records])
        self.times: Array = series.times[records[kept]]
        self._sums = RunningSums(self._series, mesh, records, kept)

    def at(self, time: np.datetime64, faces: Array | None = None) -> dict[str, Array]:
        """Return the degree days at a time.

        Args:
            time: datetime64.
            faces: (n,) numbers of the faces; None for all.

        Returns:
            Name -> (F,) or (n,) float32, K d.
        """
        now = self._series.instant(time)
        result = {}
        for name in self.names:
            kind, length = DEGREE_DAYS[name]
            total = self._sum(kind, now) - self._sum(kind, now - length)
            if self._series.cycle is not None:  # what the period repeats of the time before its beginning
                end = min(self.times[-1], self._series.cycle.end)
                missing = self.times[0] - (now - length)
                if missing > np.timedelta64(0):
                    total += self._sum(kind, end) - self._sum(kind, max(end - missing, now))
            result[name] = total.astype(np.float32) if faces is None else total[faces].astype(np.float32)

        return result

    def _sum(self, kind: int, time: np.datetime64) -> Array:
        """Sum from the beginning to a time, (F,) float64; times outside take the nearest."""
        seconds = (self.times - self.times[0]) / np.timedelta64(1, "s")
        at = float(np.interp((time - self.times[0]) / np.timedelta64(1, "s"), seconds, np.arange(len(seconds))))
        row, share = int(at), at - int(at)
        before = self._sums.row(kind, row)

        return before + share * (self._sums.row(kind, row + 1) - before) if share else before


def _check_gaps(times: Array) -> None:
    steps = np.diff(times)
    if len(steps) < 2 or steps.max() <= max(_LONGEST_STEP * np.median(steps), _DAY):
        return

    gap = int(steps.argmax())
    ends = " to ".join(np.datetime_as_string(end, "m") for end in (times[gap], times[gap + 1]))
    raise InputError(
        f"forcing: no temperature ({TEMPERATURE}) from {ends}, which the degree days need; a file may be missing"
    )


def _records_to_read(times: Array, first: np.datetime64, last: np.datetime64) -> Array:
    """Numbers of the first record in each three hours, from the last one before ``first`` to the day after ``last``.

    With whole days, a forecast that goes on for longer has the same degree days at the times that it had before.
    """
    begin = max(int(np.searchsorted(times, first, side="right")) - 1, 0)
    end = min(int(np.searchsorted(times, last.astype("datetime64[D]") + _DAY)), len(times) - 1)
    parts = (times[begin : end + 1] - np.datetime64(0, "ns")) // _READING_STEP

    return begin + np.unique([0, *(np.flatnonzero(np.diff(parts) > 0) + 1), end - begin])


def _one_a_day(times: Array) -> Array:
    """Numbers of the first time of each day, of the first and of the last time."""
    days = times.astype("datetime64[D]")
    return np.unique([0, *(np.flatnonzero(np.diff(days) > np.timedelta64(0)) + 1), len(times) - 1])

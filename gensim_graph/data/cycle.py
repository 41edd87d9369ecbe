"""Time that repeats: a date of any year in the years, or the days, that a record covers."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Cycle:
    """A span of time that repeats.

    Attributes:
        begin: first instant.
        end: the instant that is ``begin`` again.
        years: length in calendar years, 0 for a span that is not measured in years.
    """

    begin: np.datetime64
    end: np.datetime64
    years: int

    def bring(self, time: np.datetime64) -> np.datetime64:
        """The instant of the span that stands for another: the same date, or the same phase."""
        time = time.astype("datetime64[ns]")
        if not self.years:
            return self.begin + (time - self.begin) % (self.end - self.begin)

        moved = time
        ahead = int((time.astype("datetime64[Y]") - self.begin.astype("datetime64[Y]")).astype(int))

        for cycles in (ahead // self.years, ahead // self.years - 1):  # the second before the day the span begins
            moved = shift_years(time, -cycles * self.years)
            if moved >= self.begin:
                break

        return moved if moved < self.end else self.begin + (moved - self.end)  # a span from a 29th of February


def cycle_of(times: Array) -> Cycle:
    """The cycle of a record: the whole years in it if it covers one, else all of it.

    Args:
        times: (T,) datetime64[ns], increasing; the last record lasts as long as the one before.

    Raises:
        InputError: a single time.
    """
    if len(times) < 2:
        raise InputError("forcing: a single time cannot be repeated; give at least two")

    end = times[-1] + (times[-1] - times[-2])
    years = int((end.astype("datetime64[Y]") - times[0].astype("datetime64[Y]")).astype(int))
    if years and shift_years(times[0], years) > end:
        years -= 1

    return Cycle(times[0], shift_years(times[0], years), years) if years else Cycle(times[0], end, 0)


def shift_years(time: np.datetime64, years: int) -> np.datetime64:
    """The same date in another year; the 28th of February for a 29th that is not there."""
    month = time.astype("datetime64[M]")
    moved = month + np.timedelta64(12 * years, "M")
    same = moved.astype("datetime64[ns]") + (time - month.astype("datetime64[ns]"))
    following = (moved + np.timedelta64(1, "M")).astype("datetime64[ns]")
    return same if same < following else same - np.timedelta64(1, "D")

"""Repeated forcing: maps any date into the years or days that a record covers."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Cycle:
    """A period of time that repeats.

    Attributes:
        begin: first instant.
        end: first instant after the period, equivalent to ``begin``.
        years: length in calendar years; 0 for a period shorter than a year.
    """

    begin: np.datetime64
    end: np.datetime64
    years: int

    def equivalent(self, time: np.datetime64) -> np.datetime64:
        """Return the instant of the period that replaces ``time``: the same date, or the same phase."""
        time = time.astype("datetime64[ns]")
        if not self.years:
            return self.begin + (time - self.begin) % (self.end - self.begin)

        moved = time
        ahead = int((time.astype("datetime64[Y]") - self.begin.astype("datetime64[Y]")).astype(int))

        # The second try is for dates that lie earlier in the year than the beginning of the period.
        for cycles in (ahead // self.years, ahead // self.years - 1):
            moved = shift_years(time, -cycles * self.years)
            if moved >= self.begin:
                break

        # A period from 29 February ends before 28 February; that day takes the values of the first day.
        return moved if moved < self.end else self.begin + (moved - self.end)


def cycle_of(times: Array) -> Cycle:
    """Return the cycle of a record: its whole years, or all of it if it is shorter than a year.

    Args:
        times: (T,) datetime64[ns], increasing. The last value is valid for as long as the one before.

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
    """Return the same date some years later; 28 February if that year has no 29 February.

    Args:
        time: a date.
        years: number of years, may be negative.
    """
    month = time.astype("datetime64[M]")
    moved = month + np.timedelta64(12 * years, "M")
    same = moved.astype("datetime64[ns]") + (time - month.astype("datetime64[ns]"))
    following = (moved + np.timedelta64(1, "M")).astype("datetime64[ns]")
    return same if same < following else same - np.timedelta64(1, "D")

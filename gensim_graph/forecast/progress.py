"""Progress bar of a forecast, with the simulated time and the simulated years a day."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from gensim_graph.forecast.batches import WorkUnit
from gensim_graph.forecast.request import YEAR
from gensim_graph.system import one_line_bar
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

ReportStep = Callable[[WorkUnit, int], None]
"""Is called after each step of a work unit, with the number of its completed steps."""


@contextmanager
def show_progress(
    units: dict[WorkUnit, int], steps: int, times: Array, lead_time: np.timedelta64, show: bool
) -> Iterator[ReportStep]:
    """Show a progress bar while a forecast is computed; yields the function that advances it.

    Args:
        units: work units of this process -> number of steps that were completed before.
        steps: number of steps of each work unit.
        times: (start,) datetime64, times of the starts.
        lead_time: length of a step.
        show: whether to draw the bar.
    """
    total = steps * sum(len(unit.members) for unit in units)
    before = sum(done * len(unit.members) for unit, done in units.items())
    years = len(times) * steps * (lead_time / YEAR)
    begin = time.monotonic()
    computed = 0
    details = [("{task.fields[date]}", 13), ("{task.fields[pace]}", 27), ("{task.fields[members]}", 15)]

    with one_line_bar("forecasting", details, show=show) as bar:
        task = bar.add_task("", total=total, completed=before, date="", pace="", members="")

        def report(unit: WorkUnit, done: int) -> None:
            nonlocal computed
            computed += len(unit.members)
            years_per_second = years * computed / max(total, 1) / (time.monotonic() - begin)
            date = np.datetime_as_string(times[unit.start] + done * lead_time, "h")
            first, last = unit.members[0], unit.members[-1]
            members = f"member {first}" if first == last else f"members {first}-{last}"
            pace = _in_years(years_per_second * SECONDS_PER_DAY)
            bar.update(task, advance=len(unit.members), date=date, pace=f"{pace} a day", members=members)

        yield report


def _in_years(years: float) -> str:
    """Return a number of simulated years in words, with three digits."""
    return f"{years:.3g} simulated years" if years < 1000 else f"{years:,.0f} simulated years"

"""A progress bar with simulated time and simulated years a day."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from gensim_graph.forecast.batches import Unit
from gensim_graph.forecast.request import YEAR
from gensim_graph.typing import Array

Advance = Callable[[Unit, int], None]
"""To be called after a step of a batch, with the number of steps that are done."""


@contextmanager
def shown(units: dict[Unit, int], steps: int, times: Array, lead_time: np.timedelta64, show: bool) -> Iterator[Advance]:
    """Show how far a forecast is.

    Args:
        units: the batches of this process and their steps that were done before.
        steps: of each.
        times: of the starts.
        lead_time: of a step.
        show: or not.
    """
    total = steps * sum(len(unit.members) for unit in units)
    before = sum(done * len(unit.members) for unit, done in units.items())
    length = len(times) * steps * (lead_time / YEAR)
    begin, computed = time.monotonic(), 0
    columns = (TextColumn("forecasting"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())

    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task("", total=total, completed=before)

        def advance(unit: Unit, done: int) -> None:
            nonlocal computed
            computed += len(unit.members)
            pace = length * computed / max(total, 1) / (time.monotonic() - begin) * 86400
            date = np.datetime_as_string(times[unit.start] + done * lead_time, "h")
            first, last = unit.members[0], unit.members[-1]
            who = f"member {first}" if first == last else f"members {first}-{last}"
            bar.update(task, advance=len(unit.members), description=f"{who} at {date}, {in_years(pace)} a day")

        yield advance


def in_years(pace: float) -> str:
    """Simulated years in three digits."""
    return f"{pace:.3g} simulated years" if pace < 1000 else f"{pace:,.0f} simulated years"

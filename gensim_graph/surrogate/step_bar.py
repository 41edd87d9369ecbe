"""Progress bar of a forecast in memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import xarray as xr
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class StepBar:
    """Bar that counts the steps of a forecast.

    Args:
        bar: the progress display.
        total: number of steps of all starts together.
    """

    def __init__(self, bar: Progress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("forecasting", total=total)

    def counted(self, steps: Iterator[xr.Dataset]) -> Iterator[xr.Dataset]:
        """Yield the steps of one start, and count all but the initial state."""
        for number, step in enumerate(steps):
            if number:
                self._bar.advance(self._task)
            yield step


@contextmanager
def step_bar(total: int, show: bool) -> Iterator[StepBar]:
    """Show a bar on a terminal while a forecast is computed; elsewhere nothing is drawn.

    Args:
        total: number of steps of all starts together.
        show: False draws nothing.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))

    with Progress(*columns, TimeRemainingColumn(), console=console, disable=not (show and console.is_terminal)) as bar:
        yield StepBar(bar, total)

"""Progress bars of one line: the time left is whole on a terminal of any width, details fill the room that remains."""

from collections.abc import Sequence
from functools import cache

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskProgressColumn, TextColumn
from rich.table import Column
from rich.text import Text

_BAR, _PERCENT, _TIME = 6, 4, 14
"""Widths: of the shortest bar, of ``100%``, and of ``123:45:59 left``."""

_LONGEST_BAR = 40

_SPEED_OVER = 3600.0
"""s, time over which the speed is averaged; a single step may take minutes."""

Detail = tuple[str, int]
"""Text with fields of the task, such as ``loss {task.fields[loss]}``, and the width that it may take."""


@cache
def stderr_screen() -> Console:
    """Return the console of standard error; bars and messages share it, so that a message does not tear a bar apart."""
    return Console(stderr=True)


def one_line_bar(
    what: str, details: Sequence[Detail] = (), *, show: bool = True, console: Console | None = None
) -> Progress:
    """Return a progress bar that fits into one line of the terminal.

    Args:
        what: what is done, in one word.
        details: texts that are shown in this order, the most important first; those for which the line is too short
            are left out.
        show: draw the bar; False keeps silent.
        console: console to draw on; standard error by default.

    Example:
        >>> from gensim_graph.system import one_line_bar
        >>> with one_line_bar("training", [("loss {task.fields[loss]}", 11)], show=False) as bar:
        ...     task = bar.add_task("", total=10, loss="+0.123")
        ...     bar.advance(task)
    """
    console = console or stderr_screen()
    room = console.width - (len(what) + 1 + _BAR + 1 + _PERCENT + 1 + _TIME)
    texts = []

    for text, width in details:
        if width + 1 > room:
            break
        texts.append(TextColumn(text, markup=False, table_column=_column()))
        room -= width + 1

    bar = BarColumn(bar_width=min(_LONGEST_BAR, _BAR + max(0, room)))
    columns = (TextColumn(what, table_column=_column()), bar, TaskProgressColumn(table_column=_column()))

    time = _TimeLeft(_column())

    return Progress(
        *columns,
        *texts,
        time,
        console=console,
        disable=not show,
        refresh_per_second=2,
        speed_estimate_period=_SPEED_OVER,
    )


class _TimeLeft(ProgressColumn):
    """Time that is left; at the end, the time that it took."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        """Return the text for a task."""
        if task.finished:
            return Text(f"took {_clock(task.finished_time)}")
        return Text(f"{_clock(task.time_remaining)} left")


def _clock(seconds: int | float | None) -> str:
    if seconds is None:
        return "-:--:--"
    minutes, second = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{second:02}"


def _column() -> Column:
    return Column(no_wrap=True)

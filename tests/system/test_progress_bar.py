"""Progress bars stay in one line, and the time left is whole."""

import io

import pytest
from rich.console import Console

from gensim_graph.system import one_line_bar
from gensim_graph.train.callbacks import TrainingProgress

DETAILS = [("step {task.completed:.0f}", 12), ("loss {task.fields[loss]}", 11), ("{task.fields[rate]} samples/s", 15)]


def drawn(width: int, completed: int) -> str:
    """Draw the bar after some of 20000 steps, one a second."""
    now = [0.0]
    screen = io.StringIO()
    console = Console(file=screen, width=width, force_terminal=False, get_time=lambda: now[0])
    bar = one_line_bar("training", DETAILS, console=console)
    task = bar.add_task("", total=20000, loss="+0.123", rate="123.4")
    for step in range(completed // 10, completed + 1, completed // 10):
        now[0] = float(step)
        bar.update(task, completed=step)
    console.print(bar.get_renderable())
    return screen.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_the_time_left_is_whole(width):
    text = drawn(width, 8000)
    assert text.count("\n") == 1
    assert "…" not in text
    assert "40%" in text
    assert text.rstrip().endswith("3:20:00 left")
    assert len(text.rstrip()) <= width


def test_details_follow_as_far_as_there_is_room():
    shown = [("step" in text, "loss" in text, "samples" in text) for text in map(drawn, (40, 60, 80), [8000] * 3)]
    assert shown == [(False, False, False), (True, True, False), (True, True, True)]


def test_the_end_says_how_long_it_took():
    assert drawn(80, 20000).rstrip().endswith("took 5:33:20")


def test_the_bar_of_a_training_is_whole_at_80_columns(monkeypatch):
    """Steps, loss and speed of a long training on a terminal of 80 columns."""
    monkeypatch.setenv("COLUMNS", "80")
    bar = TrainingProgress(1_000_000, 16).bar
    bar.add_task("", total=1_000_000, completed=999_999, loss="+0.123", rate="123.4")
    screen = io.StringIO()
    Console(file=screen, width=80).print(bar.get_renderable())
    assert screen.getvalue().count("\n") == 1
    for words in ("999999/1000000", "loss +0.123", "left"):
        assert words in screen.getvalue()
    assert "…" not in screen.getvalue()

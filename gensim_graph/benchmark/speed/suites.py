"""All suites by name."""

from collections.abc import Callable
from pathlib import Path

from gensim_graph.benchmark.speed.attention_speed import run_attention
from gensim_graph.benchmark.speed.growth import run_growth
from gensim_graph.benchmark.speed.options import Options, ProgressCallback
from gensim_graph.benchmark.speed.speed_figure import draw
from gensim_graph.benchmark.speed.speed_report import Report
from gensim_graph.errors import InputError

SUITES: dict[str, Callable[[Options, ProgressCallback], Report]] = {"attention": run_attention, "scaling": run_growth}


def run_suite(
    name: str, options: Options, out: Path, on_progress: ProgressCallback = lambda what, share: None
) -> Report:
    """Run a suite and write its report.

    Args:
        name: key of ``SUITES``.
        options: options of the suite.
        out: folder for ``NAME.json`` and ``NAME.png``.
        on_progress: called with the current step and the completed share.

    Raises:
        InputError: there is no suite of this name.
    """
    if name not in SUITES:
        raise InputError(f"--suite {name}: expected one of {', '.join(SUITES)}")

    report = SUITES[name](options, on_progress)
    report.write(out, draw(report))

    return report

"""The suites by name."""

from collections.abc import Callable
from pathlib import Path

from gensim_graph.benchmark.speed.attention_speed import run_attention
from gensim_graph.benchmark.speed.growth import run_growth
from gensim_graph.benchmark.speed.options import Options, Watch
from gensim_graph.benchmark.speed.speed_figure import draw
from gensim_graph.benchmark.speed.speed_report import Report
from gensim_graph.errors import InputError

SUITES: dict[str, Callable[[Options, Watch], Report]] = {"attention": run_attention, "scaling": run_growth}


def run_suite(name: str, options: Options, out: Path, watch: Watch = lambda what, share: None) -> Report:
    """Run a suite and write its table and its figure into ``out``.

    Raises:
        InputError: no such suite.
    """
    if name not in SUITES:
        raise InputError(f"--suite {name}: expected one of {', '.join(SUITES)}")
    report = SUITES[name](options, watch)
    report.write(out, draw(report))
    return report

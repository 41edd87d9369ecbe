"""The suites by name."""

from collections.abc import Callable
from pathlib import Path

from gensim_graph.benchmark.speed import attention_speed as attention
from gensim_graph.benchmark.speed import growth as scaling
from gensim_graph.benchmark.speed.options import Options, Watch
from gensim_graph.benchmark.speed.speed_figure import draw
from gensim_graph.benchmark.speed.speed_report import Report
from gensim_graph.errors import InputError

SUITES: dict[str, Callable[[Options, Watch], Report]] = {"attention": attention.run, "scaling": scaling.run}


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

"""TODO gensim_graph.benchmark.speed."""

from gensim_graph.benchmark.speed.growth import operator_contestant
from gensim_graph.benchmark.speed.measure import TimedCall, compete, ratios, spread
from gensim_graph.benchmark.speed.options import Options, Watch, parse_cells, square_grid
from gensim_graph.benchmark.speed.peak_memory import peak_of
from gensim_graph.benchmark.speed.speed_report import BACKWARD, FORWARD, Ratio, Report, Row
from gensim_graph.benchmark.speed.suites import SUITES, run_suite

__all__ = [
    "BACKWARD",
    "FORWARD",
    "SUITES",
    "Options",
    "Ratio",
    "Report",
    "Row",
    "TimedCall",
    "Watch",
    "compete",
    "operator_contestant",
    "parse_cells",
    "peak_of",
    "ratios",
    "run_suite",
    "spread",
    "square_grid",
]

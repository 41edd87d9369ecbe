"""TODO gensim_graph.benchmark.speed."""

from gensim_graph.benchmark.speed.growth import contestant
from gensim_graph.benchmark.speed.measure import Run, compete, ratios, spread
from gensim_graph.benchmark.speed.options import Options, parse_cells, square_grid
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
    "Run",
    "compete",
    "contestant",
    "parse_cells",
    "peak_of",
    "ratios",
    "run_suite",
    "spread",
    "square_grid",
]

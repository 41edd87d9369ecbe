"""Speed and memory of the network on a machine: ``gensim-graph benchmark``.

A *suite* is a set of measurements; a *contestant* is one of the things that a suite compares; a *stage* is what is
timed: ``prepare`` (from a mesh to graph and attention plan), ``forward`` or ``forward+backward``.

Reading order:

1. Method: ``measure`` times contestants in turn, ``peak_memory`` measures each in a process of its own (``probe``).
2. Suites: ``options``, then ``attention_speed`` (with ``peers``, the attention of other libraries) and ``growth``;
   ``suites`` lists them by name.
3. Results: ``speed_report`` and ``speed_figure``.
"""

from gensim_graph.benchmark.speed.growth import operator_contestant
from gensim_graph.benchmark.speed.measure import TimedCall, compete, ratios, spread
from gensim_graph.benchmark.speed.options import Options, ProgressCallback, parse_cells, square_grid
from gensim_graph.benchmark.speed.peak_memory import peak_of
from gensim_graph.benchmark.speed.speed_figure import COLOUR_BLIND_SAFE
from gensim_graph.benchmark.speed.speed_report import BACKWARD, FORWARD, Ratio, Report, Row
from gensim_graph.benchmark.speed.suites import SUITES, run_suite

__all__ = [
    "BACKWARD",
    "COLOUR_BLIND_SAFE",
    "FORWARD",
    "SUITES",
    "Options",
    "ProgressCallback",
    "Ratio",
    "Report",
    "Row",
    "TimedCall",
    "compete",
    "operator_contestant",
    "parse_cells",
    "peak_of",
    "ratios",
    "run_suite",
    "spread",
    "square_grid",
]

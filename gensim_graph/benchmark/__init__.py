"""What the operator and its attention cost, against what is fair to compare them with.

Reading order: measure (rounds and ratios), machine, memory, report, peers (other ways to attend), the suites attention
and scaling, probe (what a fresh process runs), figure, suites.
"""

from gensim_graph.benchmark.options import Options, parse_cells
from gensim_graph.benchmark.report import Ratio, Report, Row
from gensim_graph.benchmark.suites import SUITES, run_suite

__all__ = ["SUITES", "Options", "Ratio", "Report", "Row", "parse_cells", "run_suite"]

"""What a forecast is worth: scores against the truth and baselines, deformation, figures, one HTML report.

Read :mod:`~gensim_graph.evaluate.matching` first, which puts a forecast beside the truth; then
:mod:`~gensim_graph.evaluate.scores`.
"""

from gensim_graph.evaluate.baselines import LinearBaseline, persistence, persistence_beside
from gensim_graph.evaluate.deformation import deformation
from gensim_graph.evaluate.report import write_report
from gensim_graph.evaluate.scores import evaluate, skill_table, write_scores

__all__ = [
    "LinearBaseline",
    "deformation",
    "evaluate",
    "persistence",
    "persistence_beside",
    "skill_table",
    "write_report",
    "write_scores",
]

"""Studies: models trained on some data and forecast on others, every score of every pair in one table.

Read :mod:`~gensim_graph.study.datasets`, then :mod:`~gensim_graph.study.contenders`, then
:mod:`~gensim_graph.study.table`.
"""

from gensim_graph.study.contenders import Budget
from gensim_graph.study.datasets import DataSet, StudyPlan, read_plan
from gensim_graph.study.scoring import Protocol
from gensim_graph.study.table import StudyOptions, run_resolutions

__all__ = ["Budget", "DataSet", "Protocol", "StudyOptions", "StudyPlan", "read_plan", "run_resolutions"]

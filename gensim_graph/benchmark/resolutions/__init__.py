"""Studies: models trained on some data and forecast on others, every score of every pair in one table.

Read :mod:`~gensim_graph.benchmark.resolutions.study_sets`, then :mod:`~gensim_graph.benchmark.resolutions.contenders`, then
:mod:`~gensim_graph.benchmark.resolutions.table`.
"""

from gensim_graph.benchmark.resolutions.box_meshes import grid_over
from gensim_graph.benchmark.resolutions.contenders import (
    FLOW,
    PERSISTENCE,
    TWIN,
    TrainingBudget,
    network,
    train_network,
)
from gensim_graph.benchmark.resolutions.gensim_network import load_transformer
from gensim_graph.benchmark.resolutions.scoring import Protocol, score, spread_skill
from gensim_graph.benchmark.resolutions.study_sets import DataSet, StudyPlan, read_plan
from gensim_graph.benchmark.resolutions.table import StudyOptions, as_markdown, run_resolutions

__all__ = [
    "FLOW",
    "PERSISTENCE",
    "TWIN",
    "DataSet",
    "Protocol",
    "StudyOptions",
    "StudyPlan",
    "TrainingBudget",
    "as_markdown",
    "grid_over",
    "load_transformer",
    "network",
    "read_plan",
    "run_resolutions",
    "score",
    "spread_skill",
    "train_network",
]

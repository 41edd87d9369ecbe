"""Studies of skill across resolutions and meshes: ``gensim-graph study``.

A *study* trains networks on some data sets, forecasts others, and scores every pair in one table. A *contender* is a
network or a baseline that forecasts; a *training* is a group of data sets that are trained on together; a *test* is a
data set that is forecast.

Reading order:

1. Data: ``study_sets`` (data sets and the plan of a study), with ``box_meshes`` for simulated storms.
2. Contenders: ``contenders``, and for GenSIM's network ``images`` (grids as images) and ``gensim_network``.
3. Results: ``scoring`` (scores of one pair), ``table`` (all pairs; here a study runs), ``price`` and ``study_figure``.
"""

from gensim_graph.benchmark.resolutions.box_meshes import grid_over
from gensim_graph.benchmark.resolutions.contenders import (
    FLOW,
    PERSISTENCE,
    TWIN,
    Forecast,
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
    "Forecast",
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

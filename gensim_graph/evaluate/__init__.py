"""What a forecast is worth: scores against the truth and baselines, the physics of the ice, one HTML report.

Read :mod:`~gensim_graph.evaluate.matching` first, which puts a forecast beside the truth; then
:mod:`~gensim_graph.evaluate.steps`, the one pass over both in which every table is gathered, and
:mod:`~gensim_graph.evaluate.assess`, which lists them. Each score has a module of its own.

Functions on one dataset (:func:`deformation`, :func:`ice_age`, :func:`volume_budget`, :func:`detect_events`,
:func:`temporal_scaling`) take forecasts and truths alike; those that compare take the models of :func:`match_models`.
"""

from gensim_graph.evaluate.age import ice_age
from gensim_graph.evaluate.assess import assess
from gensim_graph.evaluate.baselines import LinearBaseline, persistence, persistence_beside
from gensim_graph.evaluate.budget import volume_budget
from gensim_graph.evaluate.buoys import buoy_errors
from gensim_graph.evaluate.deformation import deformation
from gensim_graph.evaluate.drift import drift_scores
from gensim_graph.evaluate.events import detect_events
from gensim_graph.evaluate.ice_edge import ice_scores
from gensim_graph.evaluate.intermittency import temporal_scaling
from gensim_graph.evaluate.matching import match_models
from gensim_graph.evaluate.ranks import rank_histogram
from gensim_graph.evaluate.reach import head_reach
from gensim_graph.evaluate.report import write_report
from gensim_graph.evaluate.scaling import spatial_scaling
from gensim_graph.evaluate.scores import evaluate, skill_table, write_scores
from gensim_graph.evaluate.sensitivity import sensitivity
from gensim_graph.evaluate.spectra import power_spectrum
from gensim_graph.evaluate.structure import structure_function

__all__ = [
    "LinearBaseline",
    "assess",
    "buoy_errors",
    "deformation",
    "detect_events",
    "drift_scores",
    "evaluate",
    "head_reach",
    "ice_age",
    "ice_scores",
    "match_models",
    "persistence",
    "persistence_beside",
    "power_spectrum",
    "rank_histogram",
    "sensitivity",
    "skill_table",
    "spatial_scaling",
    "structure_function",
    "temporal_scaling",
    "volume_budget",
    "write_report",
    "write_scores",
]

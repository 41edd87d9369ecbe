"""What a forecast is worth: scores against the truth and baselines, the physics of the ice, one HTML report.

Read :mod:`~gensim_graph.evaluate.matching` first, which puts a forecast beside the truth; then
:mod:`~gensim_graph.evaluate.tally`, the one pass over both in which every table is gathered, and
:mod:`~gensim_graph.evaluate.assessment`, which lists them. Each score has a module of its own.

Functions on one dataset (:func:`deformation`, :func:`ice_age`, :func:`volume_budget`, :func:`detect_events`,
:func:`temporal_scaling`) take forecasts and truths alike; those that compare take the models of :func:`match_models`.
"""

from gensim_graph.evaluate.assessment import assess
from gensim_graph.evaluate.baselines import LinearBaseline, persistence, persistence_beside
from gensim_graph.evaluate.explain import head_reach, sensitivity
from gensim_graph.evaluate.matching import Verification, match, match_models
from gensim_graph.evaluate.physics import (
    deformation,
    detect_events,
    ice_age,
    power_spectrum,
    spatial_scaling,
    structure_function,
    temporal_scaling,
    volume_budget,
)
from gensim_graph.evaluate.report import write_report
from gensim_graph.evaluate.tally import Step, Tally
from gensim_graph.evaluate.verify import (
    buoy_errors,
    drift_scores,
    evaluate,
    ice_scores,
    rank_histogram,
    skill_table,
    write_scores,
)

__all__ = [
    "LinearBaseline",
    "Step",
    "Tally",
    "Verification",
    "assess",
    "buoy_errors",
    "deformation",
    "detect_events",
    "drift_scores",
    "evaluate",
    "head_reach",
    "ice_age",
    "ice_scores",
    "match",
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

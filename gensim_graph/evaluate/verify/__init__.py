"""Scores of a forecast against the truth: errors, calibration of the ensemble, ice edge, drift, virtual buoys.

Each module has a :class:`~gensim_graph.evaluate.tally.Tally` that gathers sums step by step and turns them into a
table, and begins with a table of its scores. Reading order:

1. ``moments`` gathers the sums from which ``scores`` computes RMSE, CRPS, spread and correlation of every variable.
2. ``rank_counts``, ``spread_error`` and ``reliability`` test the calibration of the ensemble.
3. ``ice_edge``, ``drift`` and ``buoys`` score the ice edge and the drift.
"""

from gensim_graph.evaluate.verify.buoys import BuoyTally, buoy_errors
from gensim_graph.evaluate.verify.drift import DriftTally, drift_scores
from gensim_graph.evaluate.verify.ice_edge import IceTally, ice_scores, iiee
from gensim_graph.evaluate.verify.moments import MomentTally, fair_crps
from gensim_graph.evaluate.verify.rank_counts import RankTally, rank_histogram
from gensim_graph.evaluate.verify.reliability import ReliabilityTally
from gensim_graph.evaluate.verify.scores import evaluate, score_table, skill_table, write_scores
from gensim_graph.evaluate.verify.spread_error import SpreadErrorTally

__all__ = [
    "BuoyTally",
    "DriftTally",
    "IceTally",
    "MomentTally",
    "RankTally",
    "ReliabilityTally",
    "SpreadErrorTally",
    "buoy_errors",
    "drift_scores",
    "evaluate",
    "fair_crps",
    "ice_scores",
    "iiee",
    "rank_histogram",
    "score_table",
    "skill_table",
    "write_scores",
]

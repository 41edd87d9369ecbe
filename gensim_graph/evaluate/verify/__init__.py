"""TODO gensim_graph.evaluate.verify."""

from gensim_graph.evaluate.verify.buoys import BuoyTally, buoy_errors
from gensim_graph.evaluate.verify.drift import DriftTally, drift_scores
from gensim_graph.evaluate.verify.ice_edge import IceTally, ice_scores, iiee
from gensim_graph.evaluate.verify.moments import MomentTally
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
    "ice_scores",
    "iiee",
    "rank_histogram",
    "score_table",
    "skill_table",
    "write_scores",
]

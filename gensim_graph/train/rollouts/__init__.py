"""Training with the score of a small ensemble, through one step of the forecast or several.

Read ``member_rollout`` (the steps of the members), ``ensemble_loss`` (their score on several scales) and
``rollout_training`` (what Lightning trains). ``consistency_training`` is a first stage, in which a student learns from
its flow.
"""

from gensim_graph.train.rollouts.consistency_training import ConsistencyTraining
from gensim_graph.train.rollouts.rollout_training import RolloutTraining, check_objective

__all__ = ["ConsistencyTraining", "RolloutTraining", "check_objective"]

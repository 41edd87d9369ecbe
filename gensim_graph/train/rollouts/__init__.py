"""Training with the score of a small ensemble, through one step of the forecast or several.

Read ``member_rollout`` (the steps of the members), ``ensemble_loss`` (their score on several scales) and
``rollout_training`` (what Lightning trains).
"""

from gensim_graph.train.rollouts.rollout_training import RolloutTraining, check_objective

__all__ = ["RolloutTraining", "check_objective"]

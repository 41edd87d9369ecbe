"""Training samples of several steps in a row, on which an ensemble is rolled out.

Read ``rollout_batch`` (what a sample holds), then ``rollout_samples`` (how it is drawn) and ``rollout_window`` (what is
known about its cells beforehand).
"""

from gensim_graph.data.rollouts.rollout_batch import RolloutBatch, RolloutPart, collate_rollouts, pad_rollout
from gensim_graph.data.rollouts.rollout_samples import RolloutSamples

__all__ = ["RolloutBatch", "RolloutPart", "RolloutSamples", "collate_rollouts", "pad_rollout"]

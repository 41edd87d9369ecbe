"""Training: the loop is Lightning's, the objective and the order of the samples are ours."""

from gensim_graph.train.fit import TrainingPlan, plan_training, train

__all__ = ["TrainingPlan", "plan_training", "train"]

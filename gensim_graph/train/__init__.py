"""Training: the loop is Lightning's, the objective and the order of the samples are ours."""

from gensim_graph.train.folder import check_folder
from gensim_graph.train.loop import fit, train
from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.simulated import plan_simulation

__all__ = ["TrainingPlan", "check_folder", "config_of", "fit", "plan_simulation", "plan_training", "train"]

"""Training: Lightning runs the steps; the objective and the order of the samples are ours.

Read ``plan`` (settings and data, checked), ``run_folder`` (files of a run), then ``training_run`` (the entry points
:func:`train` and :func:`fit`). ``training_module`` holds the loss and the optimiser, ``lightning_trainer`` and
``callbacks`` the link to Lightning, ``simulated_data`` the data for a mesh that comes without any.
"""

from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.run_folder import check_folder
from gensim_graph.train.simulated_data import plan_simulation
from gensim_graph.train.training_run import fit, train

__all__ = ["TrainingPlan", "check_folder", "config_of", "fit", "plan_simulation", "plan_training", "train"]

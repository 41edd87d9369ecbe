"""Training: Lightning runs the steps; the objective and the order of the samples are ours.

Read ``plan`` (settings and data, checked), ``run_folder`` (files of a run), then ``training_run`` (the entry points
:func:`train` and :func:`fit`). ``training_module`` holds the loss and the optimiser, ``lightning_trainer`` and
``callbacks`` the link to Lightning, the room ``loop`` the form of the optimiser and a clock of the waiting,
``batch_loader``, ``processes`` and ``sharded_training`` the work of several processes, the room ``validating``,
``measures``, ``training_record`` and ``learning_curves`` what a run shows of itself, ``simulated_data`` the data for a
mesh that comes without any. The room ``rollouts`` trains the members of an ensemble through several steps;
``distillation`` makes a student of a flow with it, the room ``calibrating`` fits the last layer of a student to the
tendencies of free runs.
"""

from gensim_graph.train.calibrating import SetErrors, calibrate
from gensim_graph.train.distillation import distil, student_overrides
from gensim_graph.train.learning_curves import draw_curves
from gensim_graph.train.plan import TrainingPlan, config_of, plan_training
from gensim_graph.train.processes import is_first_process
from gensim_graph.train.run_folder import CHANGEABLE, check_folder, keep_settings
from gensim_graph.train.simulated_data import plan_simulation
from gensim_graph.train.training_record import read_record
from gensim_graph.train.training_run import fit, train

__all__ = [
    "CHANGEABLE",
    "SetErrors",
    "TrainingPlan",
    "calibrate",
    "check_folder",
    "config_of",
    "distil",
    "draw_curves",
    "fit",
    "is_first_process",
    "keep_settings",
    "plan_simulation",
    "plan_training",
    "read_record",
    "student_overrides",
    "train",
]

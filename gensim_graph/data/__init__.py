"""Data of the model: trajectories to train on, their statistics, training samples, forcing, and the data that ship.

Read ``training_data`` (what samples need), ``trajectories`` (arrays in memory), ``statistics`` and ``normalise``
(scales), then ``sampling_config``, ``training_batch`` and ``sampling`` (samples for the training; ``augment`` turns
them). ``forcing`` and ``cycle`` give the forcing of a forecast at any time. ``builtin`` lists the files that come with
the package.
"""

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.builtin import cyclone_meshes, cyclone_trajectories
from gensim_graph.data.forcing import Forcing, as_forcing, open_forcing
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.sampling import TrainingSamples
from gensim_graph.data.sampling_config import SamplingConfig
from gensim_graph.data.statistics import Statistics
from gensim_graph.data.training_batch import TrainingBatch, collate
from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.data.trajectories import Trajectories, lead_steps, stack_variables, statistics_of
from gensim_graph.moved import moved_names

__all__ = [
    "Forcing",
    "Normaliser",
    "SamplingConfig",
    "StatePair",
    "Statistics",
    "TrainingBatch",
    "TrainingData",
    "TrainingSamples",
    "Trajectories",
    "as_forcing",
    "collate",
    "cyclone_meshes",
    "cyclone_trajectories",
    "lead_steps",
    "open_forcing",
    "stack_variables",
    "statistics_of",
    "turn_graph",
]

__getattr__ = moved_names(__name__)

"""Data of the model: trajectories to train on, their statistics, training samples, forcing, and the data that ship.

Read ``training_data`` (what samples need), ``trajectories`` (arrays in memory), ``statistics`` and ``normalise``
(scales), then ``sampling_config``, ``training_batch`` and ``sampling`` (samples for the training; ``augment`` turns
them). The room ``forcing`` gives the forcing at any time, with ``cycle`` and the room ``series``;
``forced_trajectories`` adds it to training data, ``transported_trajectories`` the transport of the ice. The room
``on_device`` keeps the data on a GPU and makes the samples there. ``builtin`` lists the files that come with the
package.
"""

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.builtin import cyclone_meshes, cyclone_trajectories
from gensim_graph.data.drift_response import fit_drift_response, with_drift_response
from gensim_graph.data.forced_trajectories import ForcedTrajectories, with_forcing
from gensim_graph.data.forcing import Drivers, Forcing, ForcingEnsemble, as_forcing, open_forcing
from gensim_graph.data.held_out import DataPart, DataSplit, hold_out
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.prepared import PreparedTrajectories, is_prepared, prepare
from gensim_graph.data.sampling import TrainingSamples
from gensim_graph.data.sampling_config import SamplingConfig
from gensim_graph.data.series import with_own_degree_days
from gensim_graph.data.statistics import Statistics
from gensim_graph.data.training_batch import TrainingBatch, collate, pad_batch
from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.data.trajectories import Trajectories, lead_steps, stack_variables, statistics_of
from gensim_graph.data.transported_trajectories import TransportedTrajectories, with_transport
from gensim_graph.moved import moved_names

__all__ = [
    "DataPart",
    "DataSplit",
    "Drivers",
    "ForcedTrajectories",
    "Forcing",
    "ForcingEnsemble",
    "Normaliser",
    "PreparedTrajectories",
    "SamplingConfig",
    "StatePair",
    "Statistics",
    "TrainingBatch",
    "TrainingData",
    "TrainingSamples",
    "Trajectories",
    "TransportedTrajectories",
    "as_forcing",
    "collate",
    "cyclone_meshes",
    "cyclone_trajectories",
    "fit_drift_response",
    "hold_out",
    "is_prepared",
    "lead_steps",
    "open_forcing",
    "pad_batch",
    "prepare",
    "stack_variables",
    "statistics_of",
    "turn_graph",
    "with_drift_response",
    "with_forcing",
    "with_own_degree_days",
    "with_transport",
]

__getattr__ = moved_names(__name__)

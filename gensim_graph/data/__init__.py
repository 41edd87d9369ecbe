"""Data: stores, trajectories, statistics, samples, output, and the data that ship."""

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.builtin import cyclone_meshes, cyclone_trajectories
from gensim_graph.data.forcing import Forcing, as_forcing, open_forcing
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.sampling import SamplingConfig, TrainingBatch, TrainingSamples, collate
from gensim_graph.data.statistics import Statistics
from gensim_graph.data.trajectories import Trajectories, lead_steps, stack_variables, statistics_of
from gensim_graph.moved import moved_names

__all__ = [
    "Forcing",
    "Normaliser",
    "SamplingConfig",
    "Statistics",
    "TrainingBatch",
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

"""Data: stores, trajectories, statistics, samples, output, and the data that ship."""

from gensim_graph.data.forcing import Forcing, as_forcing, open_forcing
from gensim_graph.data.nextsim_moving import drift, open_moving
from gensim_graph.data.nextsim_writer import write_output, write_restart
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.output import write_dataset
from gensim_graph.data.sampling import SamplingConfig, TrainingBatch, TrainingSamples, collate
from gensim_graph.data.statistics import Statistics
from gensim_graph.data.store import open_store, open_stores
from gensim_graph.data.trajectories import Trajectories, lead_steps, stack_variables, statistics_of

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
    "drift",
    "lead_steps",
    "open_forcing",
    "open_moving",
    "open_store",
    "open_stores",
    "stack_variables",
    "statistics_of",
    "write_dataset",
    "write_output",
    "write_restart",
]

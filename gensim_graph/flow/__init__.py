"""Flow matching with censoring: path, schedule, bounds, objective, sampler (Finn et al. 2025, arXiv:2508.14984)."""

from gensim_graph.flow.censoring import Bounds
from gensim_graph.flow.objective import ScaleModel, censored_nll
from gensim_graph.flow.path import NoisedSample, noised_sample
from gensim_graph.flow.sampler import SamplerConfig, sample
from gensim_graph.flow.schedule import sigmoid_schedule

__all__ = [
    "Bounds",
    "NoisedSample",
    "SamplerConfig",
    "ScaleModel",
    "censored_nll",
    "noised_sample",
    "sample",
    "sigmoid_schedule",
]

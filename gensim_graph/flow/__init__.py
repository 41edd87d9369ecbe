"""Flow matching with censoring (Finn et al. 2025, arXiv:2508.14984).

A flow carries Gaussian noise at flow time 0 to a forecast residual at flow time 1. A network learns its velocity;
integrating this velocity gives a sample.

Reading order: ``path`` (straight path from noise to data, and the velocity to learn), ``censoring`` (bounds of the
state), ``objective`` (loss), ``schedule`` (flow times of the integration), ``sampler`` (integration within the bounds),
``ensemble_noise`` (noise of an ensemble).
"""

from gensim_graph.flow.censoring import Bounds
from gensim_graph.flow.ensemble_noise import member_noise
from gensim_graph.flow.objective import ScaleModel, censored_nll
from gensim_graph.flow.path import NoisedSample, noised_sample
from gensim_graph.flow.sampler import BoundsOf, SamplerConfig, sample
from gensim_graph.flow.schedule import sigmoid_schedule

__all__ = [
    "Bounds",
    "BoundsOf",
    "NoisedSample",
    "SamplerConfig",
    "ScaleModel",
    "censored_nll",
    "member_noise",
    "noised_sample",
    "sample",
    "sigmoid_schedule",
]

"""Flow matching with censoring (Finn et al. 2025, arXiv:2508.14984).

A flow carries Gaussian noise at flow time 0 to a forecast residual at flow time 1. A network learns its velocity;
integrating this velocity gives a sample.

Reading order: ``path`` (straight path from noise to data, and the velocity to learn), ``censoring`` (bounds of the
state), ``objective`` (loss), ``schedule`` (flow times of the integration), ``sampler`` (integration within the bounds),
``guidance`` (pull of observations), ``ensemble_noise`` (noise of an ensemble),
``ensemble_score`` (its score, to train with).
"""

from gensim_graph.flow.censoring import TOLERANCE, Bounds
from gensim_graph.flow.ensemble_noise import member_noise, noise_generator
from gensim_graph.flow.ensemble_score import almost_fair_crps, almost_fair_energy
from gensim_graph.flow.guidance import GuidanceConfig, GuidedVelocity, Likelihood, gaussian_velocity
from gensim_graph.flow.objective import ScaleModel, censored_nll
from gensim_graph.flow.path import NoisedSample, noised_sample
from gensim_graph.flow.sampler import BoundsOf, SamplerConfig, Velocity, sample
from gensim_graph.flow.schedule import sigmoid_schedule

__all__ = [
    "TOLERANCE",
    "Bounds",
    "BoundsOf",
    "GuidanceConfig",
    "GuidedVelocity",
    "Likelihood",
    "NoisedSample",
    "SamplerConfig",
    "ScaleModel",
    "Velocity",
    "almost_fair_crps",
    "almost_fair_energy",
    "censored_nll",
    "gaussian_velocity",
    "member_noise",
    "noise_generator",
    "noised_sample",
    "sample",
    "sigmoid_schedule",
]

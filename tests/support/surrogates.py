"""A surrogate that was never trained, and data for it."""

import dataclasses

import numpy as np
import torch

from gensim_graph.data import Normaliser, Trajectories, statistics_of, with_transport
from gensim_graph.flow import SamplerConfig
from gensim_graph.io import open_store
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import default_variables
from support.examples import SMALL, small_trajectory
from support.meshes import jittered_box

TABLE = default_variables()
MESH = jittered_box(6)
DATA = open_store(small_trajectory(MESH, hours=24))
TRANSPORTED = ("sit", "sic", "sid", "snt")


def random_surrogate(deterministic: bool = False, size: float = 0.3) -> Surrogate:
    """A model that was never trained, with noisy weights: its forecasts would leave the bounds if they could."""
    part = Trajectories.from_dataset(DATA, TABLE, np.timedelta64(6, "h"))
    normaliser = Normaliser(TABLE, statistics_of([part], TABLE, 6.0))
    torch.manual_seed(0)
    operator = VelocityOperator(SMALL, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(size * torch.randn(parameter.shape))
    return Surrogate(operator, normaliser, SamplerConfig(steps=3), deterministic, {"steps": 0})


def transporting(deterministic: bool = False, **changed: object) -> Surrogate:
    """A random model whose residual is counted from the transport."""
    model, lead = random_surrogate(deterministic), np.timedelta64(6, "h")
    (data,) = with_transport([Trajectories.from_dataset(DATA, TABLE, lead)], TABLE, TRANSPORTED, 6 * 3600.0)
    statistics = dataclasses.replace(statistics_of([data], TABLE, 6.0), transported=TRANSPORTED, **changed)
    return dataclasses.replace(model, normaliser=dataclasses.replace(model.normaliser, statistics=statistics))

"""Models that share a forecast, for its tests: two with different weights, a forgetful one, one with more forcing."""

from dataclasses import replace

import numpy as np
import torch

from gensim_graph.data import Normaliser, Trajectories, statistics_of
from gensim_graph.flow import SamplerConfig
from gensim_graph.nn import VelocityOperator
from gensim_graph.surrogate import Surrogate
from gensim_graph.variables import Variable, VariableTable
from support.examples import SMALL
from support.forecasts import DATA, TABLE, small_model

SUNNY = DATA.assign(rsds=(DATA["uas"].dims, 100 + 20 * np.abs(DATA["uas"].values), {"units": "W m-2"}))
"""With one more forcing variable."""


def named_model(name: str, seed: int, **changes: object) -> Surrogate:
    """A model with a name and weights of its own; changes of its attributes."""
    model = small_model(seed)
    model.name = name
    return replace(model, **changes)  # type: ignore[arg-type]


def without_ranges(model: Surrogate) -> Surrogate:
    """The same weights, as a version would have saved them that knew no ranges."""
    statistics = replace(model.normaliser.statistics, ranges={})
    return replace(model, normaliser=replace(model.normaliser, statistics=statistics), name="forgetful")


def sunny_model() -> Surrogate:
    """A model that needs a variable that the others do not have, before theirs in its table."""
    sun = Variable("rsds", "forcing", "W m-2")
    table = VariableTable((*TABLE.state, sun, *TABLE.forcing, *TABLE.slow))
    part = Trajectories.from_dataset(SUNNY, table, np.timedelta64(6, "h"))
    normaliser = Normaliser(table, statistics_of([part], table, 6.0))
    torch.manual_seed(3)
    operator = VelocityOperator(SMALL, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape))

    return Surrogate(operator, normaliser, SamplerConfig(steps=1), name="sunny")

"""The plan of a training: everything that is known, and checked, before the first step."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import xarray as xr

from gensim_graph.config import RunConfig, compose_config
from gensim_graph.data import Normaliser, Trajectories, open_stores, statistics_of
from gensim_graph.data.sample import cyclone_trajectories
from gensim_graph.data.store import Source
from gensim_graph.mesh import Mesh
from gensim_graph.nn import Operator, build_operator
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, default_variables

log = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Of ``run.json``."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that is known before the first step.

    Attributes:
        config: resolved configuration.
        data: trajectories, by mesh.
        normaliser: variable table and statistics of the data.
    """

    config: RunConfig
    data: list[Trajectories]
    normaliser: Normaliser

    def operator(self) -> Operator:
        """The network with its initial weights, a function of the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.config.trainer.seed)
            return build_operator(
                self.config.operator, self.normaliser.state_channels, self.normaliser.condition_channels
            )

    def pairs(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """State and forcing at t, forcing and state at t + lead, each (variable, face): for a regression."""
        for part in self.data:
            for state, forcing in zip(part.state, part.forcing, strict=True):
                for now in range(len(state) - part.lead_steps):
                    then = now + part.lead_steps
                    yield state[now].T, forcing[now].T, forcing[then].T, state[then].T

    def identity(self) -> dict[str, Any]:
        """What makes two runs the same: configuration, meshes, data, variables."""
        return {
            "format_version": FORMAT_VERSION,
            "config": json.loads(json.dumps(self.config.to_dict())),
            "meshes": [part.mesh.hash for part in self.data],
            "pairs": [part.n_pairs for part in self.data],
            "statistics": json.loads(json.dumps(self.normaliser.statistics.to_dict())),
            "variables": [variable.name for variable in self.normaliser.table.variables],
        }


def plan_training(
    mesh: Mesh | None = None,
    data: Source | Sequence[Source] | None = None,
    config: RunConfig | None = None,
    variables: VariableTable | None = None,
) -> TrainingPlan:
    """Read and check everything that a training needs.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on the meshes
            that the data come on, together.
        data: files or datasets; None takes the training part of the built-in cyclone.
        config: configuration; None for the ``tiny`` preset.
        variables: the variable table; None for the default.

    Raises:
        InputError: anything wrong with the data, see :func:`~gensim_graph.open_store`.
    """
    config, table = config or compose_config(), variables or default_variables()
    sources = [str(path) for path in cyclone_trajectories("train")] if data is None else data
    lead = config.data.lead
    stores: list[xr.Dataset] = open_stores(sources, mesh, table)
    _warn_of_held_out(stores)
    trajectories = [Trajectories.from_dataset(store, table, lead, config.data.skipped) for store in stores]
    statistics = statistics_of(trajectories, table, lead / np.timedelta64(1, "h"))
    return TrainingPlan(config, trajectories, Normaliser(table, statistics))


def _warn_of_held_out(stores: list[xr.Dataset]) -> None:
    """Say so when the built-in test trajectories are trained on: scores on them mean nothing then."""
    held_out = [path.name for path in (*cyclone_trajectories("test"), *cyclone_trajectories("zero_shot"))]
    seen = [name for name in held_out if any(name in store.attrs["origin"] for store in stores)]
    if seen:
        log.warning("training on %s, which the built-in split holds back for testing", ", ".join(seen))

"""The plan of a training: configuration and data, read and checked before the first step."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import xarray as xr

from gensim_graph.config import RunConfig, compose_config
from gensim_graph.data import Normaliser, Statistics, TrainingData, Trajectories, cyclone_trajectories, statistics_of
from gensim_graph.errors import InputError
from gensim_graph.io import Source, open_stores
from gensim_graph.mesh import Mesh
from gensim_graph.nn import Operator, build_operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, default_variables

log = logging.getLogger(__name__)

RUN_FORMAT = 1
"""Version of ``run.json``."""


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that a training needs.

    Attributes:
        config: resolved configuration.
        data: trajectories, one element for each mesh.
        normaliser: variable table and statistics: of the data, or of ``start``.
        start: trained model that the training continues from; None begins with random weights.
        statistics: of the data, if the normaliser has those of ``start``.
    """

    config: RunConfig
    data: Sequence[TrainingData]
    normaliser: Normaliser
    start: Surrogate | None = None
    statistics: Statistics | None = None

    def operator(self) -> Operator:
        """Build the network with its initial weights: those of ``start``, or random ones from the seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.config.trainer.seed)
            operator = build_operator(
                self.config.operator, self.normaliser.state_channels, self.normaliser.condition_channels
            )

        if self.start:
            operator.load_state_dict(self.start.operator.state_dict())

        return operator

    def pairs(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield state and forcing at t, forcing and state at t + lead, (variable, face) each, for a regression."""
        for part in self.data:
            for pair in part.pairs():
                yield pair.state.T, pair.forcing.T, pair.next_forcing.T, pair.next_state.T

    def identity(self) -> dict[str, Any]:
        """Return what two runs must have in common to be the same run: configuration, meshes, data, variables."""
        return {
            "format_version": RUN_FORMAT,
            "config": json.loads(json.dumps(self.config.to_dict())),
            "meshes": [part.mesh.hash for part in self.data],
            "pairs": [part.n_pairs for part in self.data],
            "statistics": json.loads(json.dumps((self.statistics or self.normaliser.statistics).to_dict())),
            "variables": [variable.name for variable in self.normaliser.table.variables],
            "start": None if self.start is None else _weights_hash(self.start),
        }


def plan_training(
    mesh: Mesh | None = None,
    data: Source | Sequence[Source] | None = None,
    config: RunConfig | None = None,
    variables: VariableTable | None = None,
    start: Surrogate | None = None,
) -> TrainingPlan:
    """Read and check everything that a training needs.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on all meshes of
            the data together.
        data: files or datasets; None takes the training part of the built-in cyclone.
        config: configuration; None for the ``tiny`` preset.
        variables: the variable table; None for the default table, or the one of ``start``.
        start: a trained model to continue from with these data; its size, variables and statistics are kept.

    Raises:
        InputError: the data cannot be used, see :func:`~gensim_graph.open_store`, or they do not fit ``start``.
    """
    config = config or compose_config()
    table = variables or (start.normaliser.table if start else default_variables())
    if start:
        config = config_of(start, config)

    sources = [str(path) for path in cyclone_trajectories("train")] if data is None else data
    stores: list[xr.Dataset] = open_stores(sources, mesh, table)
    _warn_of_held_out(stores)

    lead = config.data.lead
    trajectories = [Trajectories.from_dataset(store, table, lead, config.data.skipped) for store in stores]
    statistics = statistics_of(trajectories, table, lead / np.timedelta64(1, "h"))

    if start is None:
        return TrainingPlan(config, trajectories, Normaliser(table, statistics))

    _check_data(start, table, statistics)
    # Samples are made on the CPU, even if the model is on a GPU.
    return TrainingPlan(config, trajectories, start.normaliser.to(torch.device("cpu")), start, statistics)


def config_of(start: Surrogate, config: RunConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """Return the configuration of a training that continues from a model, with the sizes of that model.

    Args:
        start: the trained model.
        config: configuration of the training; only the backend of its operator is used.
        overrides: Hydra overrides of the user.

    Raises:
        InputError: the overrides change the size, the lead time is another one, or one of the two is a deterministic
            twin and the other is not.
    """
    sizes = [one for one in overrides if one.startswith("operator") and not one.startswith("operator.backend")]
    if sizes:
        raise InputError(f"start: a model keeps its size; leave out {' '.join(sizes)}, or begin without a start")

    if start.lead_time != config.data.lead:
        raise InputError(
            f"start: the model was trained for {start.normaliser.statistics.lead_hours:g} h; came "
            f"data.lead_time={config.data.lead_time}. Take its lead time, or begin without a start"
        )

    if config.trainer.deterministic != start.deterministic:
        kind = "is a deterministic twin" if start.deterministic else "is no deterministic twin"
        raise InputError(f"start: the model {kind}; set trainer.deterministic={str(start.deterministic).lower()}")

    return replace(config, operator=replace(start.operator.config, backend=config.operator.backend))


def _check_data(start: Surrogate, table: VariableTable, statistics: Statistics) -> None:
    """Refuse data that a trained model cannot continue with."""
    trained = start.normaliser
    if table != trained.table:
        raise InputError("start: a model keeps its variable table; leave out variables, or begin without a start")

    missing = sorted(trained.statistics.values.keys() - statistics.values.keys())
    if missing:
        raise InputError(f"start: the data lack {', '.join(missing)}, which the model was trained with")


def _weights_hash(start: Surrogate) -> str:
    """Return a hash of the weights of a model."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(start.operator.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _warn_of_held_out(stores: list[xr.Dataset]) -> None:
    """Warn of built-in test trajectories among the training data: scores on them would be meaningless."""
    held_out = [path.name for path in (*cyclone_trajectories("test"), *cyclone_trajectories("zero_shot"))]
    used = [name for name in held_out if any(name in store.attrs["origin"] for store in stores)]
    if used:
        log.warning("training on %s, which the built-in split holds back for testing", ", ".join(used))

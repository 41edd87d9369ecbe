"""The plan of a training: configuration and data, read and checked before the first step."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import Any, cast

import numpy as np
import torch
import xarray as xr

from gensim_graph.config import RunConfig, compose_config
from gensim_graph.data import (
    DataSplit,
    Normaliser,
    PreparedTrajectories,
    Statistics,
    TrainingData,
    Trajectories,
    cyclone_trajectories,
    hold_out,
    is_prepared,
    statistics_of,
    with_drift_response,
    with_forcing,
    with_own_degree_days,
    with_transport,
)
from gensim_graph.errors import InputError
from gensim_graph.flow import SamplerConfig
from gensim_graph.io import Source, expand, open_stores
from gensim_graph.mesh import Mesh
from gensim_graph.nn import Operator, build_operator
from gensim_graph.surrogate import Surrogate
from gensim_graph.train.rollouts import check_objective
from gensim_graph.transport import transported_names
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, default_variables

log = logging.getLogger(__name__)

_QUICKLY_MOVED = 2e7
"""Cells of all records of a prepared store that are moved in about a minute."""

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
        validation: data that are held back; empty for a training without validation.
        held_out: what is held back, for the user.
    """

    config: RunConfig
    data: Sequence[TrainingData]
    normaliser: Normaliser
    start: Surrogate | None = None
    statistics: Statistics | None = None
    validation: Sequence[TrainingData] = ()
    held_out: str = "nothing"

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
    validation: Source | Sequence[Source] | None = None,
    topology: str | None = None,
    forcing: Source | Sequence[Source] | None = None,
) -> TrainingPlan:
    """Read and check everything that a training needs.

    Args:
        mesh: the mesh to train on; data on another mesh of the same domain are remapped. None trains on all meshes of
            the data together.
        data: files, datasets or prepared stores (:func:`~gensim_graph.data.prepare`); None takes the training part of
            the built-in cyclone.
        config: configuration; None for the ``tiny`` preset.
        variables: the variable table; None for the default table, or the one of ``start``.
        start: a trained model to continue from with these data; its size, variables and statistics are kept.
        validation: files or datasets for the validation; None holds back a part of the data (``data.validation``).
        topology: name of the UGRID topology, for data files with several of dimension 2.
        forcing: files or datasets with winds and temperatures on any grid, see
            :func:`~gensim_graph.data.with_forcing`; None takes those of the data.

    Raises:
        InputError: the data cannot be used, see :func:`~gensim_graph.open_store`, or they do not fit ``start``.
    """
    config = config or compose_config()
    check_objective(config, start)
    table = variables or (start.normaliser.table if start else default_variables())
    if start:
        config = config_of(start, config)

    sources = [str(path) for path in cyclone_trajectories("train")] if data is None else data
    lead = config.data.lead
    trajectories: Sequence[TrainingData] = _read(sources, mesh, table, config, topology)
    transported = _transported(trajectories, table, config, start)
    # Rollouts move the ice of their members; the training data need not be moved if the start knows the statistics.
    moved = () if config.objective.name == "crps" and start is not None else transported
    trajectories = with_transport(trajectories, table, moved, lead / np.timedelta64(1, "s"))
    if forcing is not None:
        trajectories = with_forcing(trajectories, forcing, table)

    statistics = replace(
        statistics_of(trajectories, table, lead / np.timedelta64(1, "h")), transported=tuple(transported)
    )
    if start is None and config.data.drift_response:
        statistics = with_drift_response(statistics, trajectories, table)

    split = _split(trajectories, mesh, table, config, validation, forcing, moved)
    if start is None:
        normaliser = Normaliser(table, statistics)
        return TrainingPlan(config, split.training, normaliser, None, None, split.validation, split.text)

    _check_data(start, table, statistics)
    # Samples are made on the CPU, even if the model is on a GPU.
    normaliser = replace(
        start.normaliser.to(torch.device("cpu")), statistics=start.normaliser.statistics.covering(statistics)
    )
    return TrainingPlan(config, split.training, normaliser, start, statistics, split.validation, split.text)


def _read(
    sources: Source | Sequence[Source],
    mesh: Mesh | None,
    table: VariableTable,
    config: RunConfig,
    topology: str | None = None,
    warn: bool = True,
) -> list[TrainingData]:
    """Training data of all sources: prepared stores are read while the samples are drawn, others now, as a whole."""
    given = list(sources) if isinstance(sources, list | tuple) else [cast(Source, sources)]
    items = [one for source in given for one in ([source] if is_prepared(source) else expand(source))]
    prepared = [FilePath(str(one)) for one in items if is_prepared(one)]
    others = [one for one in items if not is_prepared(one)]
    lead, skipped = config.data.lead, config.data.skipped

    stores: list[xr.Dataset] = open_stores(others, mesh, table, topology=topology) if others else []
    parts: list[TrainingData] = [
        Trajectories.from_dataset(with_own_degree_days(store, table), table, lead, skipped) for store in stores
    ]
    archives = [PreparedTrajectories.open(path, table, lead, skipped, mesh) for path in prepared]
    if warn:
        _warn_of_held_out([store.attrs["origin"] for store in stores] + [one.origin for one in archives])

    return [*parts, *archives]


def _split(
    data: Sequence[TrainingData],
    mesh: Mesh | None,
    table: VariableTable,
    config: RunConfig,
    validation: Source | Sequence[Source] | None,
    forcing: Source | Sequence[Source] | None,
    transported: Sequence[str],
) -> DataSplit:
    """Training and validation data; the statistics are those of both together."""
    if validation is None:
        return hold_out(data, config.data.validation)

    parts: Sequence[TrainingData] = _read(validation, mesh, table, config, warn=False)
    parts = with_transport(parts, table, transported, config.data.lead / np.timedelta64(1, "s"))
    if forcing is not None:
        parts = with_forcing(parts, forcing, table)

    return DataSplit(list(data), list(parts), f"{sum(part.n_pairs for part in parts)} pairs of files of their own")


def _values_to_move(part: TrainingData) -> int:
    """Cells of all pairs whose transport is computed into files; data in memory take seconds."""
    return 0 if part.is_in_memory else part.n_pairs * part.mesh.n_faces


def _transported(
    data: Sequence[TrainingData], table: VariableTable, config: RunConfig, start: Surrogate | None
) -> Sequence[str]:
    """Names of the variables whose residual is counted from their transport; a start keeps its own."""
    if start is not None:
        return start.normaliser.statistics.transported
    if config.data.transport == "false":
        return ()
    if config.data.transport == "auto" and max(_values_to_move(part) for part in data) > _QUICKLY_MOVED:
        log.warning(
            "the transport of the ice is learned; to compute it for a store of this size takes long, once, and is done "
            "with data.transport=true"
        )
        return ()

    present = [one.name for one in table.state if any(part.present[one.name] for part in data)]
    return transported_names(table.state, present)


def config_of(start: Surrogate, config: RunConfig, overrides: Sequence[str] | None = None) -> RunConfig:
    """Return the configuration of a training that continues from a model, with the sizes of that model.

    Args:
        start: the trained model.
        config: configuration of the training; only the backend of its operator is used.
        overrides: Hydra overrides of the user. The sampler is that of the model unless they, or a file, choose another;
            None leaves the sampler of the configuration.

    Raises:
        InputError: the overrides change the size, the lead time is another one, one of the two is a deterministic twin
            and the other is not, or the model is no flow any more and shall be trained as one.
    """
    sizes = [one for one in overrides or () if one.startswith("operator") and not one.startswith("operator.backend")]
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

    trained = start.information.get("objective", "flow")
    if config.objective.name != "crps" and trained != "flow":
        raise InputError(
            f"start: the model is a student, trained with objective={trained}; go on with objective=crps, or start "
            "from a flow"
        )

    is_chosen = config.sampler != SamplerConfig() or any(one.startswith("sampler") for one in overrides or ())
    sampler = start.sampler if overrides is not None and not is_chosen else config.sampler
    return replace(config, operator=replace(start.operator.config, backend=config.operator.backend), sampler=sampler)


def _check_data(start: Surrogate, table: VariableTable, statistics: Statistics) -> None:
    """Refuse data that a trained model cannot continue with."""
    trained = start.normaliser
    if table != trained.table:
        raise InputError("start: a model keeps its variable table; leave out variables, or begin without a start")

    needed = trained.statistics.values.keys() - set(trained.statistics.optional)
    missing = sorted(needed - statistics.values.keys())
    if missing:
        raise InputError(f"start: the data lack {', '.join(missing)}, which the model was trained with")


def _weights_hash(start: Surrogate) -> str:
    """Return a hash of the weights of a model."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(start.operator.state_dict().items()):
        digest.update(name.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _warn_of_held_out(origins: list[str]) -> None:
    """Warn of built-in test trajectories among the training data: scores on them would be meaningless."""
    held_out = [path.name for path in (*cyclone_trajectories("test"), *cyclone_trajectories("zero_shot"))]
    used = [name for name in held_out if any(name in origin for origin in origins)]
    if used:
        log.warning("training on %s, which the built-in split holds back for testing", ", ".join(used))

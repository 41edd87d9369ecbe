"""Training samples: a subgraph, its noised residual, its conditions and its target.

Everything random about a sample follows from (seed, number of the sample), so that a run which is cut off goes on
bit for bit. A batch is a disjoint union of subgraphs of any meshes and coarsening levels.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch.utils.data import Dataset

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.trajectories import Trajectories
from gensim_graph.errors import Rule, at_least, check_values
from gensim_graph.flow import noised_sample
from gensim_graph.graph import (
    CLUSTER_TOKENS,
    TOKEN_CELLS,
    MeshGraph,
    batch_graphs,
    coarse_cells,
    extract_subgraph,
    graph_of_cells,
)
from gensim_graph.nn import rotate_vectors
from gensim_graph.typing import Array, Bool, Float, Tensor
from gensim_graph.variables import vector_pairs

GRAPHS = 64
"""Prepared graphs that are kept: of meshes, levels and partitions."""


@dataclass(frozen=True)
class SamplingConfig:
    """How training samples are drawn.

    Attributes:
        batch: samples in a batch.
        lead_time: of one forecast step, such as ``12h``; a multiple of the step of the data.
        skip: beginning of every trajectory that is left out, such as ``24h``: the spin-up of a model from an idealised
            state is weather of its own.
        clusters: clusters of a subgraph, core and surroundings; 256 cells each. Fewer: less memory, less context.
        core: clusters whose loss counts, when the mesh has more than ``clusters``. More: more cells learned from a
            sample, of which those at the rim of the core lack more of their halo.
        levels: relative probability of the coarsening levels 0, 1, 2, ... of a sample.
        balance: power of the number of samples that a data set has in its share of the draws: 1 draws every cell as
            often, 0 every data set (trajectories of the same mesh and times), whatever their sizes.
        partitions: number of random k-d axes over which the grouping of cells is varied; 1 for none.
        rotate: turn frame and vectors by a random angle; the operator does not need it, other networks do.
        mirror: reflect frame and vectors; wrong on one hemisphere, where Coriolis turns one way only.

    Raises:
        InputError: a value that makes no sense.
    """

    batch: int = 8
    lead_time: str = "12h"
    skip: str = "0h"
    clusters: int = 12
    core: int = 2
    levels: list[float] = field(default_factory=lambda: [0.8, 0.15, 0.05])
    balance: float = 1.0
    partitions: int = 8
    rotate: bool = False
    mirror: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        rules: dict[str, Rule] = {
            "batch": at_least(1),
            "lead_time": (_is_length, "a positive length of time such as 12h, 90min or 1d"),
            "skip": (lambda came: _is_length(came, zero=True), "a length of time such as 0h, 24h or 2d"),
            "core": at_least(1),
            "clusters": at_least(self.core),
            "levels": (_are_shares, "numbers of 0 or more, one of them above 0"),
            "balance": at_least(0),
            "partitions": at_least(1),
        }
        check_values(self, "data", rules)

    @property
    def lead(self) -> np.timedelta64:
        """The lead time."""
        return _length(self.lead_time).to_timedelta64()

    @property
    def skipped(self) -> np.timedelta64:
        """What is left out at the beginning."""
        return _length(self.skip).to_timedelta64()


def _length(text: str) -> pd.Timedelta:
    return pd.Timedelta(re.sub(r"(\d\s*)d$", r"\1D", text))  # pandas is about to forget the small d


def _is_length(text: str, zero: bool = False) -> bool:
    try:
        return bool(_length(text) > pd.Timedelta(0)) or (zero and _length(text) == pd.Timedelta(0))
    except ValueError:
        return False


def _are_shares(levels: list[float]) -> bool:
    return all(isfinite(level) and level >= 0 for level in levels) and sum(levels) > 0


class Item(NamedTuple):
    """One sample before it is put into a batch; F cells."""

    graph: MeshGraph
    noised: Float[Tensor, "face state"]
    conditions: Float[Tensor, "face condition"]
    velocity: Float[Tensor, "face state"]
    at_lower: Bool[Tensor, "face state"]
    at_upper: Bool[Tensor, "face state"]
    weight: Float[Tensor, "face state"]
    flow_time: Float[Tensor, ""]


class TrainingBatch(NamedTuple):
    """A disjoint union of samples; shapes as in :class:`Item` with a batch dimension of one, flow_time (1, samples)."""

    graph: MeshGraph
    noised: Float[Tensor, "one face state"]
    conditions: Float[Tensor, "one face condition"]
    velocity: Float[Tensor, "one face state"]
    at_lower: Bool[Tensor, "one face state"]
    at_upper: Bool[Tensor, "one face state"]
    weight: Float[Tensor, "one face state"]
    flow_time: Float[Tensor, "one graph"]


class TrainingSamples(Dataset[Item]):
    """Samples by their number.

    Args:
        data: trajectories, on any number of meshes.
        normaliser: from physical to normalised values.
        config: how to draw.
        seed: of everything random.
        count: number of samples in the run.
        deterministic: samples of the deterministic twin: no noise, flow time 0, the residual as the target.
    """

    def __init__(
        self,
        data: list[Trajectories],
        normaliser: Normaliser,
        config: SamplingConfig,
        seed: int,
        count: int,
        deterministic: bool = False,
    ) -> None:
        self.data, self.normaliser, self.config = data, normaliser, config
        self.seed, self.count, self.deterministic = seed, count, deterministic
        pieces = np.array([part.n_pairs * self._cores(part) for part in data], dtype=float) ** config.balance
        self._share = pieces / pieces.sum()
        self._meshes = {part.mesh.hash: part.mesh for part in data}
        self._prepared = lru_cache(maxsize=GRAPHS)(self._prepare)

    def _cores(self, part: Trajectories) -> float:
        """Samples that it takes to see all cells of a mesh once: large meshes are drawn from more often."""
        cells = CLUSTER_TOKENS * TOKEN_CELLS
        whole = part.mesh.n_faces <= self.config.clusters * cells
        return 1.0 if whole else part.mesh.n_faces / (self.config.core * cells)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> Item:
        rng = np.random.default_rng([self.seed, number])
        which = int(rng.choice(len(self.data), p=self._share))
        part = self.data[which]
        level = self._draw_level(rng, part)
        graph, restriction = self._prepared(part.mesh.hash, level, int(rng.integers(self.config.partitions)))
        start = int(rng.integers(max(1, graph.n_clusters - self.config.core + 1)))
        subgraph = extract_subgraph(graph, start, self.config.core, self.config.clusters)
        run, time = int(rng.integers(len(part.state))), int(rng.integers(part.state.shape[1] - part.lead_steps))
        fields = [restriction @ values for values in _fields(part, run, time)]
        inside = [torch.from_numpy(values[subgraph.cells.numpy()]).float() for values in fields]
        flow_time = (number % self.config.batch + rng.random()) / self.config.batch
        item = self._item(subgraph.graph, inside, subgraph.core, flow_time, rng)

        return self._augment(item, rng)

    def _draw_level(self, rng: np.random.Generator, part: Trajectories) -> int:
        share = np.array(self.config.levels)
        cells = part.mesh.n_faces / 4.0 ** np.arange(len(share))
        share = share * (cells >= 64)
        share[0] = max(share[0], 1e-9)
        return int(rng.choice(len(share), p=share / share.sum()))

    def _prepare(self, mesh: str, level: int, partition: int) -> tuple[MeshGraph, sparse.csr_array]:
        angle = np.random.default_rng([self.seed, 1, partition]).uniform(0, np.pi) if partition else 0.0
        cells, restriction = coarse_cells(self._meshes[mesh], level, angle)
        return graph_of_cells(cells, angle=angle), restriction

    def _item(
        self, graph: MeshGraph, fields: list[Tensor], core: Tensor, flow_time: float, rng: np.random.Generator
    ) -> Item:
        state, next_state, forcing, next_forcing, slow = fields
        residual = self.normaliser.residual(state, next_state)
        conditions = self.normaliser.conditions(state, forcing, next_forcing, slow)

        if self.deterministic:
            noised, velocity, flow_time = torch.zeros_like(residual), residual, 0.0
        else:
            noise = torch.from_numpy(rng.standard_normal(residual.shape, dtype=np.float32))
            noised, velocity = noised_sample(residual, noise, torch.tensor(flow_time, dtype=torch.float32))

        at_lower, at_upper = self.normaliser.bounds.reached(next_state)
        weight = core.float().unsqueeze(-1) * self.normaliser.state_present.float()

        return Item(graph, noised, conditions, velocity, at_lower, at_upper, weight, torch.tensor(flow_time).float())

    def _augment(self, item: Item, rng: np.random.Generator) -> Item:
        angle = float(rng.uniform(0, 2 * np.pi)) if self.config.rotate else 0.0
        mirror = self.config.mirror and bool(rng.random() < 0.5)
        if angle == 0.0 and not mirror:
            return item

        state_pairs = vector_pairs(self.normaliser.table.state)
        condition_pairs = self.normaliser.condition_channels.vectors

        def turned(values: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
            if mirror:
                values = values.clone()
                values[..., [y for _, y in pairs]] *= -1
            return rotate_vectors(values, pairs, angle)

        return item._replace(
            graph=turn_graph(item.graph, angle, mirror),
            noised=turned(item.noised, state_pairs),
            velocity=turned(item.velocity, state_pairs),
            conditions=turned(item.conditions, condition_pairs),
        )


def _fields(part: Trajectories, run: int, time: int) -> tuple[Array, ...]:
    """State and forcing now and at the lead, slow inputs now; (F, variable) each."""
    later = time + part.lead_steps
    return (
        part.state[run, time],
        part.state[run, later],
        part.forcing[run, time],
        part.forcing[run, later],
        part.slow[run, time],
    )


def collate(items: list[Item]) -> TrainingBatch:
    """Disjoint union of samples."""
    columns = list(zip(*items, strict=True))
    joined = [torch.cat(column).unsqueeze(0) for column in columns[1:-1]]
    return TrainingBatch._make([batch_graphs(list(columns[0])), *joined, torch.stack(columns[-1]).unsqueeze(0)])

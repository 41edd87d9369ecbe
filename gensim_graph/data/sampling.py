"""Training samples: a subgraph of a mesh with its noised residual, its conditions and its target.

Everything random in a sample follows from (seed, number of the sample), so an interrupted run continues bit for bit.
Samples come from any number of meshes and coarsening levels. Read ``sampling_config`` first, then ``training_batch``.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from scipy import sparse
from torch.utils.data import Dataset

from gensim_graph.data.augment import turn_graph
from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.sampling_config import SamplingConfig
from gensim_graph.data.training_batch import TrainingBatch
from gensim_graph.data.training_data import TrainingData
from gensim_graph.flow import noised_sample
from gensim_graph.graph import CLUSTER_TOKENS, TOKEN_CELLS, CellGroups, MeshGraph, Subgraph, SubgraphCutter, cell_groups
from gensim_graph.nn import rotate_vectors
from gensim_graph.typing import Array, Tensor
from gensim_graph.variables import vector_pairs

_GRAPHS_KEPT = 64
"""Prepared graphs in memory: one for each mesh, coarsening level and grouping of cells."""

_SMALLEST_MESH = 64
"""Fewest cells of a coarsened mesh."""

_WORKERS_BESIDE_GPU = 4
"""Processes that make samples of whole meshes in memory beside a GPU: one makes 32 samples in 20 to 35 ms."""


def partition_angle(seed: int, partition: int) -> float:
    """Return the angle of the axes along which a partition groups the cells (radians, counter-clockwise).

    Args:
        seed: seed of the samples.
        partition: number of the partition; the first one lies along the axes of the mesh.
    """
    return float(np.random.default_rng([seed, 1, partition]).uniform(0, np.pi)) if partition else 0.0


def absent_of(part: TrainingData, normaliser: Normaliser) -> tuple[str, ...]:
    """Return the names of the variables that other training data have and these lack.

    Args:
        part: the data.
        normaliser: of all training data.
    """
    return tuple(name for name in normaliser.statistics.values if not part.present[name])


def normaliser_of(part: TrainingData, normaliser: Normaliser) -> Normaliser:
    """Return the normaliser for data that may lack some of the variables that others have.

    Args:
        part: the data.
        normaliser: of all training data.
    """
    absent = absent_of(part, normaliser)
    return normaliser.without(absent) if absent else normaliser


class SampleFields(NamedTuple):
    """Fields of a sample or of a batch, (cell, variable) each, in physical units.

    They are those of :class:`~gensim_graph.data.training_data.StatePair`, as tensors.
    """

    state: Tensor
    next_state: Tensor
    forcing: Tensor
    next_forcing: Tensor
    slow: Tensor
    base: Tensor


class TrainingSamples(Dataset[TrainingBatch]):
    """Training samples by their number.

    Args:
        data: trajectories, on any number of meshes.
        normaliser: conversion between physical and normalised values.
        config: settings of the draws.
        seed: of everything random.
        count: number of samples in the run.
        deterministic: samples of the deterministic twin: no noise, flow time 0, the residual as the target.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.data import Normaliser, SamplingConfig, TrainingSamples, Trajectories
        >>> from gensim_graph.data import cyclone_trajectories, statistics_of
        >>> table = gg.default_variables()
        >>> data = gg.open_store(cyclone_trajectories("test")[0])
        >>> trajectories = [Trajectories.from_dataset(data, table, np.timedelta64(12, "h"))]
        >>> normaliser = Normaliser(table, statistics_of(trajectories, table, lead_hours=12.0))
        >>> samples = TrainingSamples(trajectories, normaliser, SamplingConfig(), seed=0, count=100)
        >>> samples[0].noised.shape, samples[0].conditions.shape
        (torch.Size([2640, 6]), torch.Size([2640, 32]))
    """

    def __init__(
        self,
        data: Sequence[TrainingData],
        normaliser: Normaliser,
        config: SamplingConfig,
        seed: int,
        count: int,
        deterministic: bool = False,
    ) -> None:
        self.data, self.normaliser, self.config = data, normaliser, config
        self._normalisers = {absent_of(part, normaliser): normaliser_of(part, normaliser) for part in data}
        self.seed, self.count, self.deterministic = seed, count, deterministic

        sizes = np.array([part.n_pairs * self._cores(part) for part in data], dtype=float) ** config.balance
        self._share = sizes / sizes.sum()
        self._parts = {part.mesh.hash: part for part in data}
        self._first, self._expected_numbers, self._expected = 0, list[int](), list[SampleDraw]()
        self._prepared = lru_cache(maxsize=_GRAPHS_KEPT)(self._prepare)

    def _cores(self, part: TrainingData) -> float:
        """Number of samples that contain every cell of the mesh once; larger meshes are drawn more often."""
        cluster_cells = CLUSTER_TOKENS * TOKEN_CELLS
        fits = part.mesh.n_faces <= self.config.clusters * cluster_cells
        return 1.0 if fits else part.mesh.n_faces / (self.config.core * cluster_cells)

    def default_workers(self, cores: int, beside_gpu: bool = False) -> int:
        """Return the number of processes that should make the samples beside the training.

        Whole meshes in memory need none: a sample costs a millisecond, hardly more than handing it over. Beside a GPU
        they need a few, because the process of the training is busy enough with steering it.

        Args:
            cores: that the training leaves.
            beside_gpu: True if a GPU computes.
        """
        is_cheap = all(
            part.is_in_memory and part.mesh.n_faces <= self.config.clusters * CLUSTER_TOKENS * TOKEN_CELLS
            for part in self.data
        )
        few = min(cores, _WORKERS_BESIDE_GPU) if beside_gpu else 0
        return few if is_cheap else cores

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> TrainingBatch:
        return self._finish(self.draw(number))

    def graph(self, number: int) -> MeshGraph:
        """Return the graph of a sample, without reading its values."""
        return self.draw(number).subgraph.graph

    def __getitems__(self, numbers: Sequence[int]) -> list[TrainingBatch]:
        """Return several samples; while they are made, the disk fetches the values of those that will come next."""
        draws = self._expected if self._expected_numbers == list(numbers) else self._expect(numbers)
        self._expected_numbers = []  # the random numbers of a draw can be used once
        step = numbers[0] - self._first  # the same from batch to batch, also where several processes share them
        self._first = numbers[0]

        if step > 0 and numbers[-1] + step < self.count and not all(part.is_in_memory for part in self.data):
            self._expect([number + step for number in numbers])
        return [self._finish(draw) for draw in draws]

    def _expect(self, numbers: Sequence[int]) -> list["SampleDraw"]:
        """Draw samples and let the disk fetch their values."""
        draws = [self.draw(number) for number in numbers]
        for draw in draws:
            draw.part.expect(draw.trajectory, draw.start, draw.cells)

        self._expected_numbers, self._expected = list(numbers), draws
        return draws

    def draw(self, number: int) -> "SampleDraw":
        """Draw what a sample consists of, without reading its values."""
        rng = np.random.default_rng([self.seed, number])
        part = self.data[int(rng.choice(len(self.data), p=self._share))]

        level = self._draw_level(rng, part)
        partition = int(rng.integers(self.config.partitions))
        cutter, groups = self._prepared(part.mesh.hash, level, partition)

        first_core = int(rng.integers(max(1, cutter.graph.n_clusters - self.config.core + 1)))
        subgraph = cutter.cut(first_core, self.config.core, self.config.clusters)
        cells, means = _cells_of_groups(groups, subgraph.cells.numpy())

        trajectory = int(rng.integers(part.n_trajectories))
        start = int(rng.integers(part.n_starts))

        # Stratified: each sample of a batch has a flow time in its own part of [0, 1].
        flow_time = (number % self.config.batch + rng.random()) / self.config.batch

        return SampleDraw(part, trajectory, start, cells, means, subgraph, flow_time, rng)

    def _finish(self, draw: "SampleDraw") -> TrainingBatch:
        """Read the values of a sample and make it."""
        pair = draw.part.read(draw.trajectory, draw.start, draw.cells)
        columns = [*pair[:5], pair.base]
        values = columns if draw.means is None else [draw.means @ one for one in columns]
        fields = SampleFields(*(torch.from_numpy(one).float() for one in values))

        normaliser = self._normalisers[absent_of(draw.part, self.normaliser)]
        sample = self._sample(draw.subgraph.graph, fields, draw.subgraph.core, draw.flow_time, draw.rng, normaliser)
        return self._augment(sample, draw.rng)

    def _draw_level(self, rng: np.random.Generator, part: TrainingData) -> int:
        share = np.array(self.config.levels)
        cells = part.mesh.n_faces / 4.0 ** np.arange(len(share))

        share = share * (cells >= _SMALLEST_MESH)
        share[0] = max(share[0], 1e-9)  # a small mesh may have no other level

        return int(rng.choice(len(share), p=share / share.sum()))

    def _prepare(self, mesh: str, level: int, partition: int) -> tuple[SubgraphCutter, CellGroups]:
        angle = partition_angle(self.seed, partition)
        part = self._parts[mesh]
        groups = cell_groups(part.mesh, level, angle, folder=part.graph_folder)
        return SubgraphCutter(groups.graph), groups

    def _sample(
        self,
        graph: MeshGraph,
        fields: SampleFields,
        core: Tensor,
        flow_time: float,
        rng: np.random.Generator,
        normaliser: Normaliser,
    ) -> TrainingBatch:
        """Normalise the physical fields, noise the residual and mark the values at a bound."""
        base = normaliser.with_drift_of(
            fields.base, normaliser.expected(fields.state, fields.forcing, fields.next_forcing)
        )
        residual = normaliser.residual(base, fields.next_state)
        conditions = normaliser.conditions(fields.state, fields.forcing, fields.next_forcing, fields.slow)

        if self.deterministic:
            noised, velocity, flow_time = torch.zeros_like(residual), residual, 0.0
        else:
            noise = torch.from_numpy(rng.standard_normal(residual.shape, dtype=np.float32))
            noised, velocity = noised_sample(residual, noise, torch.tensor(flow_time, dtype=torch.float32))

        at_lower, at_upper = normaliser.bounds.reached(fields.next_state)
        weight = core.float().unsqueeze(-1) * normaliser.state_present.float()

        return TrainingBatch(
            graph, noised, conditions, velocity, at_lower, at_upper, weight, torch.tensor(flow_time).float()
        )

    def draw_turn(self, rng: np.random.Generator) -> tuple[float, bool]:
        """Draw the angle (radians) by which a sample is turned, and if it is reflected before; the noise comes first.

        Args:
            rng: of the sample, see :class:`SampleDraw`.
        """
        angle = float(rng.uniform(0, 2 * np.pi)) if self.config.rotate else 0.0
        mirror = self.config.mirror and bool(rng.random() < 0.5)
        return angle, mirror

    def _augment(self, sample: TrainingBatch, rng: np.random.Generator) -> TrainingBatch:
        """Turn and reflect graph and vectors at random, if the configuration says so."""
        angle, mirror = self.draw_turn(rng)
        if angle == 0.0 and not mirror:
            return sample

        state_pairs = vector_pairs(self.normaliser.table.state)
        condition_pairs = self.normaliser.condition_channels.vectors

        def turned(values: Tensor, pairs: tuple[tuple[int, int], ...]) -> Tensor:
            if mirror:
                values = values.clone()
                values[..., [y for _, y in pairs]] *= -1
            return rotate_vectors(values, pairs, angle)

        return sample._replace(
            graph=turn_graph(sample.graph, angle, mirror),
            noised=turned(sample.noised, state_pairs),
            velocity=turned(sample.velocity, state_pairs),
            conditions=turned(sample.conditions, condition_pairs),
        )


class SampleDraw(NamedTuple):
    """What a sample consists of, before its values are read.

    Attributes:
        part: the data.
        trajectory: number of the trajectory.
        start: number of the pair (t, t + lead).
        cells: (n,) numbers of the cells of the mesh.
        means: (cells of the subgraph, n) means over them; None if they are the cells of the subgraph.
        subgraph: the subgraph.
        flow_time: the flow time.
        rng: of the noise.
    """

    part: TrainingData
    trajectory: int
    start: int
    cells: Array
    means: sparse.csr_array | None
    subgraph: Subgraph
    flow_time: float
    rng: np.random.Generator


def _cells_of_groups(groups: CellGroups, chosen: Array) -> tuple[Array, sparse.csr_array | None]:
    """Cells of the mesh that some groups of a coarsening level consist of, and the means over each group."""
    if groups.restriction is None:
        return chosen, None

    rows = groups.restriction[chosen]
    needed, columns = np.unique(rows.indices, return_inverse=True)
    return needed, sparse.csr_array((rows.data, columns, rows.indptr), shape=(len(chosen), len(needed)))

"""Training samples of several steps by their number: which cells and times they consist of, and their fields."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from gensim_graph.data.normalise import Normaliser
from gensim_graph.data.rollouts.rollout_batch import RolloutBatch, RolloutPart
from gensim_graph.data.rollouts.rollout_window import RolloutWindow, rollout_window
from gensim_graph.data.sampling import SampleDraw, TrainingSamples, absent_of, normaliser_of
from gensim_graph.data.sampling_config import SamplingConfig
from gensim_graph.data.training_data import TrainingData
from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.typing import Array

_WINDOWS_KEPT = 512
"""Prepared parts of meshes in memory, about a megabyte each."""


class RolloutSamples(Dataset[RolloutBatch]):
    """Samples of up to ``data.rollout`` steps in a row, on the cells of the meshes themselves (coarsening level 0).

    Over the first part of a run, the samples grow longer, one step at a time. With ``data.chain``, the samples of so
    many batches lie on the same cells and follow each other in time; where data end before the chain, it goes on with
    another trajectory and time. The batches of ``data.chains`` chains take turns.

    Args:
        data: trajectories, on any number of meshes.
        normaliser: of all training data.
        config: settings of the draws; the coarsening levels are not used.
        seed: of everything random.
        count: number of samples in the run.
        growing: part of the run after which the samples have their full length.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.data import Normaliser, SamplingConfig, Trajectories, cyclone_trajectories, statistics_of
        >>> from gensim_graph.data.rollouts import RolloutSamples
        >>> table = gg.default_variables()
        >>> data = gg.open_store(cyclone_trajectories("test")[0])
        >>> trajectories = [Trajectories.from_dataset(data, table, np.timedelta64(12, "h"))]
        >>> normaliser = Normaliser(table, statistics_of(trajectories, table, lead_hours=12.0))
        >>> samples = RolloutSamples(trajectories, normaliser, SamplingConfig(rollout=3), seed=0, count=100)
        >>> samples[0].state.shape, samples[0].slow.shape[0]
        (torch.Size([4, 2640, 6]), 3)
    """

    def __init__(
        self,
        data: Sequence[TrainingData],
        normaliser: Normaliser,
        config: SamplingConfig,
        seed: int,
        count: int,
        growing: float = 0.0,
    ) -> None:
        self._draws = TrainingSamples(data, normaliser, replace(config, levels=[1.0]), seed, count)
        self.data, self.normaliser, self.config, self.growing = data, normaliser, config, growing
        self._normalisers = {absent_of(part, normaliser): normaliser_of(part, normaliser) for part in data}
        self._window = lru_cache(maxsize=_WINDOWS_KEPT)(self._prepare_window)
        self._parts = {part.mesh.hash: part for part in data}

    def __len__(self) -> int:
        return len(self._draws)

    def __getitem__(self, number: int) -> RolloutBatch:
        draw, steps = self._draws.draw(self._drawn(number)), self.steps_of(number)
        part, place = draw.part, self._place(number)
        trajectory, begin, length, link = self._run_of_data(draw, steps, place.link)
        continues = link > 0 and not place.is_first
        fields = [
            part.read(trajectory, begin + min(step, length - 1) * part.lead_steps, draw.cells) for step in range(steps)
        ]

        absent = absent_of(part, self.normaliser)
        window = self._window(part.mesh.hash, draw.cells.tobytes())
        core = (draw.subgraph.core & ~window.is_held).float()
        weight = core.unsqueeze(-1) * self._normalisers[absent].state_present.float()
        known = (torch.arange(steps) < length).float()

        return RolloutBatch(
            draw.subgraph.graph,
            _stacked([*(one.state for one in fields), fields[-1].next_state]),
            _stacked([*(one.forcing for one in fields), fields[-1].next_forcing]),
            _stacked([one.slow for one in fields]),
            known[:, None, None] * weight,
            window.is_held,
            (RolloutPart(number, len(draw.cells), absent, window.transport, place.turn, continues),),
        )

    def __getitems__(self, numbers: Sequence[int]) -> list[RolloutBatch]:
        """Return several samples."""
        return [self[number] for number in numbers]

    def graph(self, number: int) -> MeshGraph:
        """Return the graph of a sample, without reading its values."""
        return self._draws.graph(self._drawn(number))

    def _run_of_data(self, draw: SampleDraw, steps: int, link: int) -> tuple[int, int, int, int]:
        """Trajectory, first pair, number of known steps, and how many samples are before it in the same run of data.

        Args:
            draw: of the chain.
            steps: of a sample.
            link: place of the sample in the chain.
        """
        part, trajectory, start = draw.part, draw.trajectory, draw.start
        while True:
            begin, length = _begin(draw.rng, part, trajectory, start, steps * self.config.chain)
            links = max(1, length // steps)
            if link < links:
                first = begin + link * steps * part.lead_steps
                return trajectory, first, min(steps, length - link * steps), link
            link -= links
            trajectory, start = int(draw.rng.integers(part.n_trajectories)), int(draw.rng.integers(part.n_starts))

    def _drawn(self, number: int) -> int:
        """Number of the draw of a sample: one for a whole chain."""
        return self._place(number).chain * self.config.batch + number % self.config.batch

    def _place(self, number: int) -> "_Place":
        """Place of a sample in its chain. The first chains begin in their midst, so that all lengths are met."""
        chains, length = self.config.chains, self.config.chain
        turn, own = divmod(number // self.config.batch, chains)
        skipped = own * length // chains
        finished, link = divmod(turn + skipped, length)
        begin = max(0, finished * length - skipped) * chains + own

        return _Place(finished * chains + own, own, link, begin, turn == 0)

    def steps_of(self, number: int) -> int:
        """Return the number of steps of a sample, the same in all batches of a chain.

        Args:
            number: of the sample.
        """
        batch = self.config.batch
        done = self._place(number).begin / max(1, len(self) // batch)
        grown = 1.0 if done >= self.growing else done / self.growing
        return min(self.config.rollout, 1 + int(grown * self.config.rollout))

    def default_workers(self, cores: int, beside_gpu: bool = False) -> int:
        """Return the number of processes that should make the samples, see :meth:`TrainingSamples.default_workers`."""
        return self._draws.default_workers(cores, beside_gpu)

    def _prepare_window(self, mesh: str, cells: bytes) -> RolloutWindow:
        return rollout_window(self._parts[mesh].mesh, np.frombuffer(cells, dtype=np.int64), self.normaliser)


class _Place(NamedTuple):
    """Where in the chains a sample is.

    Attributes:
        chain: its number.
        turn: its number among those that take turns.
        link: samples before it in the chain.
        begin: number of the batch with which the chain begins.
        is_first: True in the first batch of a chain that begins in its midst.
    """

    chain: int
    turn: int
    link: int
    begin: int
    is_first: bool


def _begin(rng: np.random.Generator, part: TrainingData, trajectory: int, start: int, steps: int) -> tuple[int, int]:
    """First pair of a run of pairs, and how many follow each other from there, up to some number of steps.

    Args:
        rng: draws the first pair, if the data are long enough for a choice.
        part: the data.
        trajectory: its number.
        start: first pair, if they are not.
        steps: that are wanted.
    """
    free = part.n_starts - (steps - 1) * part.lead_steps
    begin = start if free < 1 else int(rng.integers(free))
    length = min(steps, 1 + (part.n_starts - 1 - begin) // part.lead_steps)

    return begin, _gapless_length(part, trajectory, begin, length)


def _gapless_length(part: TrainingData, trajectory: int, begin: int, length: int) -> int:
    """Number of pairs, up to some length, each of which begins when the one before ends; all, if there are no times."""
    try:
        times = [part.pair_times(trajectory, begin + step * part.lead_steps) for step in range(length)]
    except InputError:
        return length
    breaks = (step for step, (one, other) in enumerate(pairwise(times), start=1) if one[1] != other[0])
    return next(breaks, length)


def _stacked(fields: list[Array]) -> torch.Tensor:
    return torch.from_numpy(np.stack(fields)).float()

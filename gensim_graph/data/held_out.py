"""A part of the training data that is held back for validation: the end of long records, or some short ones.

Pairs at neighbouring times are nearly copies of each other. Single pairs drawn at random from the training data would
therefore not show whether a network has learned them by heart.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.typing import Array

_GAPS = 2
"""Fewest lead times that are held back of a record: the gap of one lead time before them is lost for the training."""


class DataPart(TrainingData):
    """Some trajectories of training data, between two times.

    Args:
        whole: the data.
        trajectories: numbers of the trajectories to keep.
        starts: numbers of the pairs to keep, a range of step 1.
    """

    def __init__(self, whole: TrainingData, trajectories: Sequence[int], starts: range) -> None:
        self.mesh, self.present, self.lead_steps = whole.mesh, whole.present, whole.lead_steps
        self.is_in_memory, self.graph_folder = whole.is_in_memory, whole.graph_folder
        self._whole, self._trajectories, self._starts = whole, list(trajectories), starts

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return len(self._trajectories)

    @property
    def n_starts(self) -> int:
        """Number of times from which a pair starts."""
        return len(self._starts)

    def times(self, trajectory: int) -> Array:
        """Return the times of the records in this part, see :meth:`TrainingData.times`."""
        times = self._whole.times(self._trajectories[trajectory])
        return times[self._starts.start : self._starts.stop + self.lead_steps]

    def pair_times(self, trajectory: int, start: int) -> tuple[np.datetime64, np.datetime64]:
        """Return the times of a pair in this part, see :meth:`TrainingData.pair_times`."""
        return self._whole.pair_times(self._trajectories[trajectory], self._starts[start])

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory in this part.
            start: number of the pair in this part.
            cells: (n,) numbers of the cells; None for all.
        """
        return self._whole.read(self._trajectories[trajectory], self._starts[start], cells)

    def expect(self, trajectory: int, start: int, cells: Array) -> None:
        """Begin to fetch values, see :meth:`TrainingData.expect`.

        Args:
            trajectory: number of the trajectory in this part.
            start: number of the pair in this part.
            cells: (n,) numbers of the cells.
        """
        self._whole.expect(self._trajectories[trajectory], self._starts[start], cells)

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield pieces for the statistics; pairs that overlap in time give some values twice."""
        for pair in self.pairs():
            residual = pair.next_state - pair.base
            yield pair.state[None], residual[None], pair.forcing[None], pair.slow[None]


class DataSplit(NamedTuple):
    """Training data and the part that is held back for validation.

    Attributes:
        training: data to train on.
        validation: data held back; empty if there are too few.
        text: what was held back, for the user.
    """

    training: list[TrainingData]
    validation: list[TrainingData]
    text: str


def hold_out(data: Sequence[TrainingData], share: float) -> DataSplit:
    """Split off data for validation.

    Of a long record, the last ``share`` of the times is held back; a gap of one lead time keeps both parts apart. Of
    short records, where such a gap would cost more than it gives, the last ones of the largest sets are held back until
    the share is reached, the last of them in part. Data too short for either are all trained on.

    Args:
        data: the training data.
        share: of the pairs that is held back, 0 to 0.5.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import Trajectories, cyclone_trajectories, hold_out
        >>> stores = [gg.open_store(path) for path in cyclone_trajectories("train")]
        >>> lead = np.timedelta64(12, "h")
        >>> data = [Trajectories.from_dataset(store, gg.default_variables(), lead) for store in stores]
        >>> hold_out(data, 0.1).text
        'the last 14 of 145 pairs'
    """
    long = [part for part in data if int(part.n_starts * share) >= _GAPS * part.lead_steps]
    counts = {id(part): int(part.n_starts * share) for part in long}
    counts |= _pairs_of_short_records([part for part in data if part not in long], share)

    training: list[TrainingData] = []
    validation: list[TrainingData] = []

    for part in data:
        count = counts.get(id(part), 0)
        kept, held = _cut_times(part, count) if part in long else _cut_trajectories(part, count)
        training += kept
        validation += held

    held_pairs, pairs = (sum(part.n_pairs for part in parts) for parts in (validation, data))
    return DataSplit(training, validation, f"the last {held_pairs} of {pairs} pairs" if validation else "nothing")


def _pairs_of_short_records(data: list[TrainingData], share: float) -> dict[int, int]:
    """Number of pairs to hold back of each data set, by its identity."""
    left = int(sum(part.n_pairs for part in data) * share)
    free = {id(part): part.n_trajectories for part in data}
    counts: dict[int, int] = {}

    while data:
        largest = max(data, key=lambda part: free[id(part)])
        taken = min(left, largest.n_starts)
        if taken < min(largest.n_starts, _GAPS * largest.lead_steps):
            break

        counts[id(largest)] = counts.get(id(largest), 0) + taken
        free[id(largest)] -= 1
        left -= taken

    return counts


def _cut_times(part: TrainingData, count: int) -> tuple[list[TrainingData], list[TrainingData]]:
    """Cut off the last ``count`` pairs of all trajectories."""
    every = range(part.n_trajectories)
    first = part.n_starts - count
    return (
        [DataPart(part, every, range(first - part.lead_steps))],
        [DataPart(part, every, range(first, part.n_starts))],
    )


def _cut_trajectories(part: TrainingData, count: int) -> tuple[list[TrainingData], list[TrainingData]]:
    """Cut off the last trajectories, ``count`` pairs in all; the first of them may stay in part."""
    if not count:
        return [part], []

    whole, rest = divmod(count, part.n_starts)
    last = part.n_trajectories - whole
    every = range(part.n_starts)
    kept: list[TrainingData] = [DataPart(part, range(last - bool(rest)), every)]
    held: list[TrainingData] = [DataPart(part, range(last, part.n_trajectories), every)]

    if rest:
        kept_of_last, held_of_last = _cut_times(DataPart(part, [last - 1], every), rest)
        kept += kept_of_last
        held += held_of_last

    return [one for one in kept if one.n_pairs], [one for one in held if one.n_pairs]

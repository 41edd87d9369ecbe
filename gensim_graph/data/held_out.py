"""A part of the training data that is held back for validation: the end of long records, or whole short ones.

Pairs at neighbouring times are nearly copies of each other. Single pairs drawn at random from the training data would
therefore not show whether a network has learned them by heart.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from gensim_graph.data.training_data import StatePair, TrainingData
from gensim_graph.typing import Array

_FEWEST_TRAJECTORIES = 5
"""Number of short trajectories below which none is held back."""


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

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory in this part.
            start: number of the pair in this part.
            cells: (n,) numbers of the cells; None for all.
        """
        return self._whole.read(self._trajectories[trajectory], self._starts[start], cells)

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield pieces for the statistics; pairs that overlap in time give some values twice."""
        for pair in self.pairs():
            residual = pair.next_state - pair.state
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
    """DataSplit off data for validation.

    Of a long record, the last ``share`` of the times is held back; a gap of one lead time keeps both parts apart. In a
    short record the gap would be as long as the part itself. Of five or more short trajectories, whole ones are held
    back, the last ones of the largest sets first.

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
        '1 of 13 trajectories'
    """
    if not share:
        return DataSplit(list(data), [], "nothing")

    long = [part for part in data if part.n_starts * share >= 2 * part.lead_steps]
    counts = _whole_trajectories([part for part in data if part not in long], share)
    training: list[TrainingData] = []
    validation: list[TrainingData] = []
    pairs = 0

    for part in data:
        numbers = range(part.n_trajectories)
        if part in long:
            first = part.n_starts - int(part.n_starts * share)
            training.append(DataPart(part, numbers, range(first - part.lead_steps)))
            validation.append(DataPart(part, numbers, range(first, part.n_starts)))
            pairs += validation[-1].n_pairs
            continue

        kept = part.n_trajectories - counts.get(id(part), 0)
        every = range(part.n_starts)
        if kept == part.n_trajectories:
            training.append(part)
            continue

        validation.append(DataPart(part, numbers[kept:], every))
        if kept:
            training.append(DataPart(part, numbers[:kept], every))

    texts = [f"the last {pairs} of {sum(part.n_pairs for part in long)} pairs"] if long else []
    if counts:
        total = sum(part.n_trajectories for part in data if part not in long)
        texts.append(f"{sum(counts.values())} of {total} trajectories")

    return DataSplit(training, validation, " and ".join(texts) or "nothing")


def _whole_trajectories(data: list[TrainingData], share: float) -> dict[int, int]:
    """Number of trajectories to hold back of each data set, by its identity."""
    left = {id(part): part.n_trajectories for part in data}
    total = sum(left.values())
    if total < _FEWEST_TRAJECTORIES:
        return {}

    counts: dict[int, int] = {}
    for _ in range(max(1, int(np.floor(total * share)))):
        largest = max(left, key=lambda key: left[key])
        counts[largest] = counts.get(largest, 0) + 1
        left[largest] -= 1

    return counts

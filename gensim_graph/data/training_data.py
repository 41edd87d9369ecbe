"""Training data on one mesh, wherever they are kept: in memory, in a prepared store, or with forcing from elsewhere.

The samples of the training (:mod:`~gensim_graph.data.sampling`) ask for the fields of a few cells at two times. Each
kind of data answers that question in its own way; the sample does not depend on it.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gensim_graph.data.statistics import TrainingMoments
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


class StatePair(NamedTuple):
    """Fields at a time t and one lead time later, in the units of the variable table; absent variables are zero.

    Attributes:
        state: (F, state) at t.
        next_state: (F, state) at t + lead.
        forcing: (F, forcing) at t.
        next_forcing: (F, forcing) at t + lead.
        slow: (F, slow) at t.
        moved: (F, state) state at t, moved by the drift to t + lead; None for data without transport.
    """

    state: Array
    next_state: Array
    forcing: Array
    next_forcing: Array
    slow: Array
    moved: Array | None = None

    @property
    def base(self) -> Array:
        """(F, state) from which the residual is counted."""
        return self.state if self.moved is None else self.moved


class TrainingData(ABC):
    """Trajectories on one mesh, all with the same number of pairs (t, t + lead).

    Attributes:
        mesh: the mesh.
        present: variable -> whether the data have it.
        lead_steps: number of records from t to t + lead.
        is_in_memory: True if reading takes no time.
        graph_folder: folder that keeps the prepared graphs of a large mesh; None for the cache of the user.
    """

    mesh: Mesh
    present: dict[str, bool]
    lead_steps: int
    is_in_memory: bool = False
    graph_folder: Path | None = None

    @property
    @abstractmethod
    def n_trajectories(self) -> int:
        """Number of trajectories."""

    @property
    @abstractmethod
    def n_starts(self) -> int:
        """Number of times t in each trajectory from which a pair (t, t + lead) starts."""

    @abstractmethod
    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells at a time t and one lead time later.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair, 0 to ``n_starts - 1``.
            cells: (n,) numbers of the cells, ascending; None for all cells of the mesh.

        Raises:
            InputError: the values cannot be read.
        """

    def expect(self, trajectory: int, start: int, cells: Array) -> None:  # noqa: B027
        """Let the disk begin to fetch what :meth:`read` will be asked for; data in memory need nothing.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells.
        """

    def times(self, trajectory: int) -> Array:
        """Return the times of the records, which forcing from other files needs.

        Args:
            trajectory: number of the trajectory.

        Returns:
            (n_starts + lead_steps,) datetime64[ns]; pair number i goes from time i to time i + ``lead_steps``.

        Raises:
            InputError: the data do not know their times.
        """
        raise InputError(f"{type(self).__name__} without times: forcing from other files cannot be added to them")

    def pair_times(self, trajectory: int, start: int) -> tuple[np.datetime64, np.datetime64]:
        """Return the times t and t + lead of a pair; data with gaps know these, and have no list of all times.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.

        Raises:
            InputError: the data do not know their times.
        """
        times = self.times(trajectory)
        return times[start], times[start + self.lead_steps]

    @abstractmethod
    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield state, residual, forcing and slow inputs in pieces, (T, F, variable) each, for the statistics.

        Each value is in exactly one piece. A piece has fewer times of the residual than of the state.
        """

    def add_moments(self, moments: TrainingMoments) -> None:
        """Add all values to the moments of which the statistics are made.

        Args:
            moments: they are changed in place.
        """
        for chunk in self.statistics_chunks():
            moments.add(*chunk, present=self.present)

    @property
    def n_pairs(self) -> int:
        """Number of pairs (t, t + lead)."""
        return self.n_trajectories * self.n_starts

    def pairs(self) -> Iterator[StatePair]:
        """Yield the fields of all cells for every pair (t, t + lead)."""
        for trajectory in range(self.n_trajectories):
            for start in range(self.n_starts):
                yield self.read(trajectory, start)


class DerivedData(TrainingData):
    """Training data that change or add fields of other data, pair by pair.

    Args:
        part: the other data.
    """

    def __init__(self, part: TrainingData) -> None:
        self.mesh, self.present, self.lead_steps = part.mesh, part.present, part.lead_steps
        self.is_in_memory, self.graph_folder = part.is_in_memory, part.graph_folder
        self._part = part

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories."""
        return self._part.n_trajectories

    @property
    def n_starts(self) -> int:
        """Number of times t in each trajectory from which a pair (t, t + lead) starts."""
        return self._part.n_starts

    def times(self, trajectory: int) -> Array:
        """Return the times of the records, see :meth:`TrainingData.times`."""
        return self._part.times(trajectory)

    def pair_times(self, trajectory: int, start: int) -> tuple[np.datetime64, np.datetime64]:
        """Return the times of a pair, see :meth:`TrainingData.pair_times`."""
        return self._part.pair_times(trajectory, start)

    def expect(self, trajectory: int, start: int, cells: Array) -> None:
        """Begin to fetch values, see :meth:`TrainingData.expect`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells.
        """
        self._part.expect(trajectory, start, cells)

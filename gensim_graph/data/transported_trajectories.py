"""Training data whose residual is what the transport of the ice by its drift leaves.

The transport needs the drift on the whole mesh, whatever cells a sample consists of. It is therefore computed for all
pairs before the training: of data in memory into memory, of a prepared store into files of the store, once.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch

from gensim_graph.data.prepared import MovedFiles, PreparedTrajectories
from gensim_graph.data.statistics import TrainingMoments
from gensim_graph.data.training_data import DerivedData, StatePair, TrainingData
from gensim_graph.transport import StateTransport, plan_state_transport
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

_AT_ONCE = 2**22
"""Values of a variable that are moved together: more need more memory than a processor has nearby."""


class TransportedTrajectories(DerivedData):
    """Trajectories with the state at t moved to t + lead.

    Args:
        part: the trajectories.
        transport: of their state, on their mesh.
        progress: show a progress bar where the transport is written to files.
    """

    def __init__(self, part: TrainingData, transport: StateTransport, progress: bool = True) -> None:
        super().__init__(part)
        self._transport = transport
        self._channels = transport.amounts + transport.properties
        self._files = MovedFiles(part, transport) if isinstance(part, PreparedTrajectories) else None
        self._moved: Array | None = None

        if self._files is None:
            self._moved = self._move_all()
        else:
            self._files.complete(progress)

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells; None for all.
        """
        pair = self._part.read(trajectory, start, cells)
        moved = pair.state.copy()
        if self._files is not None:
            moved[:, self._channels] = self._files.read(trajectory, start, cells)
        else:
            assert self._moved is not None
            moved[:, self._channels] = self._moved[trajectory, start][slice(None) if cells is None else cells]

        return pair._replace(moved=moved)

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield the pairs one by one; the last records of a trajectory have no residual."""
        for pair in self.pairs():
            yield pair.state[None], (pair.next_state - pair.base)[None], pair.forcing[None], pair.slow[None]

    def add_moments(self, moments: TrainingMoments) -> None:
        """Add all values to the moments; only those of the residual differ from the data without transport.

        Args:
            moments: they are changed in place.
        """
        own = TrainingMoments(moments.table, self.present)
        self._part.add_moments(own)
        for running, part in ((moments.state, own.state), (moments.forcing, own.forcing), (moments.slow, own.slow)):
            running.merge(part.count[None], part.mean[None], part.squared[None], part.extent[None])

        if self._files is not None:
            self._files.add_residual(moments.residual)
            return

        state = np.array([self.present[one.name] for one in moments.table.state])
        for pair in self.pairs():
            moments.residual.add(pair.next_state - pair.base, state)

    def _move_all(self) -> Array:
        """Moved channels of all pairs, (trajectory, start, F, channel)."""
        shape = (self.n_trajectories, self.n_starts, self.mesh.n_faces, len(self._channels))
        moved = np.empty(shape, dtype=np.float32)
        together = max(1, _AT_ONCE // self.mesh.n_faces)

        for trajectory in range(self.n_trajectories):
            for first in range(0, self.n_starts, together):
                starts = range(first, min(first + together, self.n_starts))
                pairs = [self._part.read(trajectory, start) for start in starts]
                state, later = (np.stack(one) for one in zip(*((p.state, p.next_state) for p in pairs), strict=True))
                moved[trajectory, starts.start : starts.stop] = self._move(state, later)[..., self._channels]

        return moved

    def _move(self, state: Array, next_state: Array) -> Array:
        """Moved states (pair, F, state)."""
        with torch.no_grad():
            return self._transport.moved(torch.from_numpy(state), torch.from_numpy(next_state)).numpy()


def with_transport(
    data: Sequence[TrainingData],
    table: VariableTable,
    transported: Sequence[str],
    seconds: float,
    progress: bool = True,
) -> list[TrainingData]:
    """Return training data whose residual is counted from the transport of the state by its drift.

    Args:
        data: trajectories, on any number of meshes.
        table: the variable table.
        transported: names of the variables that are moved; none leaves the data as they are.
        seconds: lead time.
        progress: show a progress bar where the transport is written to files.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import Trajectories, cyclone_trajectories, with_transport
        >>> table, lead = gg.default_variables(), np.timedelta64(12, "h")
        >>> data = Trajectories.from_dataset(gg.open_store(cyclone_trajectories("test")[0]), table, lead)
        >>> pair = with_transport([data], table, ["sit", "sic"], seconds=43200.0)[0].read(trajectory=0, start=10)
        >>> change, left = pair.next_state - pair.state, pair.next_state - pair.base
        >>> bool(np.abs(left[:, 0]).mean() < 0.5 * np.abs(change[:, 0]).mean())
        True
    """
    if not transported:
        return list(data)
    return [
        TransportedTrajectories(part, plan_state_transport(part.mesh, table.state, transported, seconds), progress)
        for part in data
    ]

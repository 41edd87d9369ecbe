"""Training data with forcing from elsewhere: the state from the trajectories, winds and temperature from other files.

The forcing of a few cells at two times is read when a sample needs it, see :mod:`~gensim_graph.data.forcing`. Two years
of hourly winds of the whole Arctic need no more memory than a day of them.
"""

import logging
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from gensim_graph.data.forcing import Forcing, open_forcing
from gensim_graph.data.statistics import RunningMoments, TrainingMoments
from gensim_graph.data.training_data import DerivedData, StatePair, TrainingData
from gensim_graph.errors import InputError
from gensim_graph.io import Source
from gensim_graph.io.export import FieldValues
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable

log = logging.getLogger(__name__)

_SAMPLED = 200
"""Pairs (t, t + lead) of which the statistics of the forcing are made; all if there are fewer."""


class ForcedTrajectories(DerivedData):
    """Trajectories with forcing that is read from other files.

    Args:
        part: the trajectories. Variables that the forcing has are taken from the forcing.
        forcing: forcing on the same mesh, at all times of the trajectories.
        table: the variable table.

    Raises:
        InputError: the forcing does not cover the times.
    """

    def __init__(self, part: TrainingData, forcing: Forcing, table: VariableTable) -> None:
        super().__init__(part)
        self.is_in_memory = False
        self.present = part.present | dict.fromkeys(forcing.names, True)
        self._forcing, self._table = forcing, table

        forcing.check(_times_of_pairs(part))

    def read(self, trajectory: int, start: int, cells: Array | None = None) -> StatePair:
        """Read the fields of some cells, see :meth:`TrainingData.read`.

        Args:
            trajectory: number of the trajectory.
            start: number of the pair.
            cells: (n,) numbers of the cells; None for all.
        """
        pair = self._part.read(trajectory, start, cells)
        time, next_time = self._part.pair_times(trajectory, start)
        now = self._forcing.values_at(time, cells)
        later = self._forcing.values_at(next_time, cells, slow=False)

        return pair._replace(
            forcing=_replaced(pair.forcing, now, self._table.forcing),
            next_forcing=_replaced(pair.next_forcing, later, self._table.forcing),
            slow=_replaced(pair.slow, now, self._table.slow),
        )

    def statistics_chunks(self) -> Iterator[tuple[Array, Array, Array, Array]]:
        """Yield the pairs one by one; the last records of a trajectory have no residual and no forcing."""
        for trajectory in range(self.n_trajectories):
            for start in range(self.n_starts):
                pair = self.read(trajectory, start)
                residual = pair.next_state - pair.base
                yield pair.state[None], residual[None], pair.forcing[None], pair.slow[None]

    def add_moments(self, moments: TrainingMoments) -> None:
        """Add all values to the moments; of the forcing from elsewhere a fixed sample of 200 times or all of fewer.

        Args:
            moments: they are changed in place.
        """
        own = TrainingMoments(self._table, {**self._part.present, **dict.fromkeys(self._forcing.names, False)})
        self._part.add_moments(own)
        for name in ("state", "residual", "forcing", "slow"):
            part: RunningMoments = getattr(own, name)
            getattr(moments, name).merge(part.count[None], part.mean[None], part.squared[None], part.extent[None])

        groups = [(moments.forcing, self._table.forcing), (moments.slow, self._table.slow)]
        for trajectory, start in self._sampled_pairs():
            values = self._forcing.values_at(self.pair_times(trajectory, start)[0])
            for running, variables in groups:
                empty = np.zeros((self.mesh.n_faces, len(variables)), dtype=np.float32)
                here = np.array([one.name in values for one in variables], dtype=bool)
                running.add(_replaced(empty, values, variables), here)

        self._forcing.close()  # loaders that are forked now open the files themselves

    def _sampled_pairs(self) -> list[tuple[int, int]]:
        """Trajectory and start of pairs that are spread over all of them, one at random in each of equal parts."""
        count = min(self.n_pairs, _SAMPLED)
        # Regular steps might always meet the same hour of the day.
        shift = np.zeros(count) if count == self.n_pairs else np.random.default_rng(0).random(count)
        numbers = ((np.arange(count) + shift) * self.n_pairs / count).astype(int)
        return [divmod(int(number), self.n_starts) for number in numbers]


def _replaced(columns: Array, values: FieldValues, variables: Sequence[Variable]) -> Array:
    """The columns (n, variable) with those of some variables replaced."""
    result = columns.astype(np.float32)
    for channel, variable in enumerate(variables):
        if variable.name in values:
            result[:, channel] = values[variable.name]
    return result


def with_forcing(
    data: Sequence[TrainingData],
    forcing: Source | Sequence[Source],
    table: VariableTable,
    topology: str | None = None,
) -> list[TrainingData]:
    """Return training data with forcing from other files, on any grid and with any times.

    Between its times the forcing is interpolated linearly. Degree days that neither the data nor the forcing have are
    computed from the temperature of the forcing.

    Args:
        data: trajectories, on any number of meshes.
        forcing: files or datasets, see :func:`~gensim_graph.open_forcing`.
        table: the variable table.
        topology: name of the UGRID topology, for files with several.

    Raises:
        InputError: the forcing cannot be read, has several members, or does not cover a mesh or the times.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import Trajectories, cyclone_trajectories, with_forcing
        >>> paths = cyclone_trajectories("test")
        >>> table = gg.default_variables()
        >>> data = [Trajectories.from_dataset(gg.open_store(paths[0]), table, np.timedelta64(12, "h"))]
        >>> forced = with_forcing(data, paths[0], table)
        >>> bool((forced[0].read(0, 3).forcing == data[0].read(0, 3).forcing).all())
        True
    """
    return [_forced(part, forcing, table, topology) for part in data]


def _forced(
    part: TrainingData, forcing: Source | Sequence[Source], table: VariableTable, topology: str | None
) -> TrainingData:
    opened = open_forcing(forcing, part.mesh, table, interpolate=True, topology=topology)
    if opened.n_members > 1:
        raise InputError(
            f"forcing: {opened.n_members} members, but a trajectory was driven by one weather; choose one member, "
            "ds.isel(member=0)"
        )
    times = _times_of_pairs(part)
    opened.check(times)  # before the degree days, which take minutes

    lacking = [one.name for one in table.slow if not part.present[one.name]]
    opened = opened.with_degree_days(lacking, times)

    replaced = [one.name for one in chain(table.forcing, table.slow) if one.name in opened.names]
    replaced = [name for name in replaced if part.present[name]]
    if replaced:
        log.warning("forcing: %s of the data replaced by those of %s", ", ".join(replaced), _origins(opened, replaced))

    return ForcedTrajectories(part, opened, table)


def _times_of_pairs(part: TrainingData) -> Array:
    """All times at which a pair begins or ends, ascending."""
    pairs = [part.pair_times(number, start) for number in range(part.n_trajectories) for start in range(part.n_starts)]
    return np.unique(np.array(pairs))


def _origins(forcing: Forcing, names: Sequence[str]) -> str:
    return "; ".join(one.origin for one in forcing.series if set(one.names) & set(names))

"""Forcing at any time of a forecast, read from records that can be interpolated in time and repeated year by year."""

import hashlib
import itertools
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.data.cycle import Cycle, cycle_of
from gensim_graph.errors import InputError
from gensim_graph.io import Records, Source, expand, mesh_from_dataset
from gensim_graph.io.export import FieldValues
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, default_variables

_RECORDS_KEPT = 3
"""Records in memory: the two around one time, and the one that the next time adds."""


class Drivers(NamedTuple):
    """Forcing and slow inputs at one time, in the order of the variable table; zeros for absent variables.

    Attributes:
        forcing: (F, forcing) float32.
        slow: (F, slow) float32.
    """

    forcing: Array
    slow: Array

    @property
    def digest(self) -> str:
        """SHA-256 of all values."""
        return hashlib.sha256(self.forcing.tobytes() + self.slow.tobytes()).hexdigest()


class Forcing:
    """Forcing on a mesh, made by :func:`open_forcing`. Files stay open until :meth:`close`.

    Attributes:
        mesh: the mesh.
        times: (T,) datetime64[ns] of all records.
        names: variables in all records.
    """

    def __init__(
        self,
        parts: Sequence[Records],
        mesh: Mesh,
        table: VariableTable,
        interpolate: bool,
        cycle: Cycle | None,
        close: Callable[[], None],
    ) -> None:
        self.mesh, self.table, self.close = mesh, table, close
        self.times = np.concatenate([part.times for part in parts])
        self.names = frozenset.intersection(*(frozenset(part.names) for part in parts))
        self._records = [(part, index) for part in parts for index in range(len(part.times))]
        self._interpolate, self._cycle = interpolate, cycle
        self._kept: dict[int, FieldValues] = {}

    def at(self, time: np.datetime64) -> Drivers:
        """Return the forcing at a time.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        before, after, share = self._around(time)
        values = self._record(before)

        if share:
            later = self._record(after)
            weight = np.float32(share)
            values = {name: (1 - weight) * values[name] + weight * later[name] for name in self.names}

        return Drivers(self._stacked(values, self.table.forcing), self._stacked(values, self.table.slow))

    def check(self, times: Array) -> None:
        """Check that there are values at all of these times, without reading them.

        Args:
            times: (T,) datetime64.

        Raises:
            InputError: there are none at one of the times; the message names the first.
        """
        for time in times:
            self._around(time)

    def _around(self, time: np.datetime64) -> tuple[int, int, float]:
        """Return the numbers of the records before and after a time, and the weight of the second."""
        wanted = time.astype("datetime64[ns]") if self._cycle is None else self._cycle.equivalent(time)
        last = int(np.searchsorted(self.times, wanted, side="right")) - 1
        if last >= 0 and self.times[last] == wanted:
            return last, last, 0.0

        following, after = self._following(last)
        if not self._interpolate or last < 0 or following is None:
            raise InputError(self._nothing_at(time, inside=last >= 0 and following is not None))

        return last, after, float((wanted - self.times[last]) / (following - self.times[last]))

    def _following(self, index: int) -> tuple[np.datetime64 | None, int]:
        """Return time and number of the record after ``index``; at the end of a cycle it is the first record."""
        end = len(self.times) if self._cycle is None else int(np.searchsorted(self.times, self._cycle.end))
        if index + 1 < end:
            return self.times[index + 1], index + 1
        return (None, -1) if self._cycle is None else (self._cycle.end, 0)

    def _nothing_at(self, time: np.datetime64, inside: bool) -> str:
        first, last = (np.datetime_as_string(end, "m") for end in (self.times[0], self.times[-1]))
        advice = "interpolate between its times (--interpolate)" if inside else "repeat it (--repeat-forcing)"
        return (
            f"forcing: no values at {np.datetime_as_string(time, 'm')}, which the forecast needs; "
            f"it runs from {first} to {last} ({len(self.times)} times); give one that covers the forecast, or {advice}"
        )

    def _record(self, index: int) -> FieldValues:
        if index not in self._kept:
            while len(self._kept) >= _RECORDS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            part, number = self._records[index]
            self._kept[index] = part.read(number)

        return self._kept[index]

    def _stacked(self, values: FieldValues, variables: tuple[Variable, ...]) -> Array:
        columns = np.zeros((self.mesh.n_faces, len(variables)), dtype=np.float32)
        for channel, variable in enumerate(variables):
            if variable.name in self.names:
                columns[:, channel] = values[variable.name]
        return columns


def open_forcing(
    source: Source | Sequence[Source],
    mesh: Mesh | xr.Dataset,
    table: VariableTable | None = None,
    *,
    interpolate: bool = False,
    repeat: bool = False,
) -> Forcing:
    """Open forcing for a mesh. Each record is read when a forecast needs it.

    Args:
        source: file, glob pattern, folder, dataset (lazy ones stay lazy), or a list of them that follow each other in
            time. Fields on another mesh or grid of the same domain are remapped; vectors are rotated to the axes of
            the plane of ``mesh``.
        mesh: mesh of the forecast, or a dataset on it.
        table: the forcing and slow variables of this table are read; None for the default table.
        interpolate: interpolate linearly in time between records.
        repeat: repeat the record: whole years by the calendar (29 February takes the values of 28 February if the
            record has none), a shorter record from its beginning.

    Raises:
        InputError: a file cannot be read, times overlap, there is no forcing variable, or the domain is another one.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.data import cyclone_trajectories
        >>> path = cyclone_trajectories("test")[0]
        >>> forcing = gg.open_forcing(path, mesh=gg.load_mesh(path), interpolate=True)
        >>> sorted(forcing.names)
        ['uas', 'vas']
        >>> forcing.at(np.datetime64("2000-01-02T04:30")).forcing.shape
        (2640, 4)
        >>> forcing.close()
    """
    mesh = mesh_from_dataset(mesh) if isinstance(mesh, xr.Dataset) else mesh
    table = table or default_variables()
    wanted = VariableTable((*table.forcing, *table.slow))

    with ExitStack() as files:
        parts = sorted((Records(item, mesh, wanted, files) for item in expand(source)), key=lambda part: part.times[0])

        for earlier, later in itertools.pairwise(parts):
            if later.times[0] <= earlier.times[-1]:
                raise InputError(f"forcing: {earlier.name} and {later.name} overlap in time; give each time once")

        cycle = cycle_of(np.concatenate([part.times for part in parts])) if repeat else None
        return Forcing(parts, mesh, table, interpolate, cycle, files.pop_all().close)


def as_forcing(forcing: xr.Dataset | Forcing, mesh: Mesh, table: VariableTable) -> Forcing:
    """Return forcing on a mesh from a dataset; :class:`Forcing` is returned unchanged.

    Args:
        forcing: a dataset with its mesh, or with as many faces as ``mesh``; or opened forcing.
        mesh: mesh of the forecast.
        table: the variable table.

    Raises:
        InputError: as :func:`open_forcing`, or the forcing is on another mesh.
    """
    own_mesh = forcing.mesh if isinstance(forcing, Forcing) else None
    if isinstance(forcing, xr.Dataset) and forcing.sizes.get("face") == mesh.n_faces:
        own_mesh = mesh_from_dataset(forcing) if "face_nodes" in forcing else mesh

    if own_mesh is None or not own_mesh.matches(mesh):
        faces = own_mesh.n_faces if own_mesh is not None else forcing.sizes.get("face", "no")  # type: ignore[union-attr]
        raise InputError(
            f"forcing: on another mesh ({faces} faces) than the initial state ({mesh.n_faces} faces); "
            "open it with open_forcing(..., mesh), or both with open_store(..., mesh=mesh), to have them on one"
        )

    return forcing if isinstance(forcing, Forcing) else open_forcing(forcing, mesh, table)

"""What drives the ice at any time of a forecast: records, interpolated between and repeated year by year on request."""

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
from gensim_graph.io.export import Values
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, default_variables

_KEPT = 3
"""Records in memory: the two around a time, and the one that the next time needs too."""


class Drivers(NamedTuple):
    """Forcing and slow inputs at one time, in the order of the variable table; zeros for what is absent.

    Attributes:
        forcing: (F, forcing) float32.
        slow: (F, slow) float32.
    """

    forcing: Array
    slow: Array

    @property
    def digest(self) -> str:
        """SHA-256 of the numbers."""
        return hashlib.sha256(self.forcing.tobytes() + self.slow.tobytes()).hexdigest()


class Forcing:
    """Forcing on a mesh. Made by :func:`open_forcing`; files stay open until :meth:`close`.

    Attributes:
        mesh: the mesh.
        times: (T,) datetime64[ns] of all records.
        names: variables that are there.
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
        self._places = [(part, index) for part in parts for index in range(len(part.times))]
        self._interpolate, self._cycle = interpolate, cycle
        self._kept: dict[int, Values] = {}

    def at(self, time: np.datetime64) -> Drivers:
        """What drives the ice at a time.

        Raises:
            InputError: there is nothing at that time, or it cannot be read.
        """
        before, after, share = self._around(time)
        values = self._record(before)

        if share:
            later = self._record(after)
            weight = np.float32(share)
            values = {name: (1 - weight) * values[name] + weight * later[name] for name in self.names}

        return Drivers(self._stacked(values, self.table.forcing), self._stacked(values, self.table.slow))

    def check(self, times: Array) -> None:
        """Whether there is something at all of these times.

        Raises:
            InputError: there is not; it names the first.
        """
        for time in times:
            self._around(time)

    def _around(self, time: np.datetime64) -> tuple[int, int, float]:
        """The records before and after a time, and the share of the second."""
        wanted = time.astype("datetime64[ns]") if self._cycle is None else self._cycle.bring(time)
        last = int(np.searchsorted(self.times, wanted, side="right")) - 1
        if last >= 0 and self.times[last] == wanted:
            return last, last, 0.0

        following, after = self._following(last)
        if not self._interpolate or last < 0 or following is None:
            raise InputError(self._nothing_at(time, inside=last >= 0 and following is not None))

        return last, after, float((wanted - self.times[last]) / (following - self.times[last]))

    def _following(self, index: int) -> tuple[np.datetime64 | None, int]:
        """Time and number of the record after one; the first again at the end of a cycle."""
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

    def _record(self, index: int) -> Values:
        if index not in self._kept:
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)))
            part, number = self._places[index]
            self._kept[index] = part.read(number)

        return self._kept[index]

    def _stacked(self, values: Values, variables: tuple[Variable, ...]) -> Array:
        columns = np.zeros((self.mesh.n_faces, len(variables)), dtype=np.float32)
        for place, variable in enumerate(variables):
            if variable.name in self.names:
                columns[:, place] = values[variable.name]
        return columns


def open_forcing(
    source: Source | Sequence[Source],
    mesh: Mesh | xr.Dataset,
    table: VariableTable | None = None,
    *,
    interpolate: bool = False,
    repeat: bool = False,
) -> Forcing:
    """Forcing on a mesh, read record by record as a forecast asks for it.

    Args:
        source: file, glob pattern, folder, dataset (lazy ones stay lazy), or a list of them; several follow each other
            in time. What is on another mesh or grid of the same domain is remapped, vectors turned to the plane of
            ``mesh``.
        mesh: where to have it: a mesh, or a dataset on it.
        table: the variable table, whose forcing and slow variables are read; None for the default.
        interpolate: linearly in time between records.
        repeat: use it again and again: whole years by the calendar, where the 29th of February is the 28th if there is
            none, a shorter record from its beginning.

    Raises:
        InputError: files that cannot be read, times that overlap, no forcing variable, or another domain.
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
    """A dataset on a mesh as forcing; forcing as it is.

    Raises:
        InputError: as :func:`open_forcing`, or on another mesh.
    """
    there = forcing.mesh if isinstance(forcing, Forcing) else None
    if isinstance(forcing, xr.Dataset) and forcing.sizes.get("face") == mesh.n_faces:
        there = mesh_from_dataset(forcing) if "face_nodes" in forcing else mesh

    if there is None or not there.matches(mesh):
        faces = there.n_faces if there is not None else forcing.sizes.get("face", "no")  # type: ignore[union-attr]
        raise InputError(
            f"forcing: on another mesh ({faces} faces) than the initial state ({mesh.n_faces} faces); "
            "open it with open_forcing(..., mesh), or both with open_store(..., mesh=mesh), to have them on one"
        )

    return forcing if isinstance(forcing, Forcing) else open_forcing(forcing, mesh, table)

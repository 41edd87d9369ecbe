"""Forcing at any time, read from records that can be interpolated in time and repeated year by year.

Variables may come from several sets of files, each with its own times (:mod:`~gensim_graph.data.series`).
"""

import hashlib
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.data.series import DEGREE_DAYS, TEMPERATURE, DegreeDays, ForcingSeries, series_of
from gensim_graph.errors import InputError, check_type
from gensim_graph.io import MESH_ADVICE, Records, Source, expand, has_topology, mesh_from_dataset, with_given_mesh
from gensim_graph.io.export import FieldValues
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, default_variables

log = logging.getLogger(__name__)


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
    """Forcing on a mesh, made by :func:`open_forcing`.

    Files are opened when they are read, in each process that reads them, until :meth:`close`.

    Attributes:
        mesh: the mesh.
        times: (T,) datetime64[ns] of all records.
        names: variables that it has.
    """

    def __init__(
        self,
        series: Sequence[ForcingSeries],
        mesh: Mesh,
        table: VariableTable,
        degree_days: DegreeDays | None = None,
    ) -> None:
        self.mesh, self.table = mesh, table
        self.series, self._degree_days = tuple(series), degree_days
        self.times = np.unique(np.concatenate([one.times for one in series]))
        self.names = frozenset(name for one in series for name in one.names) | frozenset(
            () if degree_days is None else degree_days.names
        )

    @property
    def origin(self) -> str:
        """The files, for the history of a forecast."""
        return "; ".join(dict.fromkeys(one.origin for one in self.series))

    def at(self, time: np.datetime64) -> Drivers:
        """Return the forcing at a time.

        Raises:
            InputError: there are no values at that time, or they cannot be read.
        """
        values = self.values_at(time)
        return Drivers(*(self._stacked(values, group) for group in (self.table.forcing, self.table.slow)))

    def values_at(self, time: np.datetime64, faces: Array | None = None, slow: bool = True) -> FieldValues:
        """Return the variables that the forcing has at a time.

        Args:
            time: datetime64.
            faces: (n,) numbers of the faces; None for all.
            slow: with the slow inputs; False leaves them out.

        Returns:
            Variable -> (F,) or (n,) float32.

        Raises:
            InputError: see :meth:`at`.
        """
        unwanted = frozenset() if slow else frozenset(variable.name for variable in self.table.slow)
        values: FieldValues = {}
        for one in self.series:
            if not unwanted.issuperset(one.names):
                values |= one.at(time, faces)
        if slow and self._degree_days is not None:
            values |= self._degree_days.at(time, faces)

        return values

    def check(self, times: Array) -> None:
        """Check that there are values at all of these times, without reading them.

        Args:
            times: (T,) datetime64.

        Raises:
            InputError: there are none at one of the times; the message names the first.
        """
        for time in times:
            for one in self.series:
                one.around(time)

    def with_degree_days(self, names: Sequence[str], times: Array | None = None) -> "Forcing":
        """Return the forcing with degree days, which are computed from its temperature.

        Args:
            names: slow inputs to compute, such as ``fdd_year``; those that cannot be computed are left out.
            times: (T,) datetime64 at which they are needed; None for all times of the temperature.

        Raises:
            InputError: the temperature has a gap, or cannot be read.
        """
        chosen = [name for name in names if name in DEGREE_DAYS and name not in self.names]
        temperature = next((one for one in self.series if TEMPERATURE in one.names), None)
        if temperature is None or not chosen:
            return self

        first, last = (None, None) if times is None else (times.min(), times.max())
        begins = np.datetime_as_string(temperature.times[0], "m")
        log.warning(
            "forcing: %s computed from %s of %s, which begins at %s; before that nothing is added up",
            ", ".join(chosen), TEMPERATURE, temperature.origin, begins,
        )  # fmt: skip
        return Forcing(self.series, self.mesh, self.table, DegreeDays(temperature, self.mesh, chosen, first, last))

    def close(self) -> None:
        """Close the files."""
        for one in self.series:
            one.close()

    def _stacked(self, values: FieldValues, variables: tuple[Variable, ...]) -> Array:
        columns = np.zeros((self.mesh.n_faces, len(variables)), dtype=np.float32)
        for channel, variable in enumerate(variables):
            if variable.name in values:
                columns[:, channel] = values[variable.name]
        return columns


def open_forcing(
    source: Source | Sequence[Source],
    mesh: Mesh | xr.Dataset,
    table: VariableTable | None = None,
    *,
    interpolate: bool = False,
    repeat: bool = False,
    topology: str | None = None,
) -> Forcing:
    """Open forcing for a mesh. Each record is read when a forecast needs it.

    Args:
        source: file, glob pattern, folder, dataset (lazy ones stay lazy), or a list of them. Files with the same
            variables follow each other in time; files with other variables, which may have other times and grids, are
            merged. Fields on another mesh or grid are remapped; vectors are turned to the axes of the plane of
            ``mesh``.
        mesh: mesh of the forecast, or a dataset on it.
        table: the forcing and slow variables of this table are read; None for the default table.
        interpolate: interpolate linearly in time between records.
        repeat: repeat the record: whole years by the calendar (29 February takes the values of 28 February if the
            record has none), a shorter record from its beginning.
        topology: name of the UGRID topology, for files with several.

    Raises:
        InputError: a file cannot be read, two have the same variable at the same time, there is no forcing variable,
            or the domain is another one.

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
    check_type("mesh", mesh, Mesh, MESH_ADVICE)
    table = table or default_variables()
    wanted = VariableTable((*table.forcing, *table.slow))

    parts = []
    for item in expand(source):
        parts.append(Records(item, mesh, wanted, topology))
        parts[-1].close()  # years of daily files would be more than a process may have open

    return Forcing(series_of(parts, interpolate, repeat), mesh, table)


def as_forcing(forcing: xr.Dataset | Forcing, mesh: Mesh, table: VariableTable) -> Forcing:
    """Return forcing on a mesh from a dataset; :class:`Forcing` is returned unchanged.

    Args:
        forcing: a dataset with its mesh, or with values for all faces or nodes of ``mesh``; or opened forcing.
        mesh: mesh of the forecast.
        table: the variable table.

    Raises:
        InputError: as :func:`open_forcing`, or the forcing is on another mesh.
    """
    if isinstance(forcing, xr.Dataset):
        forcing = with_given_mesh(forcing, mesh, table)
        own_mesh = mesh_from_dataset(forcing, crs=mesh.crs) if has_topology(forcing) else None
    else:
        own_mesh = forcing.mesh

    if own_mesh is not None and not own_mesh.matches(mesh):
        raise InputError(
            f"forcing: on another mesh ({own_mesh.n_faces} faces) than the initial state ({mesh.n_faces} faces); "
            "open it with open_forcing(..., mesh), or both with open_store(..., mesh=mesh), to have them on one"
        )

    return forcing if isinstance(forcing, Forcing) else open_forcing(forcing, mesh, table)

"""Records in time, read one at a time and remapped to a mesh, so that ten years of wind never are in memory together.

netCDF, zarr and xarray datasets stay open, on their own mesh. That mesh, the weights of the remapping and the axes of
vectors are computed once, when the first record is read. Formats of other programs with a special reader are read as a
whole.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath

import netCDF4
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import LonLatFields, is_foreign, is_gridded, mesh_in_file, on_faces_of
from gensim_graph.io.checks import log_remapping
from gensim_graph.io.coordinates import TRAJECTORY, with_trajectories
from gensim_graph.io.export import FieldValues, on_other_mesh
from gensim_graph.io.fields import Fields
from gensim_graph.io.formats import find_format
from gensim_graph.io.names import reading
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.io.sources import Source, with_given_mesh
from gensim_graph.io.store import open_store
from gensim_graph.io.times import times_of, with_own_time, with_time
from gensim_graph.io.ugrid import has_topology, mesh_from_dataset, with_topology
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)

_CHUNK_CACHE = 2**20  # bytes


class Records:
    """The records of a file or dataset on the faces of a mesh.

    A file is opened when it is read first, and again in each process that reads it: a file that was opened before a
    process was forked must not be read in both.

    Args:
        source: a file or a dataset, lazy or in memory.
        mesh: mesh of the result. Fields on another mesh or grid are remapped, area-weighted, those on a grid of
            longitude and latitude are interpolated; vectors are turned to the plane of the mesh.
        table: variables to read, of any role.
        topology: name of the UGRID topology, for files with several.

    Attributes:
        name: origin, for messages.
        source: the file or dataset.
        times: (T,) datetime64[ns].
        names: variables of the table that the source has.
        n_members: number of members of an ensemble; 1 for a single record.

    Raises:
        InputError: a file that cannot be read, no times, none of the variables, or another domain.
    """

    def __init__(self, source: Source, mesh: Mesh, table: VariableTable, topology: str | None = None) -> None:
        if isinstance(source, xr.Dataset):
            self.name = str(source.encoding.get("source", source.attrs.get("origin", "dataset")))
        else:
            self.name = str(source)

        self.source, self._target, self._table, self._topology = source, mesh, table, topology
        self._is_file = not isinstance(source, xr.Dataset) and _is_read_in_parts(FilePath(source))
        self._files, self._process = ExitStack(), 0

        with naming(self.name), reading(table):
            raw, is_other = self._open()
            self.times = _times(raw)
            self.n_members = int(raw.sizes.get(TRAJECTORY, 1))
            raw = _of_member(raw, 0)
            self._grid = LonLatFields.for_mesh(raw, mesh, table) if is_other and not has_topology(raw) else None
            self._in_file = mesh_in_file(raw.isel(time=[0]), mesh) if is_other and self._grid is None else None

        if self._grid is not None:
            self.names = self._grid.names
            self.read(0)
            return

        with naming(self.name), reading(table):
            if not is_other and not has_topology(raw):
                raise _nothing_known(raw, table)
            self._mesh = self._in_file.mesh if self._in_file is not None else mesh_from_dataset(raw)
        first = self._fields(0)
        self.names = tuple(variable.name for variable in first.variables)
        self._to_mesh = self._remapping_to(mesh, first)

    def __reduce__(self) -> tuple[type, tuple[Source, Mesh, VariableTable, str | None]]:
        """Copy to another process by opening the source there."""
        return Records, (self.source, self._target, self._table, self._topology)

    def close(self) -> None:
        """Close the file; it is opened again when it is read."""
        if self._is_file and self._process == os.getpid():
            self._files.close()
            self._process = 0

    def _open(self) -> tuple[xr.Dataset, bool]:
        """Open the source in this process; True if it is in another layout than this package writes."""
        self._files = ExitStack()
        if isinstance(self.source, xr.Dataset):
            raw = self.source
        elif self._is_file:
            with _small_chunk_cache():
                raw = self._files.enter_context(opened_dataset(FilePath(self.source)))
        else:
            path = FilePath(self.source)
            log.info("%s: read as a whole (%s)", path, getattr(find_format(path), "name", "unknown format"))
            raw = open_store(path, self._target, self._table, needs="forcing")

        raw = with_given_mesh(with_topology(raw, self._topology), self._target, self._table)
        is_other = is_foreign(raw)
        raw = with_trajectories(raw, report=False)
        self._raw = with_time(raw) if is_other else with_own_time(raw)
        self._process = os.getpid()

        return self._raw, is_other

    def _dataset(self) -> xr.Dataset:
        """The source, open in this process."""
        if self._is_file and self._process != os.getpid():
            with _without_messages(), naming(self.name), reading(self._table):  # all was said the first time
                self._open()

        return self._raw

    def _remapping_to(self, mesh: Mesh, first: Fields) -> Callable[[FieldValues], FieldValues]:
        """Function from the fields of a record to fields on the faces of the mesh."""
        if self._mesh.matches(mesh) and (mesh.crs is None or self._mesh.crs in (None, mesh.crs)):
            return first.at_faces

        remap = on_other_mesh(first, mesh).convert
        log_remapping(self.name, self._mesh, mesh)

        return remap

    def read(
        self, index: int, faces: Array | None = None, names: Collection[str] | None = None, member: int = 0
    ) -> FieldValues:
        """Read one record.

        Args:
            index: number of the record in :attr:`times`.
            faces: (n,) numbers of the faces; None for all.
            names: variables to read, both components of a vector; None for all.
            member: number of the member, in an ensemble.

        Returns:
            Variable -> (F,) or (n,) float32 in the units of the table, vectors along the axes of the mesh.

        Raises:
            InputError: missing values, another unit, implausible values, or a file that cannot be read.
        """
        if self._grid is not None:
            name = self._name_of(index)
            with _naming_damage(name), reading(self._table):
                return self._grid.read(name, _of_member(self._dataset(), member).isel(time=[index]), faces, names)

        values = self._to_mesh(self._fields(index, member).read_all(slice(0, 1)))
        chosen = values if names is None else {name: values[name] for name in names}
        whole = {name: array[0].astype(np.float32, copy=False) for name, array in chosen.items()}

        return whole if faces is None else {name: array[faces] for name, array in whole.items()}

    def _name_of(self, index: int) -> str:
        return f"{self.name} at {np.datetime_as_string(self.times[index], 'm')}"

    def _fields(self, index: int, member: int = 0) -> Fields:
        """One record in memory, on the mesh of the file."""
        name = self._name_of(index)
        with _naming_damage(name):
            record = _of_member(self._dataset(), member).isel(time=[index])
            if self._in_file is not None:
                with reading(self._table):
                    record = on_faces_of(self._in_file, record)

            names = [variable.name for variable in self._table.variables if variable.name in record]
            if not names:
                raise _nothing_known(self._raw, self._table)
            record = record[names].load()

        record.encoding["source"] = name
        with naming(name):
            return Fields.on(self._mesh, record, self._table)


def _of_member(raw: xr.Dataset, member: int) -> xr.Dataset:
    return raw.isel({TRAJECTORY: member}) if TRAJECTORY in raw.dims else raw


def _nothing_known(raw: xr.Dataset, table: VariableTable) -> InputError:
    expected = ", ".join(variable.name for variable in table.variables)
    has = ", ".join(str(key) for key, column in raw.data_vars.items() if "time" in column.dims)
    return InputError(f"none of {expected}; it has {has or 'no fields'}. Give a file with winds, --forcing")


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    """Turn any error of reading into one that names the record."""
    try:
        yield
    except InputError as error:
        message = str(error)
        raise InputError(message if message.startswith(name) else f"{name}: {message}") from None
    except Exception as error:  # netCDF, HDF5, zarr, dask and their codecs raise exceptions of all kinds
        raise InputError(f"{name}: cannot be read ({' '.join(str(error).split())[:120]})") from error


@contextmanager
def _small_chunk_cache() -> Iterator[None]:
    """Keep 1 MiB of each variable of netCDF files opened inside, not 64 MiB: a training reads records at random."""
    size, slots, preemption = netCDF4.get_chunk_cache()
    netCDF4.set_chunk_cache(min(size, _CHUNK_CACHE), slots, preemption)
    try:
        yield
    finally:
        netCDF4.set_chunk_cache(size, slots, preemption)


@contextmanager
def _without_messages() -> Iterator[None]:
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _is_read_in_parts(path: FilePath) -> bool:
    """Return False for a file of another program with a special reader, which reads it as a whole."""
    return is_dataset(path) and (is_gridded(path) or find_format(path) is None)


def _times(raw: xr.Dataset) -> Array:
    if "time" not in raw.dims or "time" not in raw.coords:
        raise InputError("needs a dimension 'time' with calendar dates, such as 'hours since 2000-01-01'")

    times = times_of(raw)
    if not len(times) or not (np.diff(times) > np.timedelta64(0)).all():
        raise InputError("its times must increase from record to record, and there must be at least one")

    return times

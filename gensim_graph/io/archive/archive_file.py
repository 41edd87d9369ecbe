"""A file of an archive on the faces of a mesh: consecutive records are read together, as archives of years need it.

The mesh of the file, the weights of the remapping and the axes of vectors are computed once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.archive.record_source import (
    name_of_source,
    open_source_of_records,
    part_reader,
    records_in_chunk,
    times_of_records,
)
from gensim_graph.io.cf import is_foreign, mesh_in_file, on_faces_of
from gensim_graph.io.checks import log_remapping
from gensim_graph.io.coordinates import TRAJECTORY
from gensim_graph.io.export import FieldValues, on_other_mesh
from gensim_graph.io.fields import Fields
from gensim_graph.io.formats import PartReader, TimesReader
from gensim_graph.io.names import reading
from gensim_graph.io.plane_vectors import along_plane, points_east
from gensim_graph.io.sources import Source
from gensim_graph.io.ugrid import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.system import forget_content
from gensim_graph.variables import VariableTable


class ArchiveFile:
    """The records of one trajectory of a file or dataset, on the faces of a mesh.

    Args:
        source: a file or a dataset, lazy or in memory.
        mesh: mesh of the result. Fields on another mesh of the same domain are remapped, area-weighted, and vectors are
            turned to its plane. None takes the mesh of the source.
        table: the variable table.
        trajectory: number of the trajectory, for sources with several.
        read_once: what has been read does not stay in the memory of the operating system.

    Attributes:
        name: origin, for messages.
        mesh: mesh of the result.
        times: (T,) datetime64[ns].
        chunk: number of records that the file stores together.

    Raises:
        InputError: a file that cannot be read, no times, none of the variables, or another domain.
    """

    def __init__(
        self,
        source: Source,
        mesh: Mesh | None,
        table: VariableTable,
        trajectory: int | None = None,
        read_once: bool = False,
    ) -> None:
        self.name = name_of_source(source)
        self._table, self._files, self._read_once = table, ExitStack(), read_once

        parts = part_reader(source)
        with naming(self.name), reading(table):
            if parts is None:
                self._open_dataset(source, mesh, trajectory)
            else:
                self._open_in_parts(FilePath(source), mesh, *parts)

        self.mesh = mesh if mesh is not None else self._own_mesh
        self._to_mesh: Callable[[FieldValues], FieldValues] | None = None

    def _open_dataset(self, source: Source, mesh: Mesh | None, trajectory: int | None) -> None:
        """Open a dataset; one in the layout of another program is brought to that of this package while it is read."""
        raw = open_source_of_records(source, mesh, self._table, self._files, self._read_once)
        if trajectory is not None:
            raw = raw.isel({TRAJECTORY: trajectory}, drop=True)

        self.times = times_of_records(raw)
        self.chunk = min(records_in_chunk(raw), len(self.times))
        if not is_foreign(raw):
            self._own_mesh = mesh_from_dataset(raw)
            self._take = lambda run: self._along_plane(raw.isel(time=run))
            return

        in_file = mesh_in_file(raw.isel(time=[0]), mesh)
        self._own_mesh = in_file.mesh
        self._take = lambda run: on_faces_of(in_file, raw.isel(time=run))

    def _open_in_parts(self, path: FilePath, mesh: Mesh | None, times_in: TimesReader, read_part: PartReader) -> None:
        """Open a file or folder of a format with a special reader."""
        first = read_part(path, mesh, slice(0, 1))
        own = mesh_from_dataset(first)
        self.times = times_in(path).astype("datetime64[ns]")
        self.chunk = min(records_in_chunk(first), len(self.times))
        self._own_mesh = own
        self._take = lambda run: read_part(path, own if mesh is None else mesh, run)

    def _along_plane(self, records: xr.Dataset) -> xr.Dataset:
        return (
            along_plane(records.load(), self._own_mesh, self._table) if points_east(records, self._table) else records
        )

    def read(self, run: slice) -> FieldValues:
        """Read consecutive records.

        Args:
            run: numbers of the records in :attr:`times`, with a start and an end.

        Returns:
            Variable -> (records, F) float32 in the units of the table, vectors along the axes of the mesh.

        Raises:
            InputError: missing values (:class:`~gensim_graph.errors.MissingValuesError`), another unit, implausible
                values, or a file that cannot be read; the message names the first record that cannot be used.
        """
        try:
            fields = self._fields(run)
            values = fields.read_all(slice(0, run.stop - run.start))
        except InputError:
            if run.stop - run.start > 1:
                for index in range(run.start, run.stop):
                    self.read(slice(index, index + 1))
            raise

        if self._read_once:
            forget_content(FilePath(self.name))
        if self._to_mesh is None:
            self._to_mesh = self._remapping(fields)

        return {name: array.astype(np.float32, copy=False) for name, array in self._to_mesh(values).items()}

    def close(self) -> None:
        """Close the file."""
        self._files.close()

    def _remapping(self, fields: Fields) -> Callable[[FieldValues], FieldValues]:
        """Function from the fields of the file to fields on the faces of the mesh."""
        own, mesh = self._own_mesh, self.mesh
        if own is mesh or (own.matches(mesh) and (mesh.crs is None or own.crs in (None, mesh.crs))):
            return fields.at_faces

        log_remapping(self.name, own, mesh)
        return on_other_mesh(fields, mesh).convert

    def _fields(self, run: slice) -> Fields:
        """Consecutive records in memory, on the mesh of the file."""
        name = f"{self.name} at {np.datetime_as_string(self.times[run.start], 'm')}"
        with _naming_damage(name):
            with reading(self._table):
                records = self._take(run)

            names = [variable.name for variable in self._table.variables if variable.name in records]
            records = records[names].load()

        records.encoding["source"] = name
        with naming(name):
            return Fields.on(self._own_mesh, records, self._table)


@contextmanager
def _naming_damage(name: str) -> Iterator[None]:
    """Turn errors of the libraries into one that names the record."""
    try:
        with naming(name):
            yield
    except InputError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # netCDF, HDF5, zarr, dask and their codecs raise exceptions of all kinds
        raise InputError(f"{name}: cannot be read ({' '.join(str(error).split())[:120]})") from error

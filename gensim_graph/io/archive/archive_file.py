"""A file of an archive on the faces of a mesh: consecutive records are read together, as archives of years need it.

The mesh of the file, the weights of the remapping and the axes of vectors are computed once.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.archive.record_source import (
    name_of_source,
    open_source_of_records,
    records_in_chunk,
    times_of_records,
)
from gensim_graph.io.cf import is_foreign, mesh_in_file, on_faces_of
from gensim_graph.io.checks import log_remapping
from gensim_graph.io.coordinates import TRAJECTORY
from gensim_graph.io.export import FieldValues, on_other_mesh
from gensim_graph.io.fields import Fields
from gensim_graph.io.names import reading
from gensim_graph.io.plane_vectors import along_plane, points_east
from gensim_graph.io.sources import Source
from gensim_graph.io.ugrid import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import VariableTable


class ArchiveFile:
    """The records of one trajectory of a file or dataset, on the faces of a mesh.

    Args:
        source: a file or a dataset, lazy or in memory.
        mesh: mesh of the result. Fields on another mesh of the same domain are remapped, area-weighted, and vectors are
            turned to its plane. None takes the mesh of the source.
        table: the variable table.
        trajectory: number of the trajectory, for sources with several.

    Attributes:
        name: origin, for messages.
        mesh: mesh of the result.
        times: (T,) datetime64[ns].
        chunk: number of records that the file stores together.

    Raises:
        InputError: a file that cannot be read, no times, none of the variables, or another domain.
    """

    def __init__(self, source: Source, mesh: Mesh | None, table: VariableTable, trajectory: int | None = None) -> None:
        self.name = name_of_source(source)
        self._table, self._files = table, ExitStack()

        with naming(self.name), reading(table):
            raw = open_source_of_records(source, mesh, table, self._files)
            if trajectory is not None:
                raw = raw.isel({TRAJECTORY: trajectory}, drop=True)

            self._raw, self.times = raw, times_of_records(raw)
            self.chunk = min(records_in_chunk(raw), len(self.times))
            # A dataset in another layout than this package writes is brought to it while it is read.
            self._in_file = mesh_in_file(raw.isel(time=[0]), mesh) if is_foreign(raw) else None
            self._own_mesh = self._in_file.mesh if self._in_file is not None else mesh_from_dataset(raw)

        self.mesh = mesh if mesh is not None else self._own_mesh
        self._to_mesh: Callable[[FieldValues], FieldValues] | None = None

    def read(self, run: slice) -> FieldValues:
        """Read consecutive records.

        Args:
            run: numbers of the records in :attr:`times`, with a start and an end.

        Returns:
            Variable -> (records, F) float32 in the units of the table, vectors along the axes of the mesh.

        Raises:
            InputError: missing values (:class:`~gensim_graph.errors.MissingValues`), another unit, implausible values,
                or a file that cannot be read; the message names the first record that cannot be used.
        """
        try:
            fields = self._fields(run)
            values = fields.read_all(slice(0, run.stop - run.start))
        except InputError:
            if run.stop - run.start > 1:
                for index in range(run.start, run.stop):
                    self.read(slice(index, index + 1))
            raise

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
            records = self._raw.isel(time=run)
            if self._in_file is not None:
                with reading(self._table):
                    records = on_faces_of(self._in_file, records)

            names = [variable.name for variable in self._table.variables if variable.name in records]
            records = records[names].load()
            if self._in_file is None and points_east(records, self._table):
                records = along_plane(records, self._own_mesh, self._table)

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

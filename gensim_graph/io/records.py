"""Records in time, read one at a time and remapped to a mesh, so that ten years of wind never are in memory together.

netCDF, zarr and xarray datasets stay open, on their own mesh. That mesh, the weights of the remapping and the axes of
vectors are computed once, when the first record is read. Formats of other programs with a special reader are read as a
whole.
"""

import logging
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import is_foreign, is_gridded, mesh_in_file, on_faces_of
from gensim_graph.io.export import FieldValues, on_other_mesh
from gensim_graph.io.fields import Fields
from gensim_graph.io.formats import find_format
from gensim_graph.io.safe import DATASET_SUFFIXES, opened_dataset
from gensim_graph.io.store import Source, open_store
from gensim_graph.io.times import times_of, with_own_time, with_time
from gensim_graph.io.ugrid import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable

log = logging.getLogger(__name__)


class Records:
    """The records of a file or dataset on the faces of a mesh.

    Args:
        source: a file or a dataset, lazy or in memory.
        mesh: mesh of the result. Fields on another mesh of the same domain are remapped, area-weighted, and vectors are
            turned to its plane.
        table: variables to read, of any role.
        files: exit stack that keeps files open as long as they are read.

    Attributes:
        name: origin, for messages.
        times: (T,) datetime64[ns].
        names: variables of the table that the source has.

    Raises:
        InputError: a file that cannot be read, no times, none of the variables, or another domain.
    """

    def __init__(self, source: Source, mesh: Mesh, table: VariableTable, files: ExitStack) -> None:
        self.name = str(source.encoding.get("source", "dataset") if isinstance(source, xr.Dataset) else source)
        self._table = table

        with naming(self.name):
            raw = _opened(source, mesh, table, files)
            is_other = is_foreign(raw)  # in another layout than this package writes
            self._raw = with_time(raw) if is_other else with_own_time(raw)
            self.times = _times(self._raw)
            self._in_file = mesh_in_file(self._raw.isel(time=[0]), mesh) if is_other else None
            self._mesh = self._in_file.mesh if self._in_file is not None else mesh_from_dataset(raw)

        first = self._fields(0)
        self.names = tuple(variable.name for variable in first.variables)
        self._to_mesh = self._remapping_to(mesh, first)

    def _remapping_to(self, mesh: Mesh, first: Fields) -> Callable[[FieldValues], FieldValues]:
        """Function from the fields of a record to fields on the faces of the mesh."""
        if self._mesh.matches(mesh) and (mesh.crs is None or self._mesh.crs in (None, mesh.crs)):
            return first.at_faces

        remap = on_other_mesh(first, mesh).convert
        log.warning("%s: remapping %d faces to %d, area-weighted", self.name, self._mesh.n_faces, mesh.n_faces)

        return remap

    def read(self, index: int) -> FieldValues:
        """Read one record.

        Args:
            index: number of the record in :attr:`times`.

        Returns:
            Variable -> (F,) float32 in the units of the table, vectors along the axes of the mesh.

        Raises:
            InputError: missing values, another unit, implausible values, or a file that cannot be read.
        """
        values = self._to_mesh(self._fields(index).read_all(slice(0, 1)))
        return {name: array[0].astype(np.float32, copy=False) for name, array in values.items()}

    def _fields(self, index: int) -> Fields:
        """One record in memory, on the mesh of the file."""
        name = f"{self.name} at {np.datetime_as_string(self.times[index], 'm')}"
        try:
            record = self._raw.isel(time=[index])
            if self._in_file is not None:
                record = on_faces_of(self._in_file, record)

            names = [variable.name for variable in self._table.variables if variable.name in record]
            record = record[names].load()
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        except Exception as error:  # netCDF, HDF5, zarr, dask and their codecs raise exceptions of all kinds
            raise InputError(f"{name}: cannot be read ({' '.join(str(error).split())[:120]})") from error

        record.encoding["source"] = name
        with naming(name):
            return Fields.on(self._mesh, record, self._table)


def _opened(source: Source, mesh: Mesh, table: VariableTable, files: ExitStack) -> xr.Dataset:
    if isinstance(source, xr.Dataset):
        return source

    path = FilePath(source)
    if path.suffix.lower() in DATASET_SUFFIXES and (is_gridded(path) or find_format(path) is None):
        return files.enter_context(opened_dataset(path))

    log.info("%s: read as a whole (%s)", path, getattr(find_format(path), "name", "unknown format"))
    return open_store(path, mesh, table, needs="forcing")


def _times(raw: xr.Dataset) -> Array:
    if "trajectory" in raw.dims:
        raise InputError(f"holds {raw.sizes['trajectory']} trajectories; choose one, .isel(trajectory=...)")
    if "time" not in raw.dims or "time" not in raw.coords:
        raise InputError("needs a dimension 'time' with calendar dates, such as 'hours since 2000-01-01'")

    times = times_of(raw)
    if not len(times) or not (np.diff(times) > np.timedelta64(0)).all():
        raise InputError("its times must increase from record to record, and there must be at least one")

    return times

"""Fields of a dataset for the writers: on faces or nodes, a few records at a time, checked when they are read.

The dataset is a trajectory of :func:`~gensim_graph.io.open_store` or a forecast, in memory or in an open file. An open
file is read in runs of records, so that the memory needed does not grow with its length.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.checks import check_field_values, check_unit
from gensim_graph.io.formats import find_format
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.io.store import open_store
from gensim_graph.io.times import times_of, with_own_time
from gensim_graph.io.ugrid import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Path
from gensim_graph.variables import Variable, VariableTable, default_variables, vector_pairs

RECORDS = ("time", "lead_time")
"""Dimensions along which a dataset grows."""

_OTHER_LEADING = ("start", "trajectory", "member")
_BLOCK_BYTES = 2**25  # read at once


@dataclass(frozen=True)
class Fields:
    """The variables of the variable table that a dataset has, on its mesh.

    Attributes:
        dataset: the dataset.
        mesh: its mesh.
        variables: the variables of the table that it has.
    """

    dataset: xr.Dataset
    mesh: Mesh
    variables: tuple[Variable, ...]

    @classmethod
    def of(cls, dataset: xr.Dataset, table: VariableTable | None = None) -> "Fields":
        """Find the fields of a dataset with a topology.

        Args:
            dataset: a trajectory or forecast.
            table: variables to look for; the default variable table by default.

        Raises:
            InputError: no topology, no variable of the table, or one on other dimensions.
        """
        source = dataset.encoding.get("source")
        with naming(source) if source else nullcontext():
            return cls.on(mesh_from_dataset(dataset), dataset, table)

    @classmethod
    def on(cls, mesh: Mesh, dataset: xr.Dataset, table: VariableTable | None = None) -> "Fields":
        """Find the fields of a dataset whose mesh is known already.

        Args:
            mesh: mesh of the dataset.
            dataset: a trajectory or forecast; it needs no topology.
            table: variables to look for; the default variable table by default.

        Raises:
            InputError: no variable of the table, or one on other dimensions.
        """
        _check_times(dataset)
        found = tuple(one for one in (table or default_variables()).variables if one.name in dataset.data_vars)

        if not found:
            raise InputError(
                f"no variable of the table; it has {', '.join(map(str, dataset.data_vars)) or 'no variables'}"
            )

        for variable in found:
            _check_dimensions(dataset[variable.name], mesh)
            check_unit("dataset", dataset[variable.name], variable)
            if variable.vector is not None and variable.vector not in dataset.data_vars:
                raise InputError(f"'{variable.name}' is here but its other component '{variable.vector}' is not")

        return cls(dataset, mesh, found)

    @property
    def record(self) -> str | None:
        """Dimension of the records (``time`` or ``lead_time``), or None for a single state."""
        return next((name for name in RECORDS if name in self.dataset.dims), None)

    @property
    def leading(self) -> tuple[str, ...]:
        """All dimensions before ``face`` or ``node``, in the order of files: start, trajectory, member, records."""
        used = {dim for one in self.variables for dim in self.dataset.variables[one.name].dims}
        names = [name for name in _OTHER_LEADING if name in used]
        return (*names, self.record) if self.record else tuple(names)

    def location(self, variable: Variable) -> str:
        """Return ``face`` or ``node``, the location of a variable."""
        return "node" if "node" in self.dataset[variable.name].dims else "face"

    @property
    def n_records(self) -> int:
        """Number of records, 1 for a single state."""
        return self.dataset.sizes[self.record] if self.record else 1

    @property
    def name(self) -> str:
        """Origin of the dataset, for messages."""
        return str(self.dataset.encoding.get("source", self.dataset.attrs.get("origin", "dataset")))

    @property
    def vectors(self) -> list[tuple[Variable, Variable]]:
        """The two components of each vector."""
        return [(self.variables[x], self.variables[y]) for x, y in vector_pairs(self.variables)]

    def blocks(self, n_values: int) -> Iterator[slice]:
        """Split the records into runs of about 32 MiB.

        Args:
            n_values: numbers that are written for each variable and record; if fewer than the faces or nodes of the
                mesh, these count instead.
        """
        members = math.prod(self.dataset.sizes[name] for name in self.leading if name != self.record)
        numbers = len(self.variables) * members * max(n_values, self.mesh.n_faces, self.mesh.n_nodes)
        step = max(1, _BLOCK_BYTES // (8 * numbers))

        return (slice(start, min(start + step, self.n_records)) for start in range(0, self.n_records, step))

    def read_all(self, block: slice) -> dict[str, Array]:
        """Read all variables of a run of records, see :meth:`read`."""
        return {one.name: self.read(one, block) for one in self.variables}

    def at_faces(self, values: dict[str, Array]) -> dict[str, Array]:
        """Return values with those on nodes averaged to the faces.

        Args:
            values: variable -> (..., face or node).
        """
        on_nodes = {one.name for one in self.variables if self.location(one) == "node"}
        return {name: self.mesh.to_faces(one) if name in on_nodes else one for name, one in values.items()}

    def read(self, variable: Variable, block: slice) -> Array:
        """Read the values of a run of records and check them.

        Args:
            variable: one of :attr:`variables`.
            block: numbers of the records.

        Returns:
            (*leading, face or node) float32, in the unit of the variable, within its bounds.

        Raises:
            InputError: missing or implausible values, or a file that cannot be read.
        """
        column = self.dataset[variable.name]
        if self.record in column.dims:
            column = column.isel({self.record: block})

        missing = {name: self.dataset.sizes[name] for name in self.leading if name not in column.dims}
        if missing:  # a variable without members or records is the same in all of them
            count = block.stop - block.start
            column = column.expand_dims(missing | ({self.record: count} if self.record in missing else {}))

        try:
            values = column.transpose(*self.leading, self.location(variable)).values
        except Exception as error:  # netCDF, HDF5, zarr and their codecs raise exceptions of all kinds
            raise InputError(f"{self.name}: '{variable.name}' cannot be read ({error}); is it complete?") from error

        check_field_values(self.name, values, variable, self.location(variable))
        return np.clip(values.astype(np.float32, copy=False), variable.lower, variable.upper)


def _check_dimensions(column: xr.DataArray, mesh: Mesh) -> None:
    sizes = {"face": mesh.n_faces, "node": mesh.n_nodes}
    where = [name for name in sizes if name in column.dims]
    others = {str(name) for name in column.dims} - {*where, *RECORDS, *_OTHER_LEADING}

    if len(where) != 1 or others or column.dtype.kind not in "iuf":
        raise InputError(
            f"'{column.name}' has dimensions {column.dims} and type {column.dtype}; expected numbers on (time, face), "
            "(member, lead_time, face) or the same on nodes"
        )
    if column.sizes[where[0]] != sizes[where[0]]:
        raise InputError(
            f"'{column.name}' has {column.sizes[where[0]]} {where[0]}s, the mesh uses {sizes[where[0]]}; nodes without "
            "a face must be left out of both"
        )


def holds_fields(path: Path) -> bool:
    """Return True if a path has fields on its mesh, judged by names and dimensions only; never raises."""
    file = FilePath(path)
    if find_format(file) is not None:
        return True
    if not is_dataset(file) or not file.exists():
        return False

    try:
        with opened_dataset(file) as ds:
            names = {one.name for one in default_variables().variables} & set(map(str, ds.data_vars))
            return any({"face", "node"} & set(map(str, ds[name].dims)) for name in names)
    except InputError:
        return False  # the reader that opens it next reports the damage


def _check_times(dataset: xr.Dataset) -> None:
    empty = [name for name in (*RECORDS, *_OTHER_LEADING) if dataset.sizes.get(name) == 0]
    if empty:
        raise InputError(f"the dimension '{empty[0]}' is empty; is the file complete?")

    if "time" in dataset.coords:
        times_of(dataset)


@contextmanager
def opened_fields(path: Path, mesh: Mesh | None = None) -> Iterator[xr.Dataset]:
    """Open a trajectory or forecast of any format; UGRID files of this package stay open and are read as needed.

    Args:
        path: a path that :func:`~gensim_graph.io.open_store` opens, or a forecast.
        mesh: mesh of the result for files of other programs. Files of this package stay on their own mesh.

    Raises:
        InputError: see :func:`~gensim_graph.io.open_store`.
    """
    file = FilePath(path)
    if not is_dataset(file) or not file.exists() or find_format(file) is not None:
        yield open_store(file, mesh)
        return

    failure = None
    with naming(file), opened_dataset(file) as dataset:
        fields = with_own_time(dataset)
        fields.encoding["source"] = str(file)
        try:
            yield fields
        except Exception as error:  # from the caller's code: must not become an error about this file
            failure = error

    if failure is not None:
        raise failure

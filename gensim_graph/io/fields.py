"""Fields of a dataset as writers want them: on faces or nodes, a few records at a time, checked as they come.

A dataset is a trajectory of :func:`~gensim_graph.data.open_store` or a forecast, in memory or open: what is open is
read record by record, so that memory does not grow with its length.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.checks import check_field_values, check_unit
from gensim_graph.io.formats import find_format
from gensim_graph.io.safe import DATASET_SUFFIXES, opened_dataset
from gensim_graph.io.store import open_store
from gensim_graph.io.ugrid import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Path
from gensim_graph.variables import Variable, VariableTable, default_variables, vector_pairs

RECORDS = ("time", "lead_time")
"""Dimensions along which a dataset grows."""

_OTHERS = ("start", "trajectory", "member")
_TOGETHER = 2**25  # bytes that are read together


@dataclass(frozen=True)
class Fields:
    """Variables of the table in a dataset.

    Attributes:
        dataset: where they are.
        mesh: its mesh.
        variables: those of the table that it has.
    """

    dataset: xr.Dataset
    mesh: Mesh
    variables: tuple[Variable, ...]

    @classmethod
    def of(cls, dataset: xr.Dataset, table: VariableTable | None = None) -> "Fields":
        """Fields of a dataset with a topology.

        Raises:
            InputError: no topology, no variable of the table, or one on other dimensions.
        """
        return cls.on(mesh_from_dataset(dataset), dataset, table)

    @classmethod
    def on(cls, mesh: Mesh, dataset: xr.Dataset, table: VariableTable | None = None) -> "Fields":
        """Fields of a dataset on a mesh that is at hand.

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
        """The dimension along which it grows, or None for a single state."""
        return next((name for name in RECORDS if name in self.dataset.dims), None)

    @property
    def leading(self) -> tuple[str, ...]:
        """All dimensions before the place, in the order of files: start, trajectory, member, then records."""
        names = [name for name in _OTHERS if any(name in self.dataset[one.name].dims for one in self.variables)]
        return (*names, self.record) if self.record else tuple(names)

    def location(self, variable: Variable) -> str:
        """``face`` or ``node``."""
        return "node" if "node" in self.dataset[variable.name].dims else "face"

    @property
    def n_records(self) -> int:
        """Number of records, 1 for a single state."""
        return self.dataset.sizes[self.record] if self.record else 1

    @property
    def name(self) -> str:
        """Where they come from, for messages."""
        return str(self.dataset.encoding.get("source", self.dataset.attrs.get("origin", "dataset")))

    @property
    def vectors(self) -> list[tuple[Variable, Variable]]:
        """The two components of each vector."""
        return [(self.variables[x], self.variables[y]) for x, y in vector_pairs(self.variables)]

    def blocks(self, places: int) -> Iterator[slice]:
        """Runs of records that fit into memory together, if they have ``places`` numbers a variable."""
        members = math.prod(self.dataset.sizes[name] for name in self.leading if name != self.record)
        numbers = len(self.variables) * members * max(places, self.mesh.n_faces, self.mesh.n_nodes)
        step = max(1, _TOGETHER // (8 * numbers))
        return (slice(start, min(start + step, self.n_records)) for start in range(0, self.n_records, step))

    def read_all(self, block: slice) -> dict[str, Array]:
        """Values of all variables of a run of records, see :meth:`read`."""
        return {one.name: self.read(one, block) for one in self.variables}

    def at_faces(self, values: dict[str, Array]) -> dict[str, Array]:
        """The same, nodes averaged to faces."""
        on_nodes = {one.name for one in self.variables if self.location(one) == "node"}
        return {name: self.mesh.to_faces(one) if name in on_nodes else one for name, one in values.items()}

    def read(self, variable: Variable, block: slice) -> Array:
        """Values of a run of records (*leading, place) in float32, checked.

        Raises:
            InputError: gaps or implausible values.
        """
        column = self.dataset[variable.name]
        if self.record in column.dims:
            column = column.isel({self.record: block})

        missing = {name: self.dataset.sizes[name] for name in self.leading if name not in column.dims}
        if missing:
            count = block.stop - block.start
            column = column.expand_dims(missing | ({self.record: count} if self.record in missing else {}))

        try:
            values = column.transpose(*self.leading, self.location(variable)).values
        except Exception as error:  # whatever netCDF, HDF5, zarr and their codecs raise
            raise InputError(f"{self.name}: '{variable.name}' cannot be read ({error}); is it complete?") from error

        check_field_values(self.name, values, variable, self.location(variable))
        return np.clip(values.astype(np.float32), variable.lower, variable.upper).astype(np.float32)


def _check_dimensions(column: xr.DataArray, mesh: Mesh) -> None:
    sizes = {"face": mesh.n_faces, "node": mesh.n_nodes}
    where = [name for name in sizes if name in column.dims]
    others = {str(name) for name in column.dims} - {*where, *RECORDS, *_OTHERS}

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
    """Whether a path has fields on its mesh, as far as names say; never raises."""
    file = FilePath(path)
    if find_format(file) is not None:
        return True
    if file.suffix.lower() not in DATASET_SUFFIXES or not file.exists():
        return False

    try:
        with opened_dataset(file) as ds:
            names = {one.name for one in default_variables().variables} & set(map(str, ds.data_vars))
            return any({"face", "node"} & set(map(str, ds[name].dims)) for name in names)
    except InputError:
        return False  # whoever reads it next says what is wrong


def _check_times(dataset: xr.Dataset) -> None:
    empty = [name for name in (*RECORDS, *_OTHERS) if dataset.sizes.get(name) == 0]
    if empty:
        raise InputError(f"the dimension '{empty[0]}' is empty; is the file complete?")
    if "time" in dataset.coords and dataset["time"].dtype.kind != "M":
        raise InputError("'time' has no calendar dates; it needs units such as 'hours since 2000-01-01'")


@contextmanager
def opened_fields(path: Path, mesh: Mesh | None = None) -> Iterator[xr.Dataset]:
    """A trajectory or forecast of any kind of file; UGRID files of this package stay open and are read as needed.

    Args:
        path: what :func:`~gensim_graph.data.open_store` opens, or a forecast.
        mesh: for files of others: the mesh to have them on. Ours come as they are.

    Raises:
        InputError: see :func:`~gensim_graph.data.open_store`.
    """
    file = FilePath(path)
    if file.suffix.lower() not in DATASET_SUFFIXES or not file.exists() or find_format(file) is not None:
        yield open_store(file, mesh)
        return

    failure = None
    with naming(file), opened_dataset(file) as dataset:
        dataset.encoding["source"] = str(file)
        try:
            yield dataset
        except Exception as error:  # of whoever uses it: not a matter of this file
            failure = error

    if failure is not None:
        raise failure

"""Fields of a grid of longitude and latitude on the faces of a mesh: one record at a time, checked when it is read."""

import logging
from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.cf.lonlat_axes import find_axes, has_cells_as_faces
from gensim_graph.io.cf.lonlat_weights import LonLatWeights, weights_to
from gensim_graph.io.checks import check_field_values, check_unit
from gensim_graph.io.names import conversion, find_name, with_known_names
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, vector_pairs

log = logging.getLogger(__name__)


class _Direct(NamedTuple):
    """A variable that is one variable of the file times a factor plus an offset."""

    source: str
    factor: float
    offset: float

    def values_of(self, record: xr.Dataset, weights: LonLatWeights) -> Array:
        """Values (P,) at the grid points that are used, in the unit of the table."""
        return self.factor * _values_at(weights, record[self.source]) + self.offset


class LonLatFields:
    """Interpolation of the records of a file to a mesh, see :mod:`~gensim_graph.io.cf.lonlat_weights`.

    Args:
        ds: the file, with times; only its first record is read.
        mesh: mesh of the result.
        table: variables to read.

    Attributes:
        names: variables of the table that the file has.

    Raises:
        InputError: none of the variables, or a grid that does not cover the mesh.
    """

    def __init__(self, ds: xr.Dataset, mesh: Mesh, table: VariableTable) -> None:
        axes = find_axes(ds)
        assert axes is not None  # for_mesh makes these fields for such grids only
        self._weights = weights_to(axes, mesh)
        self._table = table
        self._direct: dict[str, _Direct] = {}
        first = ds.isel(time=[0]).isel(self._weights.box)
        columns = self._found(first, [one.name for one in table.variables], report=True)
        self.names = tuple(columns)
        self._direct = _direct_sources(first, columns, self._weights, table)

        if not self.names:
            wanted = ", ".join(variable.name for variable in table.variables)
            has = ", ".join(map(str, ds.data_vars)) or "no fields"
            raise InputError(f"none of {wanted} on {axes.dims}; it has {has}. Give a file with winds, --forcing")

    @classmethod
    def for_mesh(cls, ds: xr.Dataset, mesh: Mesh, table: VariableTable) -> "LonLatFields | None":
        """Return the fields of a file on a mesh; None for other grids, and if the faces are cells of the grid.

        Args:
            ds: the file, with times.
            mesh: mesh of the result.
            table: variables to read.

        Raises:
            InputError: see :class:`LonLatFields`.
        """
        axes = find_axes(ds)
        return None if axes is None or has_cells_as_faces(axes, mesh) else cls(ds, mesh, table)

    def read(
        self, name: str, record: xr.Dataset, faces: Array | None = None, names: Collection[str] | None = None
    ) -> dict[str, Array]:
        """Read one record.

        Args:
            name: origin, for messages.
            record: the file at one time, (time=1, ...).
            faces: (n,) numbers of the faces; None for all.
            names: variables to read, both components of a vector; None for all.

        Returns:
            Variable -> (F,) or (n,) float32, in the units of the table, vectors along the axes of the mesh.

        Raises:
            InputError: missing or implausible values, or another unit.
        """
        result = {}
        for key, values in self._columns(name, record.isel(self._weights.box), names).items():
            variable = self._table[key]
            column = self._weights.apply(values, faces)
            check_field_values(name, column, variable)
            result[key] = np.clip(column, variable.lower, variable.upper).astype(np.float32, copy=False)

        return result

    def _columns(self, name: str, record: xr.Dataset, names: Collection[str] | None) -> dict[str, Array]:
        """Variable -> values (P,) at the grid points that are used, vectors along the axes of the plane."""
        chosen = [one for one in self.names if names is None or one in names]
        if self._direct:
            columns = {one: self._direct[one].values_of(record, self._weights) for one in chosen}
        else:
            found = self._found(record, chosen, report=False)
            for one, column in found.items():
                check_unit(name, column, self._table[one])
            columns = {one: _values_at(self._weights, column) for one, column in found.items()}

        self._turn(columns)
        return columns

    def _found(self, record: xr.Dataset, names: Collection[str], report: bool) -> dict[str, xr.DataArray]:
        """Variable -> its column in the file, with the units of the table."""
        ds = with_known_names(record, report)
        dims = {"time", *self._weights.positions.dims}
        return {name: ds[name] for name in names if name in ds.variables and _lies_on(ds[name], dims)}

    def _turn(self, columns: dict[str, Array]) -> None:
        """Turn vectors from east and north to the axes of the plane, in place."""
        for x, y in vector_pairs(self._table.variables):
            first, second = self._table.variables[x].name, self._table.variables[y].name
            if (first in columns) != (second in columns):
                here, missing = (first, second) if first in columns else (second, first)
                raise InputError(f"'{here}' is here but its other component '{missing}' is not")
            if first in columns:
                directions = self._weights.positions.axes
                columns[first], columns[second] = directions.to_plane(columns[first], columns[second])


def _direct_sources(
    record: xr.Dataset, columns: dict[str, xr.DataArray], weights: LonLatWeights, table: VariableTable
) -> dict[str, _Direct]:
    """Find the variable of the file for each variable; empty if one of them is computed in another way.

    Looking for the names takes longer than reading a record, and loaders of a training read thousands of them.
    """
    result = {}
    for name, column in columns.items():
        source = find_name(record, table[name])
        if source is None or not _lies_on(record[source], {"time", *weights.positions.dims}):
            return {}

        unit = str(record[source].attrs.get("units", table[name].units)).strip()
        change = conversion(unit, table[name].units)
        if change is None or {"valid_range", "valid_min", "valid_max"} & set(record[source].attrs):
            return {}

        result[name] = _Direct(source, *change)
        expected = _values_at(weights, column)
        if not np.allclose(result[name].values_of(record, weights), expected, rtol=1e-5, atol=0.0, equal_nan=True):
            return {}

    return result


def _lies_on(column: xr.DataArray, dims: set[str]) -> bool:
    """Return True for a variable on the dimensions of the grid and of time; others have size 1."""
    return dims == {str(dim) for dim in column.dims if dim in dims or column.sizes[dim] > 1}


def _values_at(weights: LonLatWeights, column: xr.DataArray) -> Array:
    """Values of one record at the grid points that are used, (P,) float64."""
    dims = weights.positions.dims
    single = [dim for dim in column.dims if dim not in ("time", *dims)]
    values = column.squeeze(single, drop=True).isel(time=0).transpose(*dims).values

    return np.asarray(values.reshape(-1)[weights.positions.index], dtype=np.float64)

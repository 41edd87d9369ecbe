"""Fields of a grid of longitude and latitude on the faces of a mesh, one record at a time, checked when they are read."""

import logging
from collections.abc import Collection

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.cf.lonlat_axes import find_axes, has_cells_as_faces
from gensim_graph.io.cf.lonlat_weights import LonLatWeights, weights_to
from gensim_graph.io.checks import check_field_values, check_unit
from gensim_graph.io.names import with_known_names
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, vector_pairs

log = logging.getLogger(__name__)


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
        self.names = tuple(self._columns(ds.isel(time=[0]), None, report=True))

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
        for key, (values, attributes) in self._columns(record, names, report=False).items():
            variable = self._table[key]
            check_unit(name, xr.DataArray(attrs=attributes), variable)
            column = self._weights.apply(values, faces)
            check_field_values(name, column, variable)
            result[key] = np.clip(column, variable.lower, variable.upper).astype(np.float32, copy=False)

        return result

    def _columns(
        self, record: xr.Dataset, names: Collection[str] | None, report: bool
    ) -> dict[str, tuple[Array, dict]]:
        """Variable -> values at the grid points that are used, vectors along the axes of the plane; and attributes."""
        ds = with_known_names(record.isel(self._weights.box), report)
        dims = {"time", *self._weights.positions.dims}
        chosen = [one.name for one in self._table.variables if names is None or one.name in names]
        found = [name for name in chosen if name in ds.variables and _lies_on(ds[name], dims)]

        columns = {name: _values_at(self._weights, ds[name]) for name in found}
        self._turn(columns)

        return {name: (columns[name], ds[name].attrs) for name in found}

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


def _lies_on(column: xr.DataArray, dims: set[str]) -> bool:
    """Return True for a variable on the dimensions of the grid and of time; others have size 1."""
    return dims == {str(dim) for dim in column.dims if dim in dims or column.sizes[dim] > 1}


def _values_at(weights: LonLatWeights, column: xr.DataArray) -> Array:
    """Values of one record at the grid points that are used, (P,) float64."""
    dims = weights.positions.dims
    single = [dim for dim in column.dims if dim not in ("time", *dims)]
    values = column.squeeze(single, drop=True).isel(time=0).transpose(*dims).values

    return np.asarray(values.reshape(-1)[weights.positions.index], dtype=np.float64)

"""Cell centres of a gridded dataset, found by CF attributes and by the names that models use.

:func:`find_coordinates` is the entry; UGRID readers use :func:`is_angle` and :func:`in_metres_or_degrees` for the
coordinates of their nodes.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.grid_mapping import crs_of, grid_mapping_variable
from gensim_graph.typing import Array

_LENGTHS = dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0)
_LENGTHS |= dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0)
_ANGLES = dict.fromkeys(("radian", "radians", "rad"), float(np.degrees(1.0)))


@dataclass(frozen=True)
class _Quantity:
    """Signs by which a coordinate is recognised.

    Attributes:
        standard_name: its CF standard name.
        names: names that models give it.
        units: units that only this coordinate has.
        names_in_length: names that count only together with a unit of length.
    """

    standard_name: str
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    names_in_length: tuple[str, ...] = ()


_LON = _Quantity(
    "longitude",
    ("longitude", "lon", "glamt", "nav_lon", "TLON", "TLONG", "geolon", "XC", "clon", "lonCell"),
    ("degrees_east", "degree_east", "degrees_E"),
)
_LAT = _Quantity(
    "latitude",
    ("latitude", "lat", "gphit", "nav_lat", "TLAT", "geolat", "YC", "clat", "latCell"),
    ("degrees_north", "degree_north", "degrees_N"),
)
_X = _Quantity("projection_x_coordinate", ("x_coord",), names_in_length=("x", "X", "xc"))
_Y = _Quantity("projection_y_coordinate", ("y_coord",), names_in_length=("y", "Y", "yc"))
_RLON, _RLAT = _Quantity("grid_longitude", ("rlon",)), _Quantity("grid_latitude", ("rlat",))

Kind = Literal["globe", "plane", "rotated"]
"""Longitude and latitude in degrees, x and y in metres, or degrees of a globe with a rotated pole."""


@dataclass(frozen=True)
class Coordinates:
    """Cell centres of a dataset, in degrees or metres.

    Attributes:
        x: x or longitude. ``x`` and ``y`` are both 1-D (two axes, or the cells of an unstructured grid) or both 2-D.
        y: y or latitude.
        kind: quantity and unit of ``x`` and ``y``.
        crs: plane of the metres, or the rotated pole, if the file has a grid mapping.
    """

    x: xr.DataArray
    y: xr.DataArray
    kind: Kind
    crs: CRS | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of the cells: (y, x), or the single dimension of an unstructured grid."""
        return tuple(map(str, self.x.dims if self.x.ndim == 2 else dict.fromkeys((*self.y.dims, *self.x.dims))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along :attr:`dims`."""
        sizes = {**self.x.sizes, **self.y.sizes}
        return tuple(sizes[name] for name in self.dims)

    def as_arrays(self) -> tuple[Array, Array]:
        """Return ``x`` and ``y`` as float64 arrays."""
        return self.x.values.astype(np.float64), self.y.values.astype(np.float64)


def find_coordinates(ds: xr.Dataset) -> Coordinates:
    """Find the cell centres of a gridded dataset.

    Axes in metres are taken first, if the file says in which plane they lie; then longitude and latitude; then the axes
    of a rotated pole; at last axes in metres of an unknown plane.

    Raises:
        InputError: there are no coordinates, or x and y do not belong together.
    """
    mapping = grid_mapping_variable(ds)
    crs = None if mapping is None else crs_of(mapping)
    metres = _pair(ds, _X, _Y)
    if metres and crs is not None and crs.is_projected:
        return Coordinates(*metres, "plane", crs)

    if degrees := _pair(ds, _LON, _LAT):
        return Coordinates(*degrees, "globe")
    if crs is not None and (rotated := _pair(ds, _RLON, _RLAT)):
        return Coordinates(*rotated, "rotated", crs)
    if metres:
        return Coordinates(*metres, "plane")

    raise InputError(
        "the dataset has no mesh topology and no grid: expected a UGRID topology (a variable with "
        "cf_role = 'mesh_topology'), longitude and latitude, or x and y with units of m or km; it has "
        f"{', '.join(map(str, ds.variables)) or 'nothing'}"
    )


def _pair(ds: xr.Dataset, first: _Quantity, second: _Quantity) -> tuple[xr.DataArray, xr.DataArray] | None:
    x, y = _find(ds, first), _find(ds, second)
    if x is None or y is None:
        return None
    if x.ndim != y.ndim or (x.ndim == 2 and x.dims != y.dims):
        raise InputError(f"coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} do not belong together")

    return x, y


def _find(ds: xr.Dataset, quantity: _Quantity) -> xr.DataArray | None:
    """Find the variable of a coordinate: 2-D variables before 1-D ones, known names before attributes."""
    names = [name for name in quantity.names if name in ds.variables]
    names += [
        name for name in quantity.names_in_length if name in ds.variables and ds[name].attrs.get("units") in _LENGTHS
    ]

    for name, column in ds.variables.items():
        if _has_signs_of(column, quantity) and name not in names:
            names.append(str(name))

    found = [first_record(ds[name], 2) for name in names]
    found = [column for column in found if column.ndim in (1, 2) and column.dtype.kind in "fiu"]

    # Arrays of corners (cell, 4) may have the same attributes as the centres, and more dimensions: leave them out.
    bounds = {str(column.attrs.get("bounds")) for column in found}
    found = [column for column in found if column.name not in bounds]
    best = max(found, key=lambda column: column.ndim, default=None)  # the first one with the most dimensions

    return None if best is None else _scaled(best)


def first_record(column: xr.DataArray, dimensions: int) -> xr.DataArray:
    """Return the first record of a variable: NEMO and others put time or level before the dimensions of the grid.

    Args:
        column: any variable.
        dimensions: number of last dimensions to keep.
    """
    leading = column.dims[: max(column.ndim - dimensions, 0)]
    return column.isel(dict.fromkeys(leading, 0), drop=True)


def _scaled(column: xr.DataArray) -> xr.DataArray:
    factor = _factor(column)
    return column if factor == 1.0 else (column * factor).rename(column.name).assign_attrs(column.attrs)


def _factor(column: xr.DataArray) -> float:
    """Factor from the unit of a coordinate to metres or degrees."""
    unit = str(column.attrs.get("units", ""))
    return _LENGTHS.get(unit, _ANGLES.get(unit, 1.0))


def in_metres_or_degrees(column: xr.DataArray) -> Array:
    """Return the values of a coordinate in metres or degrees, float64."""
    return _factor(column) * column.values.astype(np.float64)


def is_angle(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a longitude or a latitude."""
    unit = str(column.attrs.get("units", ""))
    return unit.startswith("degree") or unit in _ANGLES or _has_signs_of(column, _LON) or is_latitude(column)


def is_latitude(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a latitude."""
    return _has_signs_of(column, _LAT)


def _has_signs_of(column: xr.DataArray | xr.Variable, quantity: _Quantity) -> bool:
    return column.attrs.get("standard_name") == quantity.standard_name or column.attrs.get("units") in quantity.units

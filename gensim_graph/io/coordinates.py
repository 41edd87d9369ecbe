"""Where a gridded dataset keeps the centres of its cells: CF attributes and the names that models use."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

_LENGTHS = dict.fromkeys(("m", "metre", "meter", "metres", "meters"), 1.0)
_LENGTHS |= dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0)
_ANGLES = dict.fromkeys(("radian", "radians", "rad"), float(np.degrees(1.0)))


@dataclass(frozen=True)
class _Quantity:
    """How a coordinate is recognised: by its CF standard name, by a unit of its own, by a name that models use."""

    standard_name: str
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    needs_length: tuple[str, ...] = ()  # names that count only with a unit of length


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
_X = _Quantity("projection_x_coordinate", ("x_coord",), needs_length=("x", "X", "xc"))
_Y = _Quantity("projection_y_coordinate", ("y_coord",), needs_length=("y", "Y", "yc"))
_RLON, _RLAT = _Quantity("grid_longitude", ("rlon",)), _Quantity("grid_latitude", ("rlat",))

Kind = Literal["globe", "plane", "rotated"]
"""Degrees, metres, or degrees of a rotated pole."""


@dataclass(frozen=True)
class Coordinates:
    """Cell centres of a dataset, in degrees or metres.

    Attributes:
        x, y: both 1-D (two axes, or the cells of an unstructured grid) or both 2-D.
        kind: what they are.
        crs: plane of the metres or the rotated pole, where the file says.
    """

    x: xr.DataArray
    y: xr.DataArray
    kind: Kind
    crs: CRS | None = None

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions of the cells: (y, x), or the one of an unstructured grid."""
        return tuple(map(str, self.x.dims if self.x.ndim == 2 else dict.fromkeys((*self.y.dims, *self.x.dims))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along :attr:`dims`."""
        sizes = {**self.x.sizes, **self.y.sizes}
        return tuple(sizes[name] for name in self.dims)

    def in_double(self) -> tuple[Array, Array]:
        """``x`` and ``y`` in float64."""
        return self.x.values.astype(np.float64), self.y.values.astype(np.float64)


def find_coordinates(ds: xr.Dataset) -> Coordinates:
    """Centres of the cells of a dataset.

    Axes in metres count where the file says in which plane they lie, or has nothing else; then longitude and latitude,
    then the axes of a rotated pole.

    Raises:
        InputError: there are none, or x and y do not belong together.
    """
    crs = grid_mapping(ds)
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


def grid_mapping(ds: xr.Dataset) -> CRS | None:
    """The crs that a dataset names by a CF grid mapping."""
    found = (crs_of(variable) for variable in ds.variables.values())
    return next((crs for crs in found if crs is not None), None)


def crs_of(variable: xr.DataArray | xr.Variable) -> CRS | None:
    """The crs of a CF grid mapping; None if the variable is none.

    Raises:
        InputError: pyproj does not understand it.
    """
    if not {"grid_mapping_name", "crs_wkt"} & set(variable.attrs):
        return None
    try:
        return CRS.from_cf(variable.attrs)
    except (CRSError, KeyError) as error:
        raise InputError(f"the grid mapping of the file is not understood ({error}); give crs=") from None


def _pair(ds: xr.Dataset, first: _Quantity, second: _Quantity) -> tuple[xr.DataArray, xr.DataArray] | None:
    x, y = _find(ds, first), _find(ds, second)
    if x is None or y is None:
        return None
    if x.ndim != y.ndim or (x.ndim == 2 and x.dims != y.dims):
        raise InputError(f"coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} do not belong together")

    return x, y


def _find(ds: xr.Dataset, quantity: _Quantity) -> xr.DataArray | None:
    """The variable that holds a coordinate: two dimensions before one, common names before attributes."""
    names = [name for name in quantity.names if name in ds.variables]
    names += [
        name for name in quantity.needs_length if name in ds.variables and ds[name].attrs.get("units") in _LENGTHS
    ]

    for name, column in ds.variables.items():
        if _means(column, quantity) and name not in names:
            names.append(str(name))

    found = [first_record(ds[name], 2) for name in names]
    found = [column for column in found if column.ndim in (1, 2) and column.dtype.kind in "fiu"]
    # Corner arrays (cell, 4) carry the same attributes: they come after the centres, but must not win by dimension.
    bounds = {str(column.attrs.get("bounds")) for column in found}
    found = [column for column in found if column.name not in bounds]
    best = max(found, key=lambda column: column.ndim, default=None)  # the first of several

    return None if best is None else _scaled(best)


def first_record(column: xr.DataArray, dimensions: int) -> xr.DataArray:
    """The first along all but the last dimensions, which NEMO and others put before the grid (time, level)."""
    leading = column.dims[: max(column.ndim - dimensions, 0)]
    return column.isel(dict.fromkeys(leading, 0), drop=True)


def _scaled(column: xr.DataArray) -> xr.DataArray:
    factor = _factor(column)
    return column if factor == 1.0 else (column * factor).rename(column.name).assign_attrs(column.attrs)


def _factor(column: xr.DataArray) -> float:
    """To metres or degrees."""
    unit = str(column.attrs.get("units", ""))
    return _LENGTHS.get(unit, _ANGLES.get(unit, 1.0))


def in_double(column: xr.DataArray) -> Array:
    """Values in metres or degrees, float64."""
    return _factor(column) * column.values.astype(np.float64)


def is_angle(column: xr.DataArray) -> bool:
    """Whether a coordinate is a longitude or a latitude."""
    unit = str(column.attrs.get("units", ""))
    return unit.startswith("degree") or unit in _ANGLES or _means(column, _LON) or is_latitude(column)


def is_latitude(column: xr.DataArray) -> bool:
    """Whether a coordinate is a latitude."""
    return _means(column, _LAT)


def _means(column: xr.DataArray | xr.Variable, quantity: _Quantity) -> bool:
    return column.attrs.get("standard_name") == quantity.standard_name or column.attrs.get("units") in quantity.units

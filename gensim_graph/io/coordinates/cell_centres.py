"""Cell centres of a gridded dataset, found by CF attributes and by the names that models use.

:func:`find_coordinates` is the entry; UGRID readers use :func:`is_angle` and :func:`in_metres_or_degrees` for the
coordinates of their nodes.
"""

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates.repeated_records import without_records
from gensim_graph.io.grid_mapping import crs_of, grid_mapping_variable
from gensim_graph.io.names import known_fields, parse_unit
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_ANGLES = dict.fromkeys(("radian", "radians", "rad"), float(np.degrees(1.0)))


@dataclass(frozen=True)
class _Quantity:
    """Signs by which a coordinate is recognised.

    Attributes:
        standard_names: CF standard names.
        names: names that models give it, the centres of cells first.
        units: units that only this coordinate has.
        names_in_length: names that count only together with a unit of length.
        is_length: True for x and y, False for degrees.
    """

    standard_names: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...] = ()
    names_in_length: tuple[str, ...] = ()
    is_length: bool = False


_LON = _Quantity(
    ("longitude", "grid_longitude_at_cell_center"),
    ("lon_rho", "longitude", "lon", "glamt", "nav_lon", "nav_lon_grid_T", "TLON", "TLONG", "geolon", "XC", "clon",
     "lonCell", "lons", "grid_lont"),
    ("degrees_east", "degree_east", "degrees_E", "degree_E", "degreeE", "degreesE"),
)  # fmt: skip
_LAT = _Quantity(
    ("latitude", "grid_latitude_at_cell_center"),
    ("lat_rho", "latitude", "lat", "gphit", "nav_lat", "nav_lat_grid_T", "TLAT", "geolat", "YC", "clat",
     "latCell", "lats", "grid_latt"),
    ("degrees_north", "degree_north", "degrees_N", "degree_N", "degreeN", "degreesN"),
)  # fmt: skip
_X = _Quantity(("projection_x_coordinate",), ("x_coord",), (), ("x", "X", "xc", "x_rho", "XC"), is_length=True)
_Y = _Quantity(("projection_y_coordinate",), ("y_coord",), (), ("y", "Y", "yc", "y_rho", "YC"), is_length=True)
_RLON, _RLAT = _Quantity(("grid_longitude",), ("rlon",)), _Quantity(("grid_latitude",), ("rlat",))

_MOST_CORNERS = 12
"""No cell of the models that we know has more corners."""

Kind = Literal["globe", "plane", "rotated"]
"""Longitude and latitude in degrees, x and y in metres, or degrees of a globe with a rotated pole."""


@dataclass(frozen=True)
class Coordinates:
    """Cell centres of a dataset, in degrees or metres.

    Attributes:
        x: x or longitude. ``x`` and ``y`` are both 1-D (two axes, or the cells of an unstructured grid), both 2-D, or
            both 3-D: tiles of a grid, such as the six faces of a cubed sphere, each of rows and columns.
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
        """Dimensions of the cells: (y, x), (tile, y, x), or the single dimension of an unstructured grid."""
        return tuple(map(str, self.x.dims if self.x.ndim > 1 else dict.fromkeys((*self.y.dims, *self.x.dims))))

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of cells along :attr:`dims`."""
        sizes = {**self.x.sizes, **self.y.sizes}
        return tuple(sizes[name] for name in self.dims)

    def as_arrays(self) -> tuple[Array, Array]:
        """Return ``x`` and ``y`` as float64 arrays."""
        return self.x.values.astype(np.float64), self.y.values.astype(np.float64)


def find_coordinates(ds: xr.Dataset, crs: CRS | None = None) -> Coordinates:
    """Find the cell centres of a gridded dataset.

    Axes in metres are taken first, if the file says in which plane they lie; then longitude and latitude; then the axes
    of a rotated pole; at last axes in metres of an unknown plane. If there are several pairs (C grids, files of several
    grids), the one that the fields lie on is taken: the pair that their attribute ``coordinates`` names, else a pair on
    their dimensions. Without fields of the variable table, the names of cell centres decide.

    Args:
        ds: the dataset.
        crs: plane of axes in metres if the dataset has a grid mapping that is not understood.

    Raises:
        InputError: there are no coordinates, x and y do not belong together, their unit is not known, or they change
            with time.
    """
    mapping = grid_mapping_variable(ds)
    metres = _pair(ds, _X, _Y)
    degrees = _pair(ds, _LON, _LAT)
    if degrees and metres and _is_constant(degrees):  # ROMS on a plane writes zeros
        degrees = None
    stored = _readable_crs(mapping, is_needed=degrees is None and crs is None)

    if metres and stored is not None and stored.is_projected and not (degrees and _unknown_length(metres)):
        return _scaled_pair(metres, "plane", stored)
    if degrees:
        return _scaled_pair(degrees, "globe")
    if stored is not None and (rotated := _pair(ds, _RLON, _RLAT)):
        return _scaled_pair(rotated, "rotated", stored)
    if metres:
        return _scaled_pair(metres, "plane")

    raise InputError(
        "the dataset has no mesh topology and no grid: expected a UGRID topology (a variable with "
        "cf_role = 'mesh_topology'), longitude and latitude, or x and y with units of m or km; it has "
        f"{', '.join(map(str, ds.variables)) or 'nothing'}"
    )


def _readable_crs(mapping: xr.Variable | None, is_needed: bool) -> CRS | None:
    """The crs of a grid mapping; one that is not understood is left out if it is not needed."""
    if mapping is None:
        return None
    try:
        return crs_of(mapping)
    except InputError as error:
        if is_needed:
            raise
        log.warning("%s: it is not used", str(error).partition(";")[0])
        return None


_Pair = tuple[xr.DataArray, xr.DataArray]


def _is_constant(pair: _Pair) -> bool:
    return all(column.size > 1 and np.ptp(np.nan_to_num(column.values)) == 0 for column in pair)


def _pair(ds: xr.Dataset, first: _Quantity, second: _Quantity) -> _Pair | None:
    """The two coordinates of the cells that the fields lie on; None if the dataset does not have both quantities."""
    xs, ys = _find(ds, first), _find(ds, second)
    if not xs or not ys:
        return None

    pairs = _matching(xs, ys)
    if not pairs:
        x, y = (max(found, key=lambda column: column.ndim) for found in (xs, ys))
        raise InputError(f"coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} do not belong together")

    usable = [pair for pair in pairs if _is_usable(pair, pairs)] or pairs
    named = _named_by_fields(ds, usable)
    if named is not None:
        return named

    centres = [pair for pair in usable if pair[0].name in first.names or not _is_lattice(pair, usable)] or usable
    best = max(pair[0].ndim for pair in centres)
    return next(pair for pair in centres if pair[0].ndim == best)


def _matching(xs: list[xr.DataArray], ys: list[xr.DataArray]) -> list[_Pair]:
    pairs = [(x, y) for x in xs for y in ys if x.ndim == y.ndim and (x.ndim == 1 or x.dims == y.dims)]
    return [pair for pair in pairs if _named_alike(pair, pairs)] or pairs


def find_points(ds: xr.Dataset, name: str) -> _Pair | None:
    """Return longitude and latitude in degrees of the points of a field; None if they are not known.

    They are arrays of its rows and columns. The pair that its attribute ``coordinates`` names is taken, else one on its
    dimensions.

    Args:
        ds: the dataset.
        name: name of the field.
    """
    column = ds[name]
    pairs = [pair for pair in _matching(_find(ds, _LON), _find(ds, _LAT)) if set(pair[0].dims) <= set(column.dims)]
    pairs = [pair for pair in pairs if pair[0].ndim > 1 and all(np.isfinite(one.values).any() for one in pair)]
    told = names_of_coordinates(column)
    named = [pair for pair in pairs if {pair[0].name, pair[1].name} <= set(told)]
    found = next(iter(named or pairs), None)

    return None if found is None else (_scaled(found[0]), _scaled(found[1]))


def names_of_coordinates(column: xr.DataArray) -> list[str]:
    """Return the names in the attribute ``coordinates`` of a field, empty without it."""
    return str(column.encoding.get("coordinates", column.attrs.get("coordinates", ""))).split()


def _named_alike(pair: _Pair, pairs: list[_Pair]) -> bool:
    """Return False for a mixture of two pairs on the same dimensions, such as TLON and ULAT."""
    x, y = pair
    swapped = str(x.name).lower().replace("lon", "lat").replace("lam", "phi").replace("x", "y")
    partners = {str(other.name).lower() for one, other in pairs if one.name == x.name and one.dims == x.dims}
    return swapped == str(y.name).lower() or swapped not in partners


def _is_usable(pair: _Pair, pairs: list[_Pair]) -> bool:
    """Return False for coordinates that nowhere have a value, and for the corners (cell, 4) of another pair."""
    if not all(np.isfinite(column.values).any() for column in pair):
        return False
    return not any(_are_corners_of(pair[0], other) for other in pairs)


def _is_lattice(pair: _Pair, pairs: list[_Pair]) -> bool:
    return any(is_lattice_of(pair[0], other[0]) for other in pairs)


def _are_corners_of(corners: xr.DataArray, centres: _Pair) -> bool:
    """Return True for the corners (cell, 4) or (y, x, 4) of cells."""
    x, y = centres
    is_small = 3 <= corners.shape[-1] <= _MOST_CORNERS
    return corners.dims[:-1] == x.dims and corners.dims[-1] not in y.dims and is_small


def is_lattice_of(corners: xr.DataArray, centres: xr.DataArray) -> bool:
    """Return True if an array has one row and one column more than the cells: the corners of a grid.

    Args:
        corners: longitude or x, of at least two dimensions.
        centres: the same of the cell centres.
    """
    more = (*centres.shape[:-2], *(size + 1 for size in centres.shape[-2:]))
    return centres.ndim >= 2 and corners.shape == more


def _named_by_fields(ds: xr.Dataset, pairs: list[_Pair]) -> _Pair | None:
    """The pair on which the fields of the variable table lie, concentration first; None if they lie on none."""
    for name in known_fields(ds):
        column = ds[name]
        on_dims = [pair for pair in pairs if set(pair[0].dims) | set(pair[1].dims) <= set(column.dims)]
        told = names_of_coordinates(column)
        by_attribute = [pair for pair in on_dims if {pair[0].name, pair[1].name} <= set(told)]
        for found in (by_attribute, on_dims):
            if found and column.ndim >= 2:
                most = max(pair[0].ndim for pair in found)
                return next(pair for pair in found if pair[0].ndim == most)

    return None


def _find(ds: xr.Dataset, quantity: _Quantity) -> list[xr.DataArray]:
    """Find the variables that may be a coordinate: known names before attributes, without records in time."""
    names = [name for name in quantity.names if name in ds.variables]
    names += [name for name in quantity.names_in_length if name in ds.variables and _is_length(ds[name])]

    for name, column in ds.variables.items():
        if _has_signs_of(column, quantity) and name not in names:
            names.append(str(name))

    if not quantity.is_length:
        names = [name for name in names if not _is_length(ds[name])]

    # Arrays of corners (cell, 4) may have the same attributes as the centres, and more dimensions: leave them out.
    bounds = {str(ds[name].attrs.get("bounds", "")) for name in names}
    names = [name for name in names if name not in bounds and ds[name].dtype.kind in "fiu"]
    found = [without_records(ds[name], 2, ds) for name in names]

    return [column for column in found if column.ndim in (1, 2, 3)]


def _scaled_pair(pair: _Pair, kind: Kind, crs: CRS | None = None) -> Coordinates:
    unknown = _unknown_length(pair) if kind == "plane" else None
    if unknown is not None:
        raise InputError(f"'{unknown.name}' is in '{unknown.attrs.get('units')}'; expected m, km or another length")

    tiles = pair[0].dims[0] if pair[0].ndim == 3 else None
    if tiles is not None and kind != "globe":
        raise InputError(
            f"'{pair[0].name}' has tiles along '{tiles}'; tiles can be read with longitude and latitude only"
        )

    x, y = (_scaled(column) for column in pair)
    return Coordinates(x, y, kind, crs)


def _is_length(column: xr.DataArray | xr.Variable) -> bool:
    unit = parse_unit(column.attrs.get("units", "none"))
    return unit is not None and unit.powers == (("m", 1),)


def _unknown_length(pair: _Pair) -> xr.DataArray | None:
    """The coordinate that is said to be in another unit than a length."""
    return next((column for column in pair if "units" in column.attrs and not _is_length(column)), None)


def _scaled(column: xr.DataArray) -> xr.DataArray:
    factor = _factor(column)
    return column if factor == 1.0 else (column * factor).rename(column.name).assign_attrs(column.attrs)


def _factor(column: xr.DataArray) -> float:
    """Factor from the unit of a coordinate to metres or degrees."""
    text = str(column.attrs.get("units", ""))
    unit = parse_unit(text)
    return unit.factor if unit is not None and _is_length(column) else _ANGLES.get(text, 1.0)


def in_metres_or_degrees(column: xr.DataArray) -> Array:
    """Return the values of a coordinate in metres or degrees, float64."""
    return _factor(column) * column.values.astype(np.float64)


def in_unknown_unit(column: xr.DataArray) -> bool:
    """Return True if a coordinate in a plane has a unit that is not a length."""
    return bool(str(column.attrs.get("units", "")).strip()) and not _is_length(column)


def is_angle(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a longitude or a latitude."""
    unit = str(column.attrs.get("units", ""))
    return unit.startswith("degree") or unit in _ANGLES or _has_signs_of(column, _LON) or is_latitude(column)


def is_latitude(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a latitude."""
    return _has_signs_of(column, _LAT)


def _has_signs_of(column: xr.DataArray | xr.Variable, quantity: _Quantity) -> bool:
    attrs = column.attrs
    return attrs.get("standard_name") in quantity.standard_names or attrs.get("units") in quantity.units

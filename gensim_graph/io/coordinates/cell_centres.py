"""Cell centres of a gridded dataset, found by CF attributes and by the names that models use.

:func:`find_coordinates` is the entry; UGRID readers use :func:`is_angle` for the coordinates of their nodes.
"""

import logging
from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates.coordinate_units import RADIANS, is_length, scaled
from gensim_graph.io.coordinates.repeated_records import is_record_dim, without_records
from gensim_graph.io.grid_mapping import CRS_ADVICE, plane_in
from gensim_graph.io.names import known_fields
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


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
    metres = _pair(ds, _X, _Y)
    degrees = _pair(ds, _LON, _LAT)
    if degrees and metres and _is_constant(degrees):  # ROMS on a plane writes zeros
        degrees = None
    stored, problem = plane_in(ds)

    if metres and stored is not None and stored.is_projected and not (degrees and _unknown_length(metres)):
        return _scaled_pair(metres, "plane", stored)
    if problem and (degrees or (metres and crs is None)):
        log.warning("%s; %s", problem, "longitude and latitude are used" if degrees else CRS_ADVICE)
    if degrees:
        return _scaled_pair(degrees, "globe")

    rotated = _pair(ds, _RLON, _RLAT)
    if rotated and stored is not None:
        return _scaled_pair(rotated, "rotated", stored)
    if metres:
        return _scaled_pair(metres, "plane")

    raise InputError(_words_on_coordinates(ds, rotated))


def _words_on_coordinates(ds: xr.Dataset, rotated: "_Pair | None") -> str:
    """Words on a dataset without coordinates that can be used; raises if there are some that change with time."""
    if rotated:
        return (
            f"'{rotated[0].name}' and '{rotated[1].name}' are degrees of a globe with another pole, and the file does "
            "not say which: expected a grid mapping rotated_latitude_longitude with grid_north_pole_latitude and "
            "grid_north_pole_longitude, or longitude and latitude of the cells"
        )
    for quantity in (_LON, _LAT, _X, _Y):
        _find(ds, quantity, may_move=False)

    return (
        "the dataset has no mesh topology and no grid: expected a UGRID topology (a variable with "
        "cf_role = 'mesh_topology'), longitude and latitude, or x and y with units of m or km; it has "
        f"{', '.join(map(str, ds.variables)) or 'nothing'}"
    )


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

    return None if found is None else (scaled(found[0]), scaled(found[1]))


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


def _find(ds: xr.Dataset, quantity: _Quantity, may_move: bool = True) -> list[xr.DataArray]:
    """Find the variables that may be a coordinate: known names before attributes, without records in time.

    Positions that change with time, such as those of buoys, are left out. They are refused if fields lie on them, or if
    ``may_move`` is False.
    """
    names = [name for name in quantity.names if name in ds.variables]
    names += [name for name in quantity.names_in_length if name in ds.variables and is_length(ds[name])]

    for name, column in ds.variables.items():
        if _has_signs_of(column, quantity) and name not in names:
            names.append(str(name))

    if not quantity.is_length:
        names = [name for name in names if not is_length(ds[name])]

    # Arrays of corners (cell, 4) may have the same attributes as the centres, and more dimensions: leave them out.
    bounds = {str(ds[name].attrs.get("bounds", "")) for name in names}
    names = [name for name in names if name not in bounds and ds[name].dtype.kind in "fiu"]
    found = []
    for name in names:
        try:
            found.append(without_records(ds[name], 2, ds))
        except InputError as error:
            if not may_move or _has_fields(ds, ds[name]):
                raise
            log.info("%s: '%s' is not used", error, name)

    return [column for column in found if column.ndim in (1, 2, 3)]


def _has_fields(ds: xr.Dataset, coordinate: xr.DataArray) -> bool:
    """Return True if fields of the variable table lie on the cells of a coordinate."""
    cells = {str(dim) for dim in coordinate.dims if not is_record_dim(str(dim), ds)}
    return any(cells <= set(map(str, ds[name].dims)) for name in known_fields(ds))


def _scaled_pair(pair: _Pair, kind: Kind, crs: CRS | None = None) -> Coordinates:
    unknown = _unknown_length(pair) if kind == "plane" else None
    if unknown is not None:
        raise InputError(f"'{unknown.name}' is in '{unknown.attrs.get('units')}'; expected m, km or another length")

    tiles = pair[0].dims[0] if pair[0].ndim == 3 else None
    if tiles is not None and kind != "globe":
        raise InputError(
            f"'{pair[0].name}' has tiles along '{tiles}'; tiles can be read with longitude and latitude only"
        )

    x, y = (scaled(column) for column in pair)
    return Coordinates(x, y, kind, crs)


def _unknown_length(pair: _Pair) -> xr.DataArray | None:
    """The coordinate that is said to be in another unit than a length."""
    return next((column for column in pair if "units" in column.attrs and not is_length(column)), None)


def is_angle(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a longitude or a latitude."""
    unit = str(column.attrs.get("units", ""))
    return unit.startswith("degree") or unit in RADIANS or _has_signs_of(column, _LON) or is_latitude(column)


def is_latitude(column: xr.DataArray) -> bool:
    """Return True if a coordinate is a latitude."""
    return _has_signs_of(column, _LAT)


def _has_signs_of(column: xr.DataArray | xr.Variable, quantity: _Quantity) -> bool:
    attrs = column.attrs
    return attrs.get("standard_name") in quantity.standard_names or attrs.get("units") in quantity.units

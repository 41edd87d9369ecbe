"""Corners of cells that a gridded dataset stores: for each cell its own, or a lattice that neighbours share."""

import logging

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import (
    Coordinates,
    first_record,
    first_with_values,
    is_lattice_of,
    is_record_dim,
    is_same_in_all,
    without_records,
)
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_BOUNDS = {
    axis: tuple(
        name.format(axis, short)
        for name in ("vertices_{0}", "{1}_bnds", "{1}_bounds", "{0}_bnds", "{0}_bounds", "{1}_vertices", "bounds_{1}",
                     "bounds_nav_{1}", "c{1}_vertices", "c{1}_bnds", "{1}t_bounds")
    )
    for axis, short in (("longitude", "lon"), ("latitude", "lat"))
}  # fmt: skip
"""Axis -> names that models use for the corners of cells."""

_LATTICES = (("corner_lons", "corner_lats"), ("grid_lon", "grid_lat"), ("geolonb", "geolatb"), ("geolon_c", "geolat_c"),
             ("lon_vert", "lat_vert"), ("glonf", "glatf"), ("x_vert", "y_vert"), ("XG", "YG"))  # fmt: skip
"""Names of the corners (ny + 1, nx + 1) of all cells: GEOS, FV3, MOM, ROMS, MITgcm."""

_UPPER_RIGHT = ("glamf", "gphif")
_LOWER_LEFT = ("XG", "YG")


def find_bounds(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return the corners of every cell as the file stores them, in degrees; None if it has none that can be used.

    Cells in rows and columns need no corners: those that do not fit the cells are left out with a warning.

    Args:
        ds: the dataset.
        where: its cell centres.

    Returns:
        Longitude and latitude, each (*shape, k) for k corners of a cell, or (n, 2) for the bounds of an axis.

    Raises:
        InputError: cells that are not in rows and columns have corners of another shape.
    """
    found = []
    for centre, axis in ((where.x, "longitude"), (where.y, "latitude")):
        names = [str(centre.attrs.get("bounds", "")), *_BOUNDS[axis]]
        name = next((name for name in names if name in ds.variables and ds[name].dtype.kind in "fiu"), None)
        column = None if name is None else _in_one_record(ds[name], centre, ds)
        if column is None:
            return None

        values = column.values.astype(np.float64)
        if values.shape[:-1] != centre.shape or values.shape[-1] < 2:
            problem = f"corners '{name}' have shape {values.shape}, cells '{centre.name}' {centre.shape}"
            if len(where.dims) == 1:
                raise InputError(problem)
            log.warning("%s: they are not used", problem)
            return None
        if str(column.attrs.get("units", centre.attrs.get("units", ""))).startswith("rad"):
            values = np.degrees(values)

        found.append(values)

    if where.x.ndim > 1 and np.isnan(known_corners(found[0], found[1])[0]).all():
        log.warning("the corners '%s' are missing at all cells: they are not used", name)
        return None

    return found[0], found[1]


def known_corners(lon: Array, lat: Array) -> tuple[Array, Array]:
    """Replace the corners of cells without any by NaN: values out of range, or the same value at all corners of a cell.

    Args:
        lon: (*shape, k) degrees east.
        lat: (*shape, k) degrees north.
    """
    missing = ~(np.abs(lat) <= 90.0 + 1e-6) | ~(np.abs(lon) <= 720.0)
    missing |= ((lon == lon[..., :1]) & (lat == lat[..., :1])).all(axis=-1, keepdims=True)
    return np.where(missing, np.nan, lon), np.where(missing, np.nan, lat)


def _in_one_record(corners: xr.DataArray, centre: xr.DataArray, ds: xr.Dataset) -> xr.DataArray | None:
    """The corners (*cells, corner) without records in time; None, with a warning, if they change with time."""
    for dim in map(str, corners.dims):
        is_leading = corners.dims[0] == dim and corners.ndim > centre.ndim + 1
        if dim in centre.dims or not (is_record_dim(dim, ds) or is_leading):
            continue
        if corners.sizes[dim] == 0 or not is_same_in_all(corners, dim):
            log.warning("the corners '%s' change along '%s', or have no record, and are not used", corners.name, dim)
            return None
        corners = first_with_values(corners, dim)

    rest = [dim for dim in corners.dims if dim not in centre.dims]
    return corners.transpose(*centre.dims, *rest) if set(centre.dims) <= set(corners.dims) else corners


def find_lattice(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return corners that neighbours share, (..., ny + 1, nx + 1) degrees; None if the dataset has none.

    Args:
        ds: the dataset.
        where: its cell centres, of a grid of rows and columns.
    """
    for names in _LATTICES:
        if all(name in ds.variables for name in names):
            try:
                lon, lat = (without_records(ds[name], 2, ds) for name in names)
            except InputError as error:
                log.warning("%s: '%s' is not used", error, names[0])
                continue
            if is_lattice_of(lon, where.x) and is_lattice_of(lat, where.x) and where.kind == "globe":
                return lon.values.astype(np.float64), lat.values.astype(np.float64)

    return None


def find_upper_right(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return NEMO's f-points, the upper right corner of each cell: longitude and latitude (ny, nx) degrees, or None.

    Args:
        ds: the dataset.
        where: its cell centres.
    """
    return _one_for_each_cell(ds, where, _UPPER_RIGHT)


def find_lower_left(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return the lower left corner of each cell, XG and YG of the MITgcm, in degrees, shaped as the cells; or None.

    Args:
        ds: the dataset.
        where: its cell centres.
    """
    return _one_for_each_cell(ds, where, _LOWER_LEFT) if where.kind == "globe" else None


def _one_for_each_cell(ds: xr.Dataset, where: Coordinates, names: tuple[str, str]) -> tuple[Array, Array] | None:
    if not all(name in ds.variables and ds[name].size for name in names):
        return None

    lon, lat = (first_record(ds[name], len(where.shape)).values.astype(np.float64) for name in names)
    return (lon, lat) if lon.shape == lat.shape == where.shape else None

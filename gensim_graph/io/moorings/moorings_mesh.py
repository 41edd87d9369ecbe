"""The grid of neXtSIM's moorings.

The grid is regular in the plane of the model, but the file holds only longitude and latitude in single precision.
Projecting them recovers the axes of the grid to about 0.1 m. Values belong to points; the cells of the mesh are the
squares around these points. A grid that neXtSIM has read from a file is not regular and keeps longitude and latitude.
"""

from pathlib import Path as FilePath

import netCDF4
import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError
from gensim_graph.io.cf import read_grid
from gensim_graph.io.grid_mapping import crs_variable
from gensim_graph.io.safe import is_netcdf_with, opened, read_values
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS, lonlat_to_plane
from gensim_graph.typing import Array

GRID_DIMS = ("y", "x")
FIELD_DIMS = ("time", "y", "x")

_MAPPING = "Polar_Stereographic_Grid"
_SOURCE = "neXtSIM model fields"
_MAX_OFFSET = 3.0  # m from a regular grid, three times the rounding of latitudes in single precision
_TOLERANCES = {
    "straight_vertical_longitude_from_pole": 1e-4,
    "standard_parallel": 1e-4,
    "semi_major_axis": 1.0,
    "semi_minor_axis": 1.0,
}
"""Parameter of the plane -> error by its single precision, in degrees or m."""


def is_moorings(path: FilePath) -> bool:
    """Return True if a file holds moorings of neXtSIM."""
    return is_netcdf_with(path, _holds_moorings)


def read_moorings_mesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """Read the mesh of moorings: squares around the points that have values.

    Args:
        path: the file.
        crs: the plane of the mesh; None keeps that of the grid.

    Raises:
        InputError: a damaged file, or coordinates that are no grid.
    """
    with opened(path) as content:
        fields = _fields_on_grid(content)
        if not fields or not len(content.dimensions["time"]):
            raise InputError("moorings without fields on (time, y, x) do not say where land is")

        ocean = np.isfinite(read_values(fields[0])[0])
        return read_grid(read_coordinates(content), crs, ocean).mesh


def read_coordinates(content: netCDF4.Dataset) -> xr.Dataset:
    """Read the coordinates of the grid.

    Returns:
        ``x`` and ``y`` in m with the grid mapping ``crs`` for a regular grid, else longitude and latitude in degrees.

    Raises:
        InputError: they are missing or not on the globe.
    """
    lon = _read_degrees(content, "longitude", 360.0)
    lat = _read_degrees(content, "latitude", 90.0)
    crs = _plane(content)

    if crs is None:
        longitude = (GRID_DIMS, lon, {"units": "degrees_east"})
        latitude = (GRID_DIMS, lat, {"units": "degrees_north"})
        return xr.Dataset(coords={"longitude": longitude, "latitude": latitude})

    points = lonlat_to_plane(lon.ravel(), lat.ravel(), crs).reshape(*lon.shape, 2)
    x, y = _regular_axes(points)
    coords = {
        "x": ("x", x, {"units": "m", "standard_name": "projection_x_coordinate"}),
        "y": ("y", y, {"units": "m", "standard_name": "projection_y_coordinate"}),
    }

    return xr.Dataset({"crs": crs_variable(crs)}, coords=coords)


def vectors_along_axes(content: netCDF4.Dataset) -> bool | None:
    """Return True if vectors point along the axes of the grid, False for east and north, None if the file does not say.

    neXtSIM stores this in the attribute ``false_easting`` of the grid mapping, which is no distance there.

    Raises:
        InputError: the attribute is neither 0 nor 1.
    """
    if _MAPPING not in content.variables:
        return None

    flag = getattr(content.variables[_MAPPING], "false_easting", None)
    if flag not in (0.0, 1.0):
        raise InputError(
            f"false_easting of '{_MAPPING}' is {flag}; expected 1 (vectors along the grid) or 0 (east, north)"
        )

    return bool(flag == 1.0)


def _holds_moorings(content: netCDF4.Dataset) -> bool:
    if "longitude" not in content.variables:
        return False

    from_nextsim = _MAPPING in content.variables or getattr(content, "source", "") == _SOURCE
    on_grid = content.variables["longitude"].dimensions == GRID_DIMS
    # Grids that others derived from moorings keep the attributes, but have no fields.
    return from_nextsim and on_grid and bool(_fields_on_grid(content))


def _fields_on_grid(content: netCDF4.Dataset) -> list[netCDF4.Variable]:
    return [variable for variable in content.variables.values() if variable.dimensions == FIELD_DIMS]


def _read_degrees(content: netCDF4.Dataset, name: str, limit: float) -> Array:
    if name not in content.variables:
        raise InputError(f"moorings need longitude and latitude on (y, x); '{name}' is missing")

    values = read_values(content.variables[name]).astype(np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not (np.abs(values) <= limit).all():
        raise InputError(f"'{name}' {values.shape} must be degrees on at least 2 x 2 points; the file is damaged")

    return values


def _plane(content: netCDF4.Dataset) -> CRS | None:
    """Return the plane of the model from its rounded parameters; None if the grid is not regular in that plane."""
    if _MAPPING not in content.variables:
        return None

    parameters = {key: value for key, value in NEXTSIM_CRS.to_cf().items() if key != "crs_wkt"}
    stored = content.variables[_MAPPING].__dict__

    for name, tolerance in _TOLERANCES.items():
        value = float(stored.get(name, parameters[name]))
        if not abs(value - parameters[name]) <= tolerance:
            parameters[name] = value

    try:
        crs = CRS.from_cf(parameters)
    except CRSError as error:
        raise InputError(f"'{_MAPPING}' is no projection ({error}); the file is damaged") from None

    return NEXTSIM_CRS if crs == NEXTSIM_CRS else crs


def _regular_axes(points: Array) -> tuple[Array, Array]:
    """Return the x and y axes (nx,), (ny,) of points (ny, nx, 2) in the plane, in m."""
    x = _evenly_spaced(points[..., 0].mean(axis=0))
    y = _evenly_spaced(points[..., 1].mean(axis=1))
    offset = max(np.abs(points[..., 0] - x).max(), np.abs(points[..., 1] - y[:, None]).max())

    if offset > _MAX_OFFSET:
        raise InputError(
            f"longitude and latitude are up to {offset:.3g} m off a regular grid in the plane of '{_MAPPING}'; the "
            "file is damaged"
        )

    return x, y


def _evenly_spaced(values: Array) -> Array:
    """Fit evenly spaced values to (n,) values by least squares."""
    position = np.arange(len(values)) - 0.5 * (len(values) - 1)
    return values.mean() + position * (position @ values) / (position @ position)

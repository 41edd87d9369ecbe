"""The grid of neXtSIM's moorings, its output on a regular grid in netCDF.

The grid is regular in the plane of the model, but only longitude and latitude are stored, in single precision; its axes
come back to about 0.1 m by projecting them. Values belong to points; the cells are the squares around them. A grid that
neXtSIM read from a file is not regular and keeps its longitude and latitude.
"""

from pathlib import Path as FilePath

import netCDF4
import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError
from gensim_graph.io.cf import read_grid
from gensim_graph.io.safe import has, opened, read_values
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import NEXTSIM_CRS, lonlat_to_plane
from gensim_graph.typing import Array

_MAPPING = "Polar_Stereographic_Grid"
_SOURCE = "neXtSIM model fields"
_ROUNDING = 3.0  # m, three times that of latitudes in single precision
_GRID = ("y", "x")
_ROUNDED = {
    "straight_vertical_longitude_from_pole": 1e-4,
    "standard_parallel": 1e-4,
    "semi_major_axis": 1.0,
    "semi_minor_axis": 1.0,
}
"""Parameters of the plane and how far single precision puts them off, degrees and m."""


def is_moorings(path: FilePath) -> bool:
    """Whether a file holds moorings of neXtSIM."""
    if not has(path, "longitude"):
        return False
    try:
        with opened(path) as content:
            own = _MAPPING in content.variables or getattr(content, "source", "") == _SOURCE
            on_grid = content.variables["longitude"].dimensions == _GRID
            # Grids that others derived from moorings keep the attributes, without the fields.
            return own and on_grid and any(one.dimensions == ("time", *_GRID) for one in content.variables.values())
    except InputError:
        return False


def read_moorings_mesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """Squares around the points at which moorings have values.

    Raises:
        InputError: a damaged file, or coordinates that are no grid.
    """
    with opened(path) as content:
        fields = [one for one in content.variables.values() if one.dimensions == ("time", *_GRID)]
        if not fields or not len(content.dimensions["time"]):
            raise InputError("moorings without fields on (time, y, x) do not say where land is")
        ocean = np.isfinite(read_values(fields[0])[0])
        return read_grid(read_axes(content), crs, ocean).mesh


def read_axes(content: netCDF4.Dataset) -> xr.Dataset:
    """Coordinates of the grid: ``x``, ``y`` in m with ``crs`` where it is regular, else longitude and latitude.

    Raises:
        InputError: they are missing or not on the globe.
    """
    lon, lat = (_degrees(content, name, limit) for name, limit in (("longitude", 360.0), ("latitude", 90.0)))
    crs = _plane(content)

    if crs is None:
        degrees = {"units": "degrees_east"}, {"units": "degrees_north"}
        return xr.Dataset(coords={"longitude": (_GRID, lon, degrees[0]), "latitude": (_GRID, lat, degrees[1])})

    axes = _regular(lonlat_to_plane(lon.ravel(), lat.ravel(), crs).reshape(*lon.shape, 2))
    named = {"x": "projection_x_coordinate", "y": "projection_y_coordinate"}
    coords = {
        key: (key, axis, {"units": "m", "standard_name": named[key]})
        for key, axis in zip(("x", "y"), axes, strict=True)
    }
    mapping = {key: value for key, value in crs.to_cf().items() if value is not None}

    return xr.Dataset({"crs": ((), np.int32(0), mapping)}, coords=coords)


def along_axes(content: netCDF4.Dataset) -> bool | None:
    """Whether vectors lie along the axes of the grid, or else east and north; None where the file does not say.

    neXtSIM keeps that in ``false_easting`` of the grid mapping, which is no distance there.
    """
    if _MAPPING not in content.variables:
        return None

    flag = getattr(content.variables[_MAPPING], "false_easting", None)
    if flag not in (0.0, 1.0):
        raise InputError(
            f"false_easting of '{_MAPPING}' is {flag}; expected 1 (vectors along the grid) or 0 (east, north)"
        )

    return bool(flag == 1.0)


def _degrees(content: netCDF4.Dataset, name: str, limit: float) -> Array:
    if name not in content.variables:
        raise InputError(f"moorings need longitude and latitude on (y, x); '{name}' is missing")

    values = read_values(content.variables[name]).astype(np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not (np.abs(values) <= limit).all():
        raise InputError(f"'{name}' {values.shape} must be degrees on at least 2 x 2 points; the file is damaged")

    return values


def _plane(content: netCDF4.Dataset) -> CRS | None:
    """The plane of the model, from its rounded parameters; None where the grid is not the model's own."""
    if _MAPPING not in content.variables:
        return None

    exact = {key: value for key, value in NEXTSIM_CRS.to_cf().items() if key != "crs_wkt"}
    stored = content.variables[_MAPPING].__dict__

    for name, rounding in _ROUNDED.items():
        value = float(stored.get(name, exact[name]))
        exact[name] = exact[name] if abs(value - exact[name]) <= rounding else value

    try:
        crs = CRS.from_cf(exact)
    except CRSError as error:
        raise InputError(f"'{_MAPPING}' is no projection ({error}); the file is damaged") from None

    return NEXTSIM_CRS if crs == NEXTSIM_CRS else crs


def _regular(points: Array) -> tuple[Array, Array]:
    """The two axes of points (ny, nx, 2) of the plane."""
    x, y = _line(points[..., 0].mean(axis=0)), _line(points[..., 1].mean(axis=1))
    off = max(np.abs(points[..., 0] - x).max(), np.abs(points[..., 1] - y[:, None]).max())

    if off > _ROUNDING:
        raise InputError(
            f"longitude and latitude are up to {off:.3g} m off a regular grid in the plane of '{_MAPPING}'; the file "
            "is damaged"
        )

    return x, y


def _line(values: Array) -> Array:
    """The evenly spaced values closest to some values."""
    count = np.arange(len(values)) - 0.5 * (len(values) - 1)
    return values.mean() + count * (count @ values) / (count @ count)

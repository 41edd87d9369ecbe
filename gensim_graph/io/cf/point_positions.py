"""Position of the values of a field relative to the centres of the cells: on their left or lower sides, or on corners.

The coordinates of the points decide, if the file has them. Otherwise it is the attribute ``c_grid_axis_shift`` (xgcm),
the number of points in a row, or the name of the dimension.
"""

import logging
import re

import numpy as np
import xarray as xr

from gensim_graph.io.coordinates import (
    TRAJECTORY,
    Coordinates,
    find_points,
    is_record_dim,
    names_of_coordinates,
)
from gensim_graph.mesh.build import known_degrees
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_SHIFTS: list[tuple[float, float]] = [(rows, columns) for rows in (0.0, 0.5, -0.5) for columns in (0.0, 0.5, -0.5)]
_CLOSE = 0.25  # in spacings: points closer to a shifted position than this lie there

_SUFFIXES = {"u": (0.0, 0.5), "v": (0.5, 0.0), "psi": (0.5, 0.5), "f": (0.5, 0.5)}
"""Ending of the names of dimensions in ROMS and NEMO (``xi_u``, ``x_grid_U``) -> shift of rows and columns."""

_AXES = {"xq": 0.5, "yq": 0.5, "i_g": -0.5, "j_g": -0.5}
"""Names of dimensions of sides in MOM6 and the MITgcm -> shift along them, in equally many cells and sides."""

_CICE_CORNERS = {"ULON", "ULAT"}
_CICE_DRIFT = ("uvel", "vvel")


def dims_of_points(column: xr.DataArray, where: Coordinates) -> tuple[str, str] | None:
    """Return the dimensions of rows and columns of a field; None if it has many more or fewer of them than cells.

    Args:
        column: the field.
        where: centres of the cells.
    """
    tiles = set(where.dims[:-2])
    rest = [str(dim) for dim in column.dims if dim not in tiles and str(dim) != TRAJECTORY]
    rest = [dim for dim in rest if column.sizes[dim] > 1 and not is_record_dim(dim, column.to_dataset(name="field"))]
    if len(rest) != 2 or not tiles <= set(column.dims):
        return None

    row, col = where.dims[-2:]
    dims = (rest[1], rest[0]) if rest[0] == col or rest[1] == row else (rest[0], rest[1])
    is_near = all(abs(column.sizes[dim] - size) <= 1 for dim, size in zip(dims, where.shape[-2:], strict=True))
    return dims if is_near else None


def shift_of(
    ds: xr.Dataset, name: str, dims: tuple[str, str], where: Coordinates, centres: Array
) -> tuple[float, float] | None:
    """Return the position of the points of a field relative to the centres, in rows and columns; None if unknown.

    Args:
        ds: the dataset, with the names of its file.
        name: name of the field.
        dims: its dimensions of rows and columns.
        where: centres of the cells.
        centres: result of :func:`positions_of`.
    """
    column = ds[name]
    is_on_cells = dims == where.dims[-2:]
    told = set(names_of_coordinates(column))

    if is_on_cells and not told and name.startswith(_CICE_DRIFT):
        log.warning("'%s' does not say where its values lie (coordinates): they are taken at the centres", name)
    if is_on_cells and told & _CICE_CORNERS and not told & set(map(str, ds.variables)) & _CICE_CORNERS:
        return 0.5, 0.5  # a subset of a file of CICE without the coordinates of the corners

    points = find_points(ds, name) if where.kind == "globe" else None
    if is_on_cells and (points is None or points[0].name not in told or points[0].name == where.x.name):
        return 0.0, 0.0
    if points is not None and points[0].dims[-2:] == dims and points[0].ndim == centres.ndim - 1:
        vectors = unit_vectors(*known_degrees(*(part.values.astype(np.float64) for part in points)))
        if np.isfinite(vectors).any():  # else they are fill values, as in some subsets of ROMS
            return _nearest_shift(vectors, centres)

    rows = _shift_along(ds, dims, 0, where)
    columns = _shift_along(ds, dims, 1, where)
    return None if rows is None or columns is None else (rows, columns)


def _shift_along(ds: xr.Dataset, dims: tuple[str, str], axis: int, where: Coordinates) -> float | None:
    """Shift along an axis from what xgcm calls the axis shift, the number of points, or the name of the dimension."""
    dim = dims[axis]
    if dim == where.dims[axis - 2]:
        return 0.0
    if dim in ds.variables and "c_grid_axis_shift" in ds[dim].attrs:
        return float(ds[dim].attrs["c_grid_axis_shift"])

    more = ds.sizes[dim] - where.shape[axis - 2]
    if more:
        return -0.5 * more

    ending = re.split(r"[_\d]", dim.lower())[-1]
    return _AXES[dim] if dim in _AXES else _SUFFIXES[ending][axis] if ending in _SUFFIXES else None


def _nearest_shift(points: Array, centres: Array) -> tuple[float, float] | None:
    """The shift of points (..., ny, nx, 3) whose positions are closest to the points; None if none is close."""
    step = np.nanmedian(np.linalg.norm(centres[..., 1:, :] - centres[..., :-1, :], axis=-1))
    step = min(step, np.nanmedian(np.linalg.norm(centres[..., 1:, :, :] - centres[..., :-1, :, :], axis=-1)))
    apart = {}

    for shift in _SHIFTS:
        target, first = _shifted_centres(centres, shift)
        here = points[..., first[0] : first[0] + target.shape[-3], first[1] : first[1] + target.shape[-2], :]
        target = target[..., : here.shape[-3], : here.shape[-2], :]
        distance = np.linalg.norm(target - here, axis=-1)
        apart[shift] = float(np.nanmedian(distance)) if np.isfinite(distance).any() else np.inf

    best = min(apart, key=lambda shift: apart[shift])
    return best if apart[best] < _CLOSE * step else None


def _shifted_centres(centres: Array, shift: tuple[float, float]) -> tuple[Array, tuple[int, int]]:
    """Positions between centres, and the numbers of the row and column of the first of them."""
    if shift[0]:
        centres = 0.5 * (centres[..., 1:, :, :] + centres[..., :-1, :, :])
    if shift[1]:
        centres = 0.5 * (centres[..., 1:, :] + centres[..., :-1, :])
    return centres, (int(shift[0] < 0), int(shift[1] < 0))


def positions_of(where: Coordinates) -> Array:
    """Return cell centres (..., ny, nx, 3) as unit vectors, or (ny, nx, 2) in a plane or on a rotated globe."""
    x, y = where.as_arrays()
    if x.ndim == 1:
        x, y = np.meshgrid(x, y)
    return unit_vectors(*known_degrees(x, y)) if where.kind == "globe" else np.stack([x, y], axis=-1)

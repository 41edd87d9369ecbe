"""Fields of staggered grids: drift on the sides (C grids) or corners (B grids) of the cells, brought to the centres.

ROMS, NEMO, MOM6 and the MITgcm keep the x component on the left or right sides of the cells and the y component on the
lower or upper ones; CICE keeps both on the upper right corners. Taken for values at the centres they would be wrong by
half a cell. A value at a centre is the mean of the two or four values around it; values that are missing (on land) do
not count. On the rim of the grid, a cell has the value of its only side.
"""

import logging
import re
from itertools import product

import numpy as np
import xarray as xr

from gensim_graph.io.coordinates import Coordinates, find_points, first_record, is_record_dim, names_of_coordinates
from gensim_graph.io.file_mesh import OffCentre
from gensim_graph.io.coordinates import TRAJECTORY
from gensim_graph.io.names import known_fields
from gensim_graph.mesh.build import known_degrees, shared_columns
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_SHIFTS = tuple(product((0.0, 0.5, -0.5), repeat=2))
_CLOSE = 0.25  # in spacings: points closer to a shifted position than this lie there

_SUFFIXES = {"u": (0.0, 0.5), "v": (0.5, 0.0), "psi": (0.5, 0.5), "f": (0.5, 0.5)}
"""Ending of the names of dimensions in ROMS and NEMO (``xi_u``, ``x_grid_U``) -> shift of rows and columns."""

_AXES = {"xq": 0.5, "yq": 0.5, "i_g": -0.5, "j_g": -0.5}
"""Names of dimensions of sides in MOM6 and the MITgcm -> shift along them, in equally many cells and sides."""

_POINT_MASKS = {
    (False, True): ("mask_u", "umask", "umaskutil", "wet_u"),
    (True, False): ("mask_v", "vmask", "vmaskutil", "wet_v"),
    (True, True): ("mask_psi", "fmask", "wet_c", "uvm", "umask"),
}
"""Shift along rows, along columns or not -> masks of sides and corners in ROMS, NEMO, MOM6 and CICE, 0 on land."""

_CICE_CORNERS = {"ULON", "ULAT"}
_CICE_DRIFT = ("uvel", "vvel")


def find_off_centre(ds: xr.Dataset, where: Coordinates) -> tuple[OffCentre, ...]:
    """Find the fields of the variable table that lie on sides or corners of the cells, and log them in one line.

    The coordinates of their points decide; without any, the number of points in a row, and the names of dimensions.

    Args:
        ds: the dataset, with the names of its file.
        where: centres of the cells.
    """
    if len(where.dims) < 2:
        return ()

    centres = _centres(where)
    cell_dims = (where.dims[-2], where.dims[-1])
    shared = shared_columns(centres) if centres.ndim == 3 and centres.shape[-1] == 3 else None
    found = []

    for name in known_fields(ds):
        dims = _point_dims(ds[name], where)
        shift = None if dims is None else _shift(ds, name, dims, where, centres)
        if dims is not None and shift is not None and (any(shift) or dims != cell_dims):
            cells = (where.shape[-2], where.shape[-1])
            found.append(OffCentre(name, dims, cell_dims, cells, shift, shared))

    if found:
        log.info("averaged from the sides or corners of the cells to their centres: %s", ", ".join(map(_text, found)))
    return tuple(found)


def at_centres(ds: xr.Dataset, found: tuple[OffCentre, ...]) -> xr.Dataset:
    """Average fields on sides or corners to the centres of the cells.

    Args:
        ds: the dataset, with the names of its file.
        found: result of :func:`find_off_centre` for the file.
    """
    return ds.drop_vars([one.name for one in found if one.name in ds]).assign(
        {one.name: _averaged(_without_land(ds, one), one) for one in found if one.name in ds}
    )


def _without_land(ds: xr.Dataset, one: OffCentre) -> xr.DataArray:
    """The values of a field, missing where a mask of its points says land; some programs write other values there."""
    for name in _POINT_MASKS.get((one.shift[0] != 0, one.shift[1] != 0), ()):
        mask = first_record(ds[name], 2) if name in ds.variables else None
        if mask is not None and mask.dims == one.dims and mask.dtype.kind in "fiub":
            return ds[one.name].where(xr.DataArray(mask.values == 1, dims=mask.dims))
    return ds[one.name]


def _averaged(column: xr.DataArray, one: OffCentre) -> xr.DataArray:
    rows, columns = (column.get_axis_num(dim) for dim in one.dims)
    periods = (None, one.shared)
    around = [
        _neighbours(cells, column.sizes[dim], shift, shared)
        for cells, dim, shift, shared in zip(one.cells, one.dims, one.shift, periods, strict=True)
    ]
    values = column.values
    total, count = np.zeros((), values.dtype), 0

    for row, col in product(*around):
        part = values.take(row, axis=rows).take(col, axis=columns)
        known = np.isfinite(part)
        total = total + np.where(known, part, 0)
        count = count + known

    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(values.dtype)

    renamed = dict(zip(one.dims, one.cell_dims, strict=True))
    dims = [renamed.get(str(dim), dim) for dim in column.dims]
    attrs = {key: value for key, value in column.attrs.items() if key != "coordinates"}

    return xr.DataArray(mean, dims=dims, attrs=attrs, name=column.name)


def _neighbours(cells: int, points: int, shift: float, shared: int | None) -> list[Array]:
    """Numbers of the points before and after each cell along an axis; one array if the points are the centres."""
    number = np.arange(cells)
    if shift == 0.0:
        return [np.minimum(number, points - 1)]

    before, after = (number - 1, number) if shift > 0 else (number, number + 1)
    if shared is not None and points == cells:
        before = np.where(before < 0, cells - 1 - shared, before)
        after = np.where(after >= points, shared, after)

    before, after = np.where(before < 0, after, before), np.where(after >= points, before, after)
    return [np.clip(before, 0, points - 1), np.clip(after, 0, points - 1)]


def _point_dims(column: xr.DataArray, where: Coordinates) -> tuple[str, str] | None:
    """Dimensions of rows and columns of a field; None if it is no field of about as many rows and columns as cells."""
    tiles = set(where.dims[:-2])
    rest = [str(dim) for dim in column.dims if dim not in tiles and str(dim) != TRAJECTORY]
    rest = [dim for dim in rest if column.sizes[dim] > 1 and not is_record_dim(dim, column.to_dataset(name="field"))]
    if len(rest) != 2 or not tiles <= set(column.dims):
        return None

    row, col = where.dims[-2:]
    dims = (rest[1], rest[0]) if rest[0] == col or rest[1] == row else (rest[0], rest[1])
    is_near = all(abs(column.sizes[dim] - size) <= 1 for dim, size in zip(dims, where.shape[-2:], strict=True))
    return dims if is_near else None


def _shift(
    ds: xr.Dataset, name: str, dims: tuple[str, str], where: Coordinates, centres: Array
) -> tuple[float, float] | None:
    """Position of the points of a field relative to the centres, in rows and columns; None if nobody knows."""
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


def _centres(where: Coordinates) -> Array:
    """Cell centres (..., ny, nx, 3) as unit vectors, or (ny, nx, 2) in a plane or on a rotated globe."""
    x, y = where.as_arrays()
    if x.ndim == 1:
        x, y = np.meshgrid(x, y)
    return unit_vectors(*known_degrees(x, y)) if where.kind == "globe" else np.stack([x, y], axis=-1)


def _text(one: OffCentre) -> str:
    places = {(True, True): "corners", (True, False): "lower or upper sides", (False, True): "left or right sides"}
    return f"'{one.name}' ({places.get((one.shift[0] != 0, one.shift[1] != 0), 'centres')})"

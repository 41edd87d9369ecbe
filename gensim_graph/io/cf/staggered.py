"""Fields of staggered grids: drift on the sides (C grids) or corners (B grids) of the cells, brought to the centres.

ROMS, NEMO, MOM6 and the MITgcm keep the x component on the left or right sides of the cells and the y component on the
lower or upper ones; CICE keeps both on the upper right corners. Taken for values at the centres they would be wrong by
half a cell. A value at a centre is the mean of the two or four values around it; values that are missing (on land) do
not count. On the rim of the grid, a cell has the value of its only side.
"""

import logging
from itertools import product

import numpy as np
import xarray as xr

from gensim_graph.io.cf.point_positions import dims_of_points, positions_of, shift_of
from gensim_graph.io.coordinates import Coordinates, first_record
from gensim_graph.io.file_mesh import OffCentre
from gensim_graph.io.names import known_fields
from gensim_graph.mesh.build import shared_columns
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_POINT_MASKS = {
    (False, True): ("mask_u", "umask", "umaskutil", "wet_u"),
    (True, False): ("mask_v", "vmask", "vmaskutil", "wet_v"),
    (True, True): ("mask_psi", "fmask", "wet_c", "uvm", "umask"),
}
"""Shift along rows, along columns or not -> masks of sides and corners in ROMS, NEMO, MOM6 and CICE, 0 on land."""


def find_off_centre(ds: xr.Dataset, where: Coordinates) -> tuple[OffCentre, ...]:
    """Find the fields of the variable table that lie on sides or corners of the cells, and log them in one line.

    The coordinates of their points decide; without any, the number of points in a row, and the names of dimensions.

    Args:
        ds: the dataset, with the names of its file.
        where: centres of the cells.
    """
    if len(where.dims) < 2:
        return ()

    centres = positions_of(where)
    cell_dims = (where.dims[-2], where.dims[-1])
    shared = shared_columns(centres) if centres.ndim == 3 and centres.shape[-1] == 3 else None
    found = []

    for name in known_fields(ds):
        dims = dims_of_points(ds[name], where)
        shift = None if dims is None else shift_of(ds, name, dims, where, centres)
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
        mask = first_record(ds[name], 2) if name in ds.variables and ds[name].size else None
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


def _text(one: OffCentre) -> str:
    places = {(True, True): "corners", (True, False): "lower or upper sides", (False, True): "left or right sides"}
    return f"'{one.name}' ({places.get((one.shift[0] != 0, one.shift[1] != 0), 'centres')})"

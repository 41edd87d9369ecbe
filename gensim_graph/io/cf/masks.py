"""Ocean cells of a gridded dataset, and the corners of cells that it stores."""

import logging

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import Coordinates, first_record
from gensim_graph.mesh.build import ocean_mask
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_MASKS = {"mask": True, "tmask": True, "tmaskutil": True, "wet": True, "ocean_mask": True, "land_mask": False}
"""Name of a mask -> True if its value 1 means ocean, False if it means land."""

_BOUNDS = {
    axis: tuple(
        name.format(axis, short)
        for name in ("vertices_{0}", "{1}_bnds", "{1}_bounds", "{0}_bnds", "{0}_bounds", "{1}_vertices", "bounds_{1}",
                     "bounds_nav_{1}", "c{1}_vertices", "c{1}_bnds", "{1}t_bounds")
    )
    for axis, short in (("longitude", "lon"), ("latitude", "lat"))
}  # fmt: skip
"""Axis -> names that models use for the corners of cells."""

_UPPER_RIGHT = ("glamf", "gphif")


def find_ocean(ds: xr.Dataset, where: Coordinates) -> Array:
    """Return True at the ocean cells of a grid, in the shape of the grid.

    The mask of the dataset decides; without a mask, a cell is ocean if the first field with gaps has a value there;
    without such a field, all cells are ocean.

    Args:
        ds: the dataset.
        where: its cell centres.
    """
    mask = find_mask(ds, where)
    return _cells_with_values(ds, where) if mask is None else mask


def find_mask(ds: xr.Dataset, where: Coordinates) -> Array | None:
    """Return the mask of a dataset, True = ocean, in the shape of the grid; None if it has none.

    Args:
        ds: the dataset.
        where: its cell centres.

    Raises:
        InputError: the mask has other values than 0 and 1, or no ocean.
    """
    for name, ocean_is_one in _mask_names(ds):
        column = first_record(ds[name], len(where.dims))
        if set(column.dims) == set(where.dims):
            values = np.nan_to_num(column.transpose(*where.dims).values)  # NaN is land
            return ocean_mask(values if ocean_is_one else 1 - values, where.shape)

    return None


def _mask_names(ds: xr.Dataset) -> list[tuple[str, bool]]:
    named = [(name, ocean_is_one) for name, ocean_is_one in _MASKS.items() if name in ds.variables]
    for name, column in ds.variables.items():
        standard = column.attrs.get("standard_name")
        if standard in ("sea_binary_mask", "land_binary_mask"):
            named.insert(0, (str(name), standard == "sea_binary_mask"))

    return named


def _cells_with_values(ds: xr.Dataset, where: Coordinates) -> Array:
    """Cells at which the first field with gaps has a value; all cells if no field has gaps."""
    for name, column in ds.data_vars.items():
        is_field = column.dtype.kind == "f" and tuple(column.dims[-len(where.dims) :]) == where.dims
        if not is_field or name in (where.x.name, where.y.name):
            continue

        has_value = np.isfinite(first_record(column, len(where.dims)).values)
        if has_value.any() and not has_value.all():
            log.warning("no mask in the file: %d cells where '%s' has no value are land", (~has_value).sum(), name)
            return has_value

    return np.ones(where.shape, dtype=bool)


def find_bounds(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return the corners of every cell as the file stores them, in degrees; None if it has none.

    Args:
        ds: the dataset.
        where: its cell centres.

    Returns:
        Longitude and latitude, each (*shape, k) for k corners of a cell, or (n, 2) for the bounds of an axis.

    Raises:
        InputError: the corners do not have the shape of the cells.
    """
    found = []
    for centre, axis in ((where.x, "longitude"), (where.y, "latitude")):
        names = [str(centre.attrs.get("bounds", "")), *_BOUNDS[axis]]
        name = next((name for name in names if name in ds.variables), None)
        if name is None:
            return None

        values = ds[name].values.astype(np.float64)
        if values.shape[:-1] != centre.shape or values.shape[-1] < 2:
            raise InputError(f"corners '{name}' have shape {values.shape}, cells '{centre.name}' {centre.shape}")
        if str(ds[name].attrs.get("units", centre.attrs.get("units", ""))).startswith("rad"):
            values = np.degrees(values)

        found.append(values)

    return found[0], found[1]


def find_upper_right(ds: xr.Dataset, where: Coordinates) -> tuple[Array, Array] | None:
    """Return NEMO's f-points, the upper right corner of each cell: longitude and latitude (ny, nx) degrees, or None.

    Args:
        ds: the dataset.
        where: its cell centres.
    """
    if not all(name in ds.variables for name in _UPPER_RIGHT):
        return None

    lon, lat = (first_record(ds[name], 2).values.astype(np.float64) for name in _UPPER_RIGHT)
    return (lon, lat) if lon.shape == where.shape else None

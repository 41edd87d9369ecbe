"""Ocean cells of a gridded dataset: from its mask, or from the gaps of its fields."""

import logging

import numpy as np
import xarray as xr

from gensim_graph.io.coordinates import Coordinates, first_record, is_record_dim
from gensim_graph.io.names import known_fields
from gensim_graph.mesh.build import ocean_mask
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_MASKS = dict.fromkeys(("mask_rho", "mask", "tmask", "tmaskutil", "wet", "ocean_mask", "maskC"), True)
_MASKS |= {"land_mask": False}
"""Name of a mask -> True if its value 1 means ocean, False if it means land."""


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
        if ds[name].size == 0:  # no record yet
            continue
        column = first_record(ds[name], len(where.dims))
        if set(column.dims) == set(where.dims):
            values = np.nan_to_num(column.transpose(*where.dims).values)  # NaN is land
            ocean = ocean_mask(values if ocean_is_one else 1 - values, where.shape)
            return _against_fields(ds, where, name, ocean)

    others = [name for name, _ in _mask_names(ds) if ds[name].ndim >= 2]
    if others:
        log.warning("the mask '%s' is not on the cells (%s): not used", "', '".join(others), ", ".join(where.dims))
    return None


def _against_fields(ds: xr.Dataset, where: Coordinates, mask: str, ocean: Array) -> Array:
    """Compare a mask with the first ice variable of the dataset; a model writes no ice on land, or zeros.

    Ice on all of the land contradicts the mask: it belongs to other fields, and the cells with values count. Ice on
    some of it may come from interpolation; the mask decides, and a warning tells how to choose otherwise.
    """
    fields = [name for name in known_fields(ds, "state") if tuple(ds[name].dims[-len(where.dims) :]) == where.dims]
    fields = [name for name in fields if ds[name].size]
    if not fields or ocean.all():
        return ocean

    values = first_record(ds[fields[0]], len(where.dims)).values
    on_land = values[~ocean]
    count = np.count_nonzero(np.isfinite(on_land) & (on_land != 0))

    if count == len(on_land):
        log.warning(
            "'%s' has values other than 0 on all %d cells that '%s' calls land: the mask is not used, the grid has %d "
            "cells", fields[0], count, mask, np.isfinite(values).sum(),
        )  # fmt: skip
        return np.isfinite(values)

    if count:
        log.warning(
            "the grid has %d cells, of which %d are land by '%s' and left out; '%s' has values on %d of them. If they "
            "are ocean, drop '%s' from the file (ncks -x -v %s)",
            ocean.size, len(on_land), mask, fields[0], count, mask, mask,
        )  # fmt: skip
    return ocean


def _mask_names(ds: xr.Dataset) -> list[tuple[str, bool]]:
    named = [(name, ocean_is_one) for name, ocean_is_one in _MASKS.items() if name in ds.variables]
    for name, column in ds.variables.items():
        standard = column.attrs.get("standard_name")
        if standard in ("sea_binary_mask", "land_binary_mask"):
            named.insert(0, (str(name), standard == "sea_binary_mask"))

    return named


def _cells_with_values(ds: xr.Dataset, where: Coordinates) -> Array:
    """Cells at which the first field with gaps has a value; all cells if no field has gaps.

    Of several records the first is used; of several levels, all: below the ground or the sea bed there is no value.
    """
    for name, column in ds.data_vars.items():
        is_field = column.dtype.kind == "f" and tuple(column.dims[-len(where.dims) :]) == where.dims
        if not is_field or not column.size or name in (where.x.name, where.y.name):
            continue

        leading = [str(dim) for dim in column.dims[: -len(where.dims)]]
        first = column.isel({dim: 0 for dim in leading if is_record_dim(dim, ds)})
        has_value = np.isfinite(first.values.reshape(-1, *where.shape)).any(axis=0)
        if has_value.any() and not has_value.all():
            log.warning("no mask in the file: %d cells where '%s' has no value are land", (~has_value).sum(), name)
            return np.asarray(has_value)

    return np.ones(where.shape, dtype=bool)

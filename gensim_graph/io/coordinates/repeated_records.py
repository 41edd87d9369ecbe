"""Coordinates that a file repeats at each time, although they do not change."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError

_RECORD_DIMS = {"time", "t", "record", "time_counter", "ocean_time", "valid_time", "date", "nt", "xtime"}
"""Dimensions of records in time, in lower case."""


def without_records(column: xr.DataArray, dimensions: int, ds: xr.Dataset) -> xr.DataArray:
    """Return the first record of a coordinate that a file repeats at each time (NEMO, files joined by xarray).

    Leading dimensions of size 1, and those along which all values are equal, are dropped in the same way. Another
    leading dimension is one of tiles, which stays.

    Args:
        column: the coordinate.
        dimensions: number of last dimensions that belong to the cells.
        ds: its dataset.

    Raises:
        InputError: the values change with time.
    """
    leading = [str(dim) for dim in column.dims[:-1]]
    for dim in leading:
        is_record = is_record_dim(dim, ds)
        if not is_record and (column.ndim <= dimensions or dim not in column.dims[:-dimensions]):
            continue

        first = column.isel({dim: 0}, drop=True)
        if column.sizes[dim] == 1 or is_same_in_all(column, dim):
            column = first
        elif is_record:
            raise InputError(
                f"'{column.name}' changes along '{dim}': a grid that moves cannot be read; take one record"
            )

    return column


def is_record_dim(dim: str, ds: xr.Dataset) -> bool:
    """Return True if a dimension is that of records in time.

    Args:
        dim: name of the dimension.
        ds: its dataset.
    """
    if dim.lower() in _RECORD_DIMS:
        return True
    if dim not in ds.variables:
        return False

    attrs = ds[dim].attrs
    is_time = attrs.get("axis") == "T" or attrs.get("standard_name") == "time" or " since " in str(attrs.get("units"))
    return ds[dim].dtype.kind == "M" or is_time


def is_same_in_all(column: xr.DataArray, dim: str) -> bool:
    """Return True if the values of all records are those of the first; one record is read at a time.

    Args:
        column: any variable.
        dim: one of its dimensions.
    """
    first = column.isel({dim: 0}).values
    rows = (column.isel({dim: index}).values for index in range(1, column.sizes[dim]))
    return all(np.allclose(row, first, rtol=1e-6, atol=1e-6, equal_nan=True) for row in rows)


def first_record(column: xr.DataArray, dimensions: int) -> xr.DataArray:
    """Return the first record of a variable: NEMO and others put time or level before the dimensions of the grid.

    Args:
        column: any variable.
        dimensions: number of last dimensions to keep.
    """
    leading = column.dims[: max(column.ndim - dimensions, 0)]
    return column.isel(dict.fromkeys(leading, 0), drop=True)

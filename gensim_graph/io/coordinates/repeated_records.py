"""Coordinates that a file repeats at each time, although they do not change."""

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

_RECORD_DIMS = {"time", "t", "record", "time_counter", "ocean_time", "valid_time", "date", "nt", "xtime"}
"""Dimensions of records in time, in lower case."""


def without_records(column: xr.DataArray, dimensions: int, ds: xr.Dataset) -> xr.DataArray:
    """Return the first record of a coordinate that a file repeats at each time (NEMO, files joined by xarray).

    Leading dimensions of size 1, and those along which all values are equal, are dropped in the same way. Another
    leading dimension is one of tiles, which stays. Records without any value do not count.

    Args:
        column: the coordinate.
        dimensions: number of last dimensions that belong to the cells.
        ds: its dataset.

    Raises:
        InputError: the values change with time, or the file has no record of them.
    """
    leading = [str(dim) for dim in column.dims[:-1]]
    for dim in leading:
        is_record = is_record_dim(dim, ds)
        if not is_record and (column.ndim <= dimensions or dim not in column.dims[:-dimensions]):
            continue

        if column.sizes[dim] == 0:
            raise InputError(f"'{column.name}' has no record, the dimension '{dim}' is empty; is the file complete?")
        if column.sizes[dim] == 1 or is_same_in_all(column, dim):
            column = first_with_values(column, dim)
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
    """Return True if all records with values have the same values; one record is read at a time.

    Args:
        column: any variable.
        dim: one of its dimensions.
    """
    first = first_with_values(column, dim).values
    rows = (column.isel({dim: index}).values for index in range(column.sizes[dim]))
    return all(np.allclose(row, first, rtol=1e-6, atol=1e-6, equal_nan=True) or not _has_value(row) for row in rows)


def first_with_values(column: xr.DataArray, dim: str) -> xr.DataArray:
    """Return the first record that has values: files joined by xarray have NaN where one of them lacked the variable.

    Args:
        column: any variable with at least one record.
        dim: the dimension of the records, which is dropped.
    """
    records = (column.isel({dim: index}, drop=True) for index in range(column.sizes[dim]))
    return next((record for record in records if _has_value(record.values)), column.isel({dim: 0}, drop=True))


def _has_value(values: Array) -> bool:
    return values.dtype.kind != "f" or bool(np.isfinite(values).any())


def first_record(column: xr.DataArray, dimensions: int) -> xr.DataArray:
    """Return the first record of a variable: NEMO and others put time or level before the dimensions of the grid.

    Args:
        column: any variable.
        dimensions: number of last dimensions to keep.
    """
    leading = column.dims[: max(column.ndim - dimensions, 0)]
    return column.isel(dict.fromkeys(leading, 0), drop=True)

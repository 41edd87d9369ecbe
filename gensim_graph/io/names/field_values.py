"""Values of fields in the units of the variable table, without flags."""

from typing import Any

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io.names.unit_spelling import conversion, parse_unit
from gensim_graph.variables import Variable

_SLACK = 1e-5
"""Rounding of a limit, in the unit of the values."""

_MOST_VALUES = 10_000_000
"""More values of an open file are not read for a check."""


def in_table_unit(column: xr.DataArray, variable: Variable, check: bool) -> tuple[xr.DataArray, bool]:
    """Convert values to the unit of the table; those of an unknown unit stay, and are refused later.

    Args:
        column: values with or without an attribute ``units``.
        variable: the variable of the table.
        check: refuse fractions and per cents whose values contradict their unit.

    Returns:
        The values, and True if they are in another unit now or the file did not say which.

    Raises:
        InputError: a per cent holds 0 to 1, a fraction holds 0 to 100, or a vector without a unit is very long.
    """
    has_unit = "units" in column.attrs
    unit = str(column.attrs.get("units", variable.units)).strip()
    if check and not has_unit:
        refuse_without_unit(column, variable)
    if check and variable.units == "1" and variable.upper == 1.0:
        _refuse_other_scale(column, unit if has_unit else "no unit", variable)

    change = conversion(unit, variable.units)
    if change is None:
        return column, False

    factor, offset = change
    result = column
    if (factor, offset) != (1.0, 0.0):
        dtype = column.dtype if column.dtype.kind == "f" else np.float64
        result = (column * factor + offset).astype(dtype).assign_attrs(column.attrs)

    result = result.assign_attrs(units=variable.units)
    result.encoding = dict(column.encoding)

    return result, (factor, offset) != (1.0, 0.0) or not has_unit


def refuse_without_unit(column: xr.DataArray, variable: Variable) -> None:
    """Refuse components of vectors without a unit beyond half of the plausible range: wind in km/h looks like that.

    Other variables need no such check, as their values in other units lie outside the plausible range.

    Args:
        column: values without an attribute ``units``. Of very many values, the first record is looked at.
        variable: the variable of the table.

    Raises:
        InputError: a value is too large to be in the unit of the table.
    """
    limit = 0.5 * variable.range[1]
    if variable.vector is None or not np.isfinite(limit) or not column.size or column.dtype.kind not in "fiu":
        return

    few = column if column.size <= _MOST_VALUES or not column.ndim else column[:1]
    low, high = float(few.min()), float(few.max())
    if max(-low, high) > limit:
        raise InputError(
            f"'{column.name}' has no units and runs from {low:.4g} to {high:.4g}; expected {variable.units}, in which "
            f"{limit:g} is very much. Set its units attribute, for instance to '{variable.units}' or 'km/h'"
        )


def _refuse_other_scale(column: xr.DataArray, unit: str, variable: Variable) -> None:
    """Refuse a per cent that holds 0 to 1, and a fraction that holds 0 to 100."""
    parsed = parse_unit("1" if unit == "no unit" else unit)
    if parsed is None or parsed.powers or not column.size or column.dtype.kind not in "fiu":
        return

    largest = float(column.max())
    if parsed.is_percent and 0.0 < largest <= 1.0 + 1e-3:
        raise InputError(
            f"'{column.name}' says '{unit}' but holds at most {largest:.4g}, as fractions do; set its units attribute "
            "to '1', or give per cent"
        )
    if parsed.factor == 1.0 and 2.0 < largest <= 110.0:
        raise InputError(
            f"'{column.name}' says '{unit}' but holds up to {largest:.4g}; expected fractions from 0 to 1. If it holds "
            "per cent, set its units attribute to '%'; flags of land must be missing values"
        )


def without_flags(column: xr.DataArray) -> xr.DataArray:
    """Remove values outside the attributes valid_range, valid_min and valid_max: flags of land and of missing data.

    These attributes are in the unit of the stored numbers, if they have the type of these.
    """
    limits = column.attrs.get("valid_range")
    low, high = limits if limits is not None and np.size(limits) == 2 else (None, None)
    low = column.attrs.get("valid_min", low)
    high = column.attrs.get("valid_max", high)
    if column.dtype.kind not in "f" or (low is None and high is None):
        return column

    keep = xr.ones_like(column, dtype=bool)
    if low is not None:
        keep &= column >= _unpacked(low, column) - _SLACK
    if high is not None:
        keep &= column <= _unpacked(high, column) + _SLACK

    result = column.where(keep)
    result.encoding = dict(column.encoding)
    return result


def _unpacked(limit: Any, column: xr.DataArray) -> float:
    """A limit of the stored numbers in the unit of the values."""
    stored = np.dtype(column.encoding.get("dtype", column.dtype))
    value = float(limit)
    if stored.kind in "iu" and np.asarray(limit).dtype.kind in "iu":
        unsigned = str(column.encoding.get("_Unsigned", column.attrs.get("_Unsigned", "false"))) == "true"
        value = value % 2 ** (8 * stored.itemsize) if unsigned and value < 0 else value
        value = value * float(column.encoding.get("scale_factor", 1.0)) + float(column.encoding.get("add_offset", 0.0))

    return value

"""Units of coordinates: lengths in metres, and angles in degrees or radians."""

import numpy as np
import xarray as xr

from gensim_graph.io.names import parse_unit
from gensim_graph.typing import Array

RADIANS = dict.fromkeys(("radian", "radians", "rad"), float(np.degrees(1.0)))
"""Spelling of radians -> degrees in one of them."""


def is_length(column: xr.DataArray | xr.Variable) -> bool:
    """Return True if the unit of a coordinate is a length."""
    unit = parse_unit(column.attrs.get("units", "none"))
    return unit is not None and unit.powers == (("m", 1),)


def scaled(column: xr.DataArray) -> xr.DataArray:
    """Return a coordinate in metres or degrees, with the attributes of the file."""
    factor = _factor(column)
    return column if factor == 1.0 else (column * factor).rename(column.name).assign_attrs(column.attrs)


def _factor(column: xr.DataArray) -> float:
    """Factor from the unit of a coordinate to metres or degrees."""
    text = str(column.attrs.get("units", ""))
    unit = parse_unit(text)
    return unit.factor if unit is not None and is_length(column) else RADIANS.get(text, 1.0)


def in_metres_or_degrees(column: xr.DataArray) -> Array:
    """Return the values of a coordinate in metres or degrees, float64."""
    return _factor(column) * column.values.astype(np.float64)


def in_unknown_unit(column: xr.DataArray) -> bool:
    """Return True if a coordinate in a plane has a unit that is not a length."""
    return bool(str(column.attrs.get("units", "")).strip()) and not is_length(column)

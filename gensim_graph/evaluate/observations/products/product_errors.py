"""Standard deviation of the error of an observed field, where its product gives one."""

import numpy as np
import xarray as xr

from gensim_graph.io.names import conversion
from gensim_graph.typing import Array

_TOTAL = (
    "total_standard_uncertainty",
    "total_standard_error",
    "total_uncertainty",
    "standard_error",
    "uncert_dX_and_dY",
)
_WORDS = ("standard_uncertainty", "standard_error", "uncertainty", "uncert", "stdev", "std", "unc", "error")
_TWO_COMPONENTS = (("sX", "sY"), ("uncert_dX", "uncert_dY"))


def error_of(ds: xr.Dataset, name: str, units: str) -> xr.DataArray | None:
    """Return the standard deviation of the error of a field; None if the product does not give it.

    Args:
        ds: the product, with the names of the file.
        name: the field.
        units: unit of the result.
    """
    for pair in _TWO_COMPONENTS:
        if set(pair) <= set(ds.variables) and "displacement" in str(ds[name].attrs.get("standard_name", "")):
            first, second = (_in_unit(ds, one, name, units) for one in pair)
            return None if first is None or second is None else ((first**2 + second**2) / 2) ** 0.5

    found = _error_name(ds, name)
    return None if found is None else _in_unit(ds, found, name, units)


def has_error(ds: xr.Dataset, name: str) -> bool:
    """Return True if a product gives the error of a field.

    Args:
        ds: the product, with the names of the file.
        name: the field.
    """
    return _error_name(ds, name) is not None


def _error_name(ds: xr.Dataset, name: str) -> str | None:
    """Name of the variable with the error: named by the field, or built from its name as products do."""
    named = str(ds[name].attrs.get("ancillary_variables", "")).split()
    built = [f"{name}_unc", f"{name}_uncertainty", f"{name}_standard_error", f"stdev_of_{name}", f"{name}_stdev"]
    short = [name.replace("sea_ice_", "") + "_unc", name.replace("ice_", "") + "_unc"]
    likely = [one for one in named if any(word in one.lower() for word in _WORDS) and "flag" not in one]
    ordered = [*(one for one in _TOTAL if one in named), *built, *short, *likely]

    if not named:
        ordered += [one for one in _TOTAL if one in ds.variables]
    own = set(ds[name].dims)
    return next((one for one in ordered if one in ds.variables and set(ds[one].dims) <= own and ds[one].ndim > 1), None)


def _in_unit(ds: xr.Dataset, found: str, name: str, units: str) -> xr.DataArray | None:
    column = ds[found]
    change = conversion(column.attrs.get("units", ds[name].attrs.get("units", units)), units)
    return None if change is None else (column * change[0]).where(column >= 0)


def flat_values(column: xr.DataArray, records: int, dims: tuple[str, ...], index: Array) -> Array:
    """Return values (R, C) at flat positions along the dimensions of the cells; repeated if there is no time.

    Args:
        column: dims ([time], ..., cells); further dimensions have a single value.
        records: number of records, R.
        dims: dimensions of the cells.
        index: (C,) flat position of each cell.
    """
    single = [dim for dim in column.dims if dim not in ("time", *dims)]
    column = column.squeeze(single, drop=True) if single else column
    leading = ["time"] if "time" in column.dims else []
    values = column.transpose(*leading, *dims).values.reshape(column.sizes.get("time", 1), -1)[:, index]

    return np.asarray(np.broadcast_to(values, (records, len(index))))

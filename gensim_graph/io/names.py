"""What other models call the variables of the table, and in which units they keep them."""

import logging

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.variables import Variable, default_variables

log = logging.getLogger(__name__)

_ALIASES = {
    "sic": ("siconc", "aice", "sea_ice_area_fraction"),  # CMIP and NEMO, CICE
    "sit": ("sivol", "sivolu", "hi"),  # CMIP, NEMO, CICE: volume per area of the cell
    "snt": ("snvolu", "hs"),
    "siu": ("sivelu",),
    "siv": ("sivelv",),
    "tus": ("tas", "t2m"),
    "uas": ("u10", "u10m"),
    "vas": ("v10", "v10m"),
}
"""Variable -> names for the same quantity at the same place."""

_THICKNESSES = {"sit": ("sithick", "sithic"), "snt": ("sisnthick", "snthic")}
"""Variable -> names for the thickness of the ice itself, or of the snow on it: times concentration."""

_CONVERSIONS = {
    ("%", "1"): (0.01, 0.0),
    ("percent", "1"): (0.01, 0.0),
    ("cm", "m"): (0.01, 0.0),
    ("mm", "m"): (0.001, 0.0),
    ("cm/s", "m s-1"): (0.01, 0.0),
    ("cm s-1", "m s-1"): (0.01, 0.0),
    ("degC", "K"): (1.0, 273.15),
    ("C", "K"): (1.0, 273.15),
    ("celsius", "K"): (1.0, 273.15),
    ("Celsius", "K"): (1.0, 273.15),
    ("degrees_C", "K"): (1.0, 273.15),
    ("g/kg", "kg kg-1"): (0.001, 0.0),
    ("g kg-1", "kg kg-1"): (0.001, 0.0),
}
"""(unit, unit of the table) -> factor and offset."""


def with_known_names(ds: xr.Dataset) -> xr.Dataset:
    """The dataset with variables of the table under their names and in their units, where it has them.

    Raises:
        InputError: two variables that are both one of the table.
    """
    found = {}
    for variable in default_variables().variables:
        column = _named(ds, variable.name, (variable.name, *_ALIASES.get(variable.name, ())))
        if column is not None:
            found[variable.name] = _converted(column, variable)

    for name, names in _THICKNESSES.items():
        thickness = None if name in found or "sic" not in found else _named(ds, name, names)
        if thickness is not None:
            in_metres = _converted(thickness, default_variables()[name])
            log.info("'%s' is thickness of what there is: times concentration it is '%s'", thickness.name, name)
            found[name] = (in_metres.fillna(0.0) * found["sic"]).assign_attrs(in_metres.attrs)

    return ds.drop_vars([name for name in found if name in ds.variables]).assign(found)


def known_names(ds: xr.Dataset) -> set[str]:
    """Names of a dataset that stand for a variable of the table."""
    names = {variable.name for variable in default_variables().variables}
    return (names | {name for row in _ALIASES.values() for name in row}) & set(map(str, ds.variables))


def _named(ds: xr.Dataset, name: str, names: tuple[str, ...]) -> xr.DataArray | None:
    present = [one for one in names if one in ds.variables]
    if len(present) > 1 and name not in present:
        raise InputError(f"{' and '.join(present)} are both '{name}'; drop one of them")
    return ds[present[0]] if present else None


def _converted(column: xr.DataArray, variable: Variable) -> xr.DataArray:
    unit = str(column.attrs.get("units", variable.units)).strip()
    if (unit, variable.units) not in _CONVERSIONS:
        return column

    factor, offset = _CONVERSIONS[unit, variable.units]
    kept = column.dtype if column.dtype.kind == "f" else np.float64
    return (column * factor + offset).astype(kept).assign_attrs(column.attrs | {"units": variable.units})

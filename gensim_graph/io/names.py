"""Names and units that other models use for the variables of the variable table."""

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
"""Variable -> names of the same quantity on the same cells."""

_THICKNESSES = {"sit": ("sithick", "sithic"), "snt": ("sisnthick", "snthic")}
"""Variable -> names of the thickness averaged over the ice only; times concentration it is the variable."""

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
"""(unit in the file, unit of the table) -> factor and offset."""


def with_known_names(ds: xr.Dataset) -> xr.Dataset:
    """Rename the variables of a dataset to the names of the variable table, and convert them to its units.

    Variables that are not in the table stay as they are.

    Raises:
        InputError: two variables of the dataset stand for the same variable of the table.
    """
    found = {}
    for variable in default_variables().variables:
        column = _find_one(ds, variable.name, (variable.name, *_ALIASES.get(variable.name, ())))
        if column is not None:
            found[variable.name] = _converted(column, variable)

    for name, names in _THICKNESSES.items():
        thickness = None if name in found or "sic" not in found else _find_one(ds, name, names)
        if thickness is not None:
            in_metres = _converted(thickness, default_variables()[name])
            log.info("'%s' is averaged over the ice only: multiplied by the concentration to get '%s'",
                     thickness.name, name)  # fmt: skip
            found[name] = (in_metres.fillna(0.0) * found["sic"]).assign_attrs(in_metres.attrs)

    return ds.drop_vars([name for name in found if name in ds.variables]).assign(found)


def known_names(ds: xr.Dataset) -> set[str]:
    """Return the names of a dataset that stand for a variable of the variable table."""
    names = {variable.name for variable in default_variables().variables}
    aliases = {name for row in _ALIASES.values() for name in row}
    return (names | aliases) & set(map(str, ds.variables))


def _find_one(ds: xr.Dataset, name: str, names: tuple[str, ...]) -> xr.DataArray | None:
    """The variable of a dataset that has one of some names, preferably ``name``."""
    present = [one for one in names if one in ds.variables]
    if len(present) > 1 and name not in present:
        raise InputError(f"{' and '.join(present)} are both '{name}'; drop one of them")
    return ds[present[0]] if present else None


def _converted(column: xr.DataArray, variable: Variable) -> xr.DataArray:
    unit = str(column.attrs.get("units", variable.units)).strip()
    if (unit, variable.units) not in _CONVERSIONS:
        return column

    factor, offset = _CONVERSIONS[unit, variable.units]
    dtype = column.dtype if column.dtype.kind == "f" else np.float64
    return (column * factor + offset).astype(dtype).assign_attrs(column.attrs | {"units": variable.units})

"""The grid mapping of CF: a variable without values; its attributes describe the plane of the coordinates."""

import re
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError

_CODES = ("epsg", "epsg_code", "epsg_number", "spatial_epsg")
_TEXTS = (
    "crs_wkt",
    "spatial_ref",
    "esri_pe_string",
    "proj4_params",
    "proj4",
    "proj4text",
    "proj4_string",
    "proj_string",
)
"""Attributes, in lower case, that define a plane."""


def crs_variable(crs: CRS) -> xr.Variable:
    """Return the grid mapping of a plane or an ellipsoid, the variable ``crs`` of files of this package."""
    attrs = {name: value for name, value in crs.to_cf().items() if value is not None}
    return xr.Variable((), np.int32(0), attrs)


def grid_mapping_variable(ds: xr.Dataset) -> xr.Variable | None:
    """Return the first variable of a dataset that is a grid mapping; None if there is none."""
    return next((variable for variable in ds.variables.values() if _is_grid_mapping(variable)), None)


def crs_of(variable: xr.DataArray | xr.Variable) -> CRS | None:
    """Return the crs of a grid mapping; None if the variable is not a grid mapping.

    Raises:
        InputError: pyproj does not understand the grid mapping, and it has no EPSG code.
    """
    crs, problem = crs_if_known(variable)
    if problem:
        raise InputError(f"{problem}; give crs=")
    return crs


def crs_if_known(variable: xr.DataArray | xr.Variable) -> tuple[CRS | None, str]:
    """Return the crs of a grid mapping, and what is wrong with it: a crs or a problem, or neither without a mapping.

    Attributes that other programs write are used where those of CF are not understood: EPSG codes (D-Flow FM), PROJ
    strings, WKT (GDAL).

    Args:
        variable: any variable.
    """
    if not _is_grid_mapping(variable):
        return None, ""

    try:
        return CRS.from_cf(variable.attrs), ""
    except (CRSError, KeyError, TypeError, ValueError) as error:
        problem = f"the grid mapping of the file is not understood ({' '.join(str(error).split())[:120]})"

    without_text = {name: value for name, value in variable.attrs.items() if name not in ("crs_wkt", "spatial_ref")}
    definitions: list[str | dict[Any, Any]] = [*_other_definitions(variable), without_text]
    for definition in definitions:
        try:
            return CRS.from_user_input(definition) if isinstance(definition, str) else CRS.from_cf(definition), ""
        except (CRSError, KeyError, TypeError, ValueError):
            continue

    return None, problem


def _other_definitions(variable: xr.DataArray | xr.Variable) -> list[str]:
    """Definitions of the crs in attributes that CF does not know, codes first."""
    lowered = {str(name).lower(): value for name, value in variable.attrs.items()}
    found = [_epsg(lowered[name]) for name in _CODES if name in lowered]
    if "epsg" in str(lowered.get("value", "")).lower() and variable.ndim == 0:  # D-Flow FM: the value is the code
        found.append(_epsg(variable.values))

    found += [str(lowered[name]).strip() for name in _TEXTS if name in lowered]
    return [text for text in found if text]


def _epsg(value: object) -> str:
    """Code as pyproj understands it; empty if there is none (D-Flow FM writes 0)."""
    values = np.ravel(np.asarray(value))
    digits = "".join(re.findall(r"\d+", str(values[0]) if len(values) else "")[:1])
    return f"EPSG:{int(digits)}" if digits and int(digits) > 0 else ""


def _is_grid_mapping(variable: xr.DataArray | xr.Variable) -> bool:
    if {"grid_mapping_name", "crs_wkt"} & set(variable.attrs):
        return True

    names = {str(name).lower() for name in variable.attrs}
    return variable.ndim == 0 and bool({*_CODES, *_TEXTS} & names)

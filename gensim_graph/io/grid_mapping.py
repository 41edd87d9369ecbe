"""The grid mapping of CF: a variable without values; its attributes describe the plane of the coordinates."""

import re
from typing import Any

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.io.names import known_fields

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


CRS_ADVICE = (
    "give the plane with load_mesh(FILE, crs=...) or --crs EPSG:..., and fields this mesh, open_store(FILE, mesh=...); "
    "else the mesh has no crs"
)
"""What to do about a grid mapping that is not understood."""


def crs_variable(crs: CRS) -> xr.Variable:
    """Return the grid mapping of a plane or an ellipsoid, the variable ``crs`` of files of this package."""
    attrs = {name: value for name, value in crs.to_cf().items() if value is not None}
    return xr.Variable((), np.int32(0), attrs)


def grid_mapping_variables(ds: xr.Dataset) -> list[xr.Variable]:
    """Return the grid mappings of a dataset; first those that fields name, then those that other variables name."""
    fields = [ds.variables[name] for name in known_fields(ds)]
    named = [_name_of_mapping(column) for column in (*fields, *ds.variables.values())]
    names = dict.fromkeys([*(name for name in named if name in ds.variables), *ds.variables])

    return [ds.variables[name] for name in names if _is_grid_mapping(ds.variables[name])]


def plane_in(ds: xr.Dataset) -> tuple[CRS | None, str]:
    """Return the crs of the first grid mapping of a dataset that is understood, else what is wrong with the first."""
    found = [crs_if_known(variable) for variable in grid_mapping_variables(ds)]
    known = [one for one in found if one[0] is not None]
    return next(iter(known or found), (None, ""))


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


def _name_of_mapping(column: xr.Variable) -> str:
    """Name of the grid mapping of a variable, empty without one; CF also allows ``crs: x y``."""
    text = str(column.attrs.get("grid_mapping", column.encoding.get("grid_mapping", "")))
    return text.split(":")[0].strip()


def _is_grid_mapping(variable: xr.DataArray | xr.Variable) -> bool:
    if {"grid_mapping_name", "crs_wkt"} & set(variable.attrs):
        return True

    names = {str(name).lower() for name in variable.attrs}
    return variable.ndim == 0 and bool({*_CODES, *_TEXTS} & names)

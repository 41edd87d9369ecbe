"""The grid mapping of CF: a variable without values; its attributes describe the plane of the coordinates."""

import numpy as np
import xarray as xr
from pyproj import CRS
from pyproj.exceptions import CRSError

from gensim_graph.errors import InputError


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
        InputError: pyproj does not understand the grid mapping.
    """
    if not _is_grid_mapping(variable):
        return None
    try:
        return CRS.from_cf(variable.attrs)
    except (CRSError, KeyError) as error:
        raise InputError(f"the grid mapping of the file is not understood ({error}); give crs=") from None


def _is_grid_mapping(variable: xr.DataArray | xr.Variable) -> bool:
    return bool({"grid_mapping_name", "crs_wkt"} & set(variable.attrs))

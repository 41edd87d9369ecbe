"""neXtSIM's moorings, its output on a regular grid, as a trajectory on the faces around its points.

Values are samples at points (the triangle that holds it; linear for velocities), not means over cells, at an instant or
averaged over a period around ``time``. Points outside the model's mesh have no value: they are land, or beyond an open
boundary. See :mod:`gensim_graph.io.moorings.moorings_mesh` for the grid.
"""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import on_faces
from gensim_graph.io.moorings.moorings_mesh import along_axes, read_axes
from gensim_graph.io.safe import opened, read_values
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_OWN_NAMES = {"sid": "damage", "uas": "wndx", "vas": "wndy", "tus": "t2m", "huss": "hus"}
"""Variable -> name in moorings, where they differ."""

_SECOND = np.timedelta64(1, "s")


def read_moorings(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Moorings as a UGRID dataset, in the plane of ``mesh`` if that has one.

    Raises:
        InputError: a damaged file, one without state or times, or times outside their bounds.
    """
    with naming(path):
        with opened(path) as content:
            gridded = _gridded(content)
        return on_faces(gridded, mesh)


def _gridded(content: netCDF4.Dataset) -> xr.Dataset:
    """Variables of the table on (time, y, x), with coordinates and the frame of vectors as CF has them."""
    grid = read_axes(content)
    flag = along_axes(content)
    if flag is None:
        log.warning("the file does not say what its vectors point along: they are taken along the axes of its grid")

    data = {}
    for variable in default_variables().variables:
        stored = content.variables.get(_OWN_NAMES.get(variable.name, variable.name))
        if stored is None or stored.dimensions != ("time", "y", "x"):
            continue

        attrs = {"units": variable.units if variable.name == "tus" else getattr(stored, "units", variable.units)}
        if variable.vector is not None and flag is False:
            attrs["standard_name"] = f"eastward_{variable.name}"

        values = read_values(stored)
        data[variable.name] = (("time", "y", "x"), values + (273.15 if variable.name == "tus" else 0.0), attrs)

    return grid.assign(data).assign_coords(time=_times(content))


def _times(content: netCDF4.Dataset) -> Array:
    """Times of the records; a mean has the middle of its period."""
    if "time" not in content.variables:
        raise InputError("moorings need a variable 'time'")

    times = _decoded(content.variables["time"], content.variables["time"])
    if "time_bnds" in content.variables:
        bounds = _decoded(content.variables["time_bnds"], content.variables["time"])
        outside = (times < bounds[:, 0] - _SECOND) | (times > bounds[:, 1] + _SECOND)
        if outside.any():
            raise InputError(f"time {times[outside][0]} lies outside its bounds; the file is damaged")

        if (bounds[:, 1] > bounds[:, 0]).any():
            hours = float(np.median(bounds[:, 1] - bounds[:, 0]) / np.timedelta64(1, "h"))
            log.info("moorings are means over %.3g h around their times", hours)

    return times


def _decoded(variable: netCDF4.Variable, unit_of: netCDF4.Variable) -> Array:
    attrs = {name: getattr(unit_of, name) for name in ("units", "calendar") if name in unit_of.ncattrs()}
    values = read_values(variable, np.float64)

    try:
        stored = xr.Variable(("time", "nv")[: values.ndim], values, attrs)
        times = xr.conventions.decode_cf_variable("time", stored).values
    except Exception as error:  # xarray, pandas and cftime each have their own
        raise InputError(f"times are no dates in '{attrs.get('units')}' ({str(error)[:100]})") from None

    if not np.issubdtype(times.dtype, np.datetime64) or np.isnat(times).any():
        raise InputError(f"times are no dates of the standard calendar in '{attrs.get('units')}'")

    half = np.timedelta64(500, "us")  # days in double are exact to 1 us
    return (times.astype("datetime64[ns]") + half).astype("datetime64[ms]").astype("datetime64[ns]")

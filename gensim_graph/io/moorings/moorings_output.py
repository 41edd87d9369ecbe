"""neXtSIM's moorings, its output on a regular grid, as a trajectory on the faces around the points of the grid.

Values are samples at points, not means over cells: the value of the triangle that contains the point, and a linear
interpolation for velocities. They are instantaneous, or means over a period around ``time``. Points outside the model's
mesh have no value: they are land, or lie beyond an open boundary.
"""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import on_faces
from gensim_graph.io.moorings.moorings_mesh import FIELD_DIMS, read_coordinates, vectors_along_axes
from gensim_graph.io.safe import opened, read_values
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, default_variables

log = logging.getLogger(__name__)

_OWN_NAMES = {"sid": "damage", "uas": "wndx", "vas": "wndy", "tus": "t2m", "huss": "hus"}
"""Variable -> its name in moorings, where it differs."""

_SECOND = np.timedelta64(1, "s")


def read_moorings(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Read moorings as a UGRID dataset.

    Args:
        path: the file.
        mesh: its plane is used; None, or a mesh without a plane, keeps the plane of the grid.

    Returns:
        Variables of the table on (time, face), vectors along the axes of the mesh plane.

    Raises:
        InputError: a damaged file, a file without state or times, or times outside their bounds.
    """
    with naming(path):
        with opened(path) as content:
            gridded = _read_gridded(content)
        return on_faces(gridded, mesh)


def _read_gridded(content: netCDF4.Dataset) -> xr.Dataset:
    """Return the variables of the table on (time, y, x), with coordinates and the directions of vectors as in CF."""
    grid = read_coordinates(content)
    along_axes = vectors_along_axes(content)
    if along_axes is None:
        log.warning("the file does not say what its vectors point along: they are taken along the axes of its grid")

    data = {}
    for variable in default_variables().variables:
        stored = content.variables.get(_OWN_NAMES.get(variable.name, variable.name))
        if stored is not None and stored.dimensions == FIELD_DIMS:
            data[variable.name] = _read_variable(variable, stored, points_east=along_axes is False)

    return grid.assign(data).assign_coords(time=_read_times(content))


def _read_variable(variable: Variable, stored: netCDF4.Variable, points_east: bool) -> xr.Variable:
    """Return one variable; its attributes say if it is part of a vector along east and north."""
    values = read_values(stored)
    units = getattr(stored, "units", variable.units)

    if variable.name == "tus":  # degC, whatever the attribute says
        values = values + 273.15
        units = variable.units

    attrs = {"units": units}
    if variable.vector is not None and points_east:
        attrs["standard_name"] = f"eastward_{variable.name}"

    return xr.Variable(FIELD_DIMS, values, attrs)


def _read_times(content: netCDF4.Dataset) -> Array:
    """Return the times of the records; the time of a mean is the middle of its period."""
    if "time" not in content.variables:
        raise InputError("moorings need a variable 'time'")

    times = _decode_times(content.variables["time"], content.variables["time"])
    if "time_bnds" in content.variables:
        bounds = _decode_times(content.variables["time_bnds"], content.variables["time"])
        _check_bounds(times, bounds)

    return times


def _check_bounds(times: Array, bounds: Array) -> None:
    """Refuse times outside their bounds (time, 2), and log the length of the periods."""
    start, end = bounds[:, 0], bounds[:, 1]
    outside = (times < start - _SECOND) | (times > end + _SECOND)
    if outside.any():
        raise InputError(f"time {times[outside][0]} lies outside its bounds; the file is damaged")

    if (end > start).any():
        hours = float(np.median(end - start) / np.timedelta64(1, "h"))
        log.info("moorings are means over %.3g h around their times", hours)


def _decode_times(variable: netCDF4.Variable, with_units: netCDF4.Variable) -> Array:
    """Return times as datetime64[ns], rounded to milliseconds.

    Args:
        variable: times (time,) or their bounds (time, 2).
        with_units: the variable with the attributes ``units`` and ``calendar``.
    """
    attrs = {name: getattr(with_units, name) for name in ("units", "calendar") if name in with_units.ncattrs()}
    values = read_values(variable, np.float64)

    try:
        stored = xr.Variable(("time", "nv")[: values.ndim], values, attrs)
        times = xr.conventions.decode_cf_variable("time", stored).values
    except Exception as error:  # xarray, pandas and cftime each raise their own
        raise InputError(f"times are no dates in '{attrs.get('units')}' ({str(error)[:100]})") from None

    if not np.issubdtype(times.dtype, np.datetime64) or np.isnat(times).any():
        raise InputError(f"times are no dates of the standard calendar in '{attrs.get('units')}'")

    half_millisecond = np.timedelta64(500, "us")  # days in double precision are exact to 1 us
    rounded = (times.astype("datetime64[ns]") + half_millisecond).astype("datetime64[ms]")
    return rounded.astype("datetime64[ns]")

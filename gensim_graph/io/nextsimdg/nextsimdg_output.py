"""neXtSIM-DG's restarts, init and diagnostic files as trajectories on the faces of its grid.

Fields lie in the group ``data``, on cells; a trailing dimension of discontinuous Galerkin components has the mean of
the cell first, and velocities may lie on the points of their continuous elements, of which the mean over the cell is
taken. The model's damage is 1 where the ice is intact. Nothing on land is marked as missing: the mask leaves it out.
"""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsimdg.nextsimdg_mesh import DATA, mesh_of_geometry, read_geometry, vector_axes
from gensim_graph.io.safe import opened, read_values
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_NAMES = {"sic": "cice", "siu": "u", "siv": "v", "uas": "wind_u", "vas": "wind_v", "tus": "tair", "huss": "mixrat"}
_VOLUMES = {"sit": ("hice", "hice_true"), "snt": ("hsnow", "hsnow_true")}
"""Variable -> volume per area of the cell, or thickness of the ice (or snow on it) itself."""

_CELLS = ("ydim", "xdim")
_POINTS = {("y_cg", "x_cg"), ("yvertex", "xvertex")}
_RULES = {1: np.array([0.5, 0.5]), 2: np.array([1.0, 4.0, 1.0]) / 6.0}
"""Degree of an element -> weights of its points in the mean over it."""

_LATEST = 9.2e9  # s, the year 2261


def read_nextsimdg(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """A file of neXtSIM-DG as a UGRID dataset, in the plane of ``mesh`` if its own is not known.

    Raises:
        InputError: a damaged file, no corners and mask in it or beside it, or no fields.
    """
    with naming(path):
        geometry = read_geometry(path)
        grid = mesh_of_geometry(geometry, mesh.crs if mesh is not None else None)
        axes = vector_axes(grid, geometry.degrees)
        with opened(path) as content:
            times, columns = _times(content), _fields(content.groups[DATA], grid)

        for x, y in (("siu", "siv"), ("uas", "vas")):
            if x in columns and y in columns:
                columns[x], columns[y] = axes.to_plane(columns[x], columns[y])

        for name, values in columns.items():
            if len(values) != len(times):
                raise InputError(f"'{name}' has {len(values)} records and the file {len(times)} times")

    table = default_variables()
    data = {name: (("time", "face"), values.astype(np.float32), table[name].attrs) for name, values in columns.items()}

    return mesh_to_dataset(grid).assign_coords(time=times).assign(data)


def _fields(data: netCDF4.Group, grid: Mesh) -> dict[str, Array]:
    """Variables of the table on the ocean cells, (time, face), in its units and signs."""
    stored = {name: variable for name, variable in data.variables.items() if "ncoords" not in variable.dimensions}

    def cells(name: str) -> Array:
        return _cells(stored[name], grid)

    found = {variable: cells(name) for variable, name in _NAMES.items() if name in stored}

    for variable, (volume, thickness) in _VOLUMES.items():
        if volume in stored:
            found[variable] = cells(volume)
        elif thickness in stored and "sic" in found:
            found[variable] = cells(thickness) * found["sic"]

    if "damage" in stored:
        intact = cells("damage")
        if intact.any():
            found["sid"] = 1.0 - intact
        else:
            log.warning("damage is 0 everywhere, which a rheology without damage (mEVP) writes: it is left out")

    if "tus" in found:
        found["tus"] = found["tus"] + 273.15
    if "huss" in found:
        found["huss"] = found["huss"] / (1.0 + found["huss"])  # of moist instead of dry air

    return found


def _cells(variable: netCDF4.Variable, grid: Mesh) -> Array:
    """Means over the ocean cells, (time, face)."""
    assert grid.grid_shape is not None
    assert grid.grid_index is not None
    dims, values = list(variable.dimensions), read_values(variable, np.float64)

    if dims and dims[-1] == "dg_comp":
        dims, values = dims[:-1], values[..., 0]

    if dims and dims[0] == "time":
        dims = dims[1:]
    else:
        values = values[None]

    if tuple(dims) in _POINTS:
        values = _mean_over_cells(values, grid.grid_shape)
    elif tuple(dims) != _CELLS:
        raise InputError(f"'{variable.name}' has dimensions {variable.dimensions}; expected (time, ydim, xdim)")

    return values.reshape(len(values), -1)[:, grid.grid_index]


def _mean_over_cells(values: Array, shape: tuple[int, int]) -> Array:
    """Means of continuous elements over their cells: (T, d ny + 1, d nx + 1) -> (T, ny, nx) for degree d."""
    for axis, count in ((1, shape[0]), (2, shape[1])):
        degree = (values.shape[axis] - 1) // count
        if degree not in _RULES or values.shape[axis] != degree * count + 1:
            raise InputError(f"{values.shape[axis]} points on {count} cells are no elements of degree 1 or 2")

        parts = [
            weight * np.take(values, np.arange(count) * degree + point, axis)
            for point, weight in enumerate(_RULES[degree])
        ]
        values = np.sum(parts, axis=0)

    return values


def _times(content: netCDF4.Dataset) -> Array:
    """Times of the records. They are Unix seconds, whatever the units say; a restart has one, beside its data."""
    data, metadata = content.groups[DATA], content.groups.get("metadata")
    clock = metadata.groups.get("time") if metadata is not None else None

    if "time" in data.variables:
        seconds = read_values(data.variables["time"], np.float64)
    elif clock is not None and "time" in clock.variables:
        seconds = np.atleast_1d(read_values(clock.variables["time"], np.float64))
    else:
        log.warning("the file has no time, as init files have none: it is taken to be 1970-01-01")
        seconds = np.zeros(1)

    if seconds.ndim != 1 or not (np.abs(seconds) < _LATEST).all():
        raise InputError("times must be seconds since 1970; the file is damaged")

    return np.datetime64(0, "ns") + np.round(seconds * 1e3).astype("timedelta64[ms]").astype("timedelta64[ns]")

"""neXtSIM-DG's restarts, init and diagnostic files as trajectories on the faces of its grid.

The fields are in the group ``data``, on cells. If a field has discontinuous Galerkin components in its last dimension,
the first one is the mean over the cell. Velocities may lie on the points of continuous elements; their mean over the
cell is used. The model's damage is 1 where the ice is intact. The files do not mark values on land as missing; the mask
of the grid leaves them out.
"""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsimdg.nextsimdg_mesh import cell_dims, data_of, mesh_of_geometry, read_geometry, vector_axes
from gensim_graph.io.safe import opened, read_values
from gensim_graph.io.ugrid import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_NAMES = {"sic": "cice", "siu": "u", "siv": "v", "uas": "wind_u", "vas": "wind_v", "tus": "tair", "huss": "mixrat"}
_VOLUMES = {"sit": ("hice", "hice_true"), "snt": ("hsnow", "hsnow_true")}
"""Variable -> names of the volume per area of the cell, and of the thickness of the ice (or of the snow on it)."""

_POINT_DIMS = {("y_cg", "x_cg"), ("ycg", "xcg"), ("yvertex", "xvertex")}
_MEAN_WEIGHTS = {1: np.array([0.5, 0.5]), 2: np.array([1.0, 4.0, 1.0]) / 6.0}
"""Degree of a continuous element -> weights of its points in the mean over the element."""

_LATEST = 9.2e9  # s, the year 2261


def read_nextsimdg(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Read a file of neXtSIM-DG as a UGRID dataset.

    Args:
        path: a restart, init or diagnostic file.
        mesh: its plane is used if the file has longitude and latitude; None chooses a plane from their extent.

    Returns:
        Variables of the table on (time, face), vectors along the axes of the mesh plane.

    Raises:
        InputError: a damaged file, no corners and mask in it or beside it, or no fields.
    """
    with naming(path):
        geometry = read_geometry(path)
        grid = mesh_of_geometry(geometry, mesh.crs if mesh is not None else None)
        axes = vector_axes(grid, geometry.in_degrees)

        with opened(path) as content:
            times = _read_times(content)
            columns = _read_variables(data_of(content), grid)

        for x, y in (("siu", "siv"), ("uas", "vas")):
            if x in columns and y in columns:
                columns[x], columns[y] = axes.to_plane(columns[x], columns[y])

        for name, values in columns.items():
            if len(values) != len(times):
                raise InputError(f"'{name}' has {len(values)} records and the file {len(times)} times")

    table = default_variables()
    data = {name: (("time", "face"), values.astype(np.float32), table[name].attrs) for name, values in columns.items()}

    return mesh_to_dataset(grid).assign_coords(time=times).assign(data)


def _read_variables(data: netCDF4.Dataset, grid: Mesh) -> dict[str, Array]:
    """Return the variables of the table on the ocean cells, (time, face), with the units and signs of the table."""
    stored = {name: variable for name, variable in data.variables.items() if "ncoords" not in variable.dimensions}

    def means(name: str) -> Array:
        return _ocean_cell_means(stored[name], grid)

    found = {variable: means(name) for variable, name in _NAMES.items() if name in stored}

    for variable, (volume, thickness) in _VOLUMES.items():
        if volume in stored:
            found[variable] = means(volume)
        elif thickness in stored and "sic" in found:
            found[variable] = means(thickness) * found["sic"]

    if "damage" in stored:
        intact = means("damage")
        if intact.any():
            found["sid"] = 1.0 - intact
        else:
            log.warning("damage is 0 everywhere, which a rheology without damage (mEVP) writes: it is left out")

    if "tus" in found:
        found["tus"] = found["tus"] + 273.15
    if "huss" in found:  # the mixing ratio is per mass of dry air, specific humidity per mass of moist air
        found["huss"] = found["huss"] / (1.0 + found["huss"])

    return found


def _ocean_cell_means(variable: netCDF4.Variable, grid: Mesh) -> Array:
    """Return the means of a field over the ocean cells, (time, face)."""
    assert grid.grid_shape is not None
    assert grid.grid_index is not None
    dims = list(variable.dimensions)
    values = read_values(variable, np.float64)

    if dims and dims[-1] == "dg_comp":
        dims = dims[:-1]
        values = values[..., 0]

    if dims and dims[0] == "time":
        dims = dims[1:]
    else:
        values = values[None]

    on_cells = cell_dims(variable.group())
    if tuple(dims) in _POINT_DIMS:
        values = _mean_over_cells(values, grid.grid_shape)
    elif tuple(dims) != on_cells:
        expected = ", ".join(("time", *on_cells))
        raise InputError(f"'{variable.name}' has dimensions {variable.dimensions}; expected ({expected})")

    return values.reshape(len(values), -1)[:, grid.grid_index]


def _mean_over_cells(values: Array, shape: tuple[int, int]) -> Array:
    """Average continuous elements of degree d over their cells: (T, d ny + 1, d nx + 1) -> (T, ny, nx)."""
    for axis, count in ((1, shape[0]), (2, shape[1])):
        degree = (values.shape[axis] - 1) // count
        if degree not in _MEAN_WEIGHTS or values.shape[axis] != degree * count + 1:
            raise InputError(f"{values.shape[axis]} points on {count} cells are no elements of degree 1 or 2")

        first_points = np.arange(count) * degree
        parts = [
            weight * np.take(values, first_points + point, axis) for point, weight in enumerate(_MEAN_WEIGHTS[degree])
        ]
        values = np.sum(parts, axis=0)

    return values


def _read_times(content: netCDF4.Dataset) -> Array:
    """Return the times of the records, datetime64[ns].

    Times are Unix seconds, whatever the ``units`` attribute says. A restart has one time, in the group ``metadata``.
    """
    data = data_of(content)
    metadata = content.groups.get("metadata")
    clock = metadata.groups.get("time") if metadata is not None else None

    if "time" in data.variables:
        seconds = np.atleast_1d(read_values(data.variables["time"], np.float64))
    elif clock is not None and "time" in clock.variables:
        seconds = np.atleast_1d(read_values(clock.variables["time"], np.float64))
    else:
        log.warning("the file has no time, as init files have none: it is taken to be 1970-01-01")
        seconds = np.zeros(1)

    if seconds.ndim != 1 or not (np.abs(seconds) < _LATEST).all():
        raise InputError("times must be seconds since 1970; the file is damaged")

    milliseconds = np.round(seconds * 1e3).astype("timedelta64[ms]")
    return np.datetime64(0, "ns") + milliseconds.astype("timedelta64[ns]")

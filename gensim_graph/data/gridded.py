"""Trajectories on grids, (time, y, x), as trajectories on a mesh, (time, face).

Names, units and signs are those of the variable table. Land and cells without data are left out; vectors are turned
from the axes that their standard names say (``eastward_...``, ``northward_...``), or else those of the grid, to those
of the mesh.
"""

import logging
from pathlib import Path

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.coordinates import Coordinates, find_coordinates
from gensim_graph.mesh.frame import Frame
from gensim_graph.mesh.grids import read_grid
from gensim_graph.mesh.masks import find_mask
from gensim_graph.mesh.places import FileMesh
from gensim_graph.mesh.ugrid import has_topology, mesh_to_dataset
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

_ENGINES = {".nc": "netcdf4", ".nc4": "netcdf4", ".zarr": "zarr"}
_TIMES = ("time", "time_counter")


def is_gridded(path: Path) -> bool:
    """Whether a file has variables of the table on (time, y, x) and no UGRID topology."""
    if path.suffix.lower() not in _ENGINES:
        return False
    try:
        with _open(path) as ds:
            return not has_topology(ds) and any(_on_grid(ds[name]) for name in _names(ds))
    except Exception:
        return False  # whoever reads it next says what is wrong


def read_gridded(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """A gridded trajectory as a UGRID dataset, in the plane of ``mesh`` if that has one.

    Raises:
        InputError: no coordinates, no time, vectors with one component, or nothing but land.
    """
    try:
        with _open(path) as ds:
            return on_faces(ds, mesh)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def on_faces(ds: xr.Dataset, mesh: Mesh | None = None) -> xr.Dataset:
    """The variables of the table in a gridded dataset on the faces of its ocean cells.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    ds = _with_time(ds)
    where = find_coordinates(ds)
    names = [name for name in _names(ds) if set(ds[name].dims) == {"time", *where.dims}]
    if not names:
        raise InputError(f"no variable of the table has dimensions (time, {', '.join(where.dims)})")
    grid = read_grid(ds, mesh.crs if mesh is not None else None, _ocean(ds, where, names))
    assert grid.mesh.grid_index is not None
    columns = {name: _cells(ds[name], where)[:, grid.mesh.grid_index] for name in names}
    _still_where_no_ice(columns)
    _turn(ds, columns, grid)
    data = {name: (("time", "face"), values, _attributes(ds[name])) for name, values in columns.items()}
    return mesh_to_dataset(grid.mesh).assign_coords(time=ds["time"].values).assign(data)


def _open(path: Path) -> xr.Dataset:
    engine = _ENGINES[path.suffix.lower()]
    return xr.open_dataset(path, engine=engine, **({"consolidated": False} if engine == "zarr" else {}))


def _names(ds: xr.Dataset) -> list[str]:
    return [variable.name for variable in default_variables().variables if variable.name in ds.variables]


def _on_grid(column: xr.DataArray) -> bool:
    return column.ndim == 3 and column.dims[0] in _TIMES and not {"face", "node"} & set(column.dims)


def _with_time(ds: xr.Dataset) -> xr.Dataset:
    name = next((name for name in _TIMES if name in ds.dims), None)
    if name is None:
        raise InputError(f"no dimension 'time' (dimensions: {', '.join(map(str, ds.dims))})")
    ds = ds if name == "time" else ds.rename({name: "time"})
    if "time" not in ds.variables:
        raise InputError("the dimension 'time' has no coordinate; it needs units such as 'hours since 2000-01-01'")
    return ds


def _cells(column: xr.DataArray, where: Coordinates) -> Array:
    """(time, cells), cells in the order of the flat grid."""
    return column.transpose("time", *where.dims).values.reshape(column.sizes["time"], -1)


def _ocean(ds: xr.Dataset, where: Coordinates, names: list[str]) -> Array:
    """Cells of the mask at which the state has a value at some time."""
    state = [variable.name for variable in default_variables().state if variable.name in names] or names
    known = np.zeros(where.shape, dtype=bool)
    for name in state:
        known |= np.isfinite(_cells(ds[name], where)).any(axis=0).reshape(where.shape)
    mask = find_mask(ds, where)
    if mask is not None and (mask & ~known).any():
        log.warning("left out %d ocean cells at which %s never have a value", (mask & ~known).sum(), ", ".join(state))
    return known if mask is None else mask & known


def _still_where_no_ice(columns: dict[str, Array]) -> None:
    """Ice that is not there does not drift: models write gaps."""
    if "sic" not in columns:
        return
    for name in ("siu", "siv"):
        if name in columns:
            gaps = np.isnan(columns[name]) & (columns["sic"] == 0)
            columns[name] = np.where(gaps, np.zeros((), columns[name].dtype), columns[name])


def _turn(ds: xr.Dataset, columns: dict[str, Array], grid: FileMesh) -> None:
    """Vectors to the axes of the plane, in place."""
    for variable in default_variables().variables:
        first, second = variable.name, variable.vector
        if second is None or first not in columns or not first < second:
            continue
        if second not in columns:
            raise InputError(f"'{first}' is here but its other component '{second}' is not")
        kept = columns[first].dtype
        turned = _frame(ds, first, grid).to_plane(columns[first], columns[second])
        columns[first], columns[second] = (part.astype(kept) for part in turned)


def _frame(ds: xr.Dataset, name: str, grid: FileMesh) -> Frame:
    """The axes that a vector is given along."""
    if not str(ds[name].attrs.get("standard_name", "")).startswith("eastward"):
        return grid.faces.axes
    if grid.faces.compass is None:
        raise InputError(f"'{name}' points east, but the file does not say where its plane lies (no grid mapping)")
    return grid.faces.compass


def _attributes(column: xr.DataArray) -> dict[str, str]:
    return {key: column.attrs[key] for key in ("units", "long_name") if key in column.attrs}

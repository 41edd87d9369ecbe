"""Trajectories of other programs as trajectories on a mesh, (time, face) or (time, node).

They may lie on a grid, on cells with their own corners, on a UGRID mesh with other names of dimensions or with
longitude and latitude, or on an MPAS mesh. Names, units and signs become those of the variable table. Land and cells
without data are left out. Vectors are turned to the axes of the mesh: from east and north if their standard names say
so (``eastward_...``, ``northward_...``), else from the axes of the grid.
"""

import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf.grids import read_grid
from gensim_graph.io.cf.masks import find_mask
from gensim_graph.io.cf.staggered import at_centres, find_off_centre
from gensim_graph.io.cf.unsupported import refuse_unsupported
from gensim_graph.io.coordinates import TRAJECTORY, find_coordinates, is_angle, with_trajectories
from gensim_graph.io.file_mesh import FileMesh, FilePositions, OffCentre
from gensim_graph.io.mpas import is_mpas, read_mpas
from gensim_graph.io.names import known_names, log_left_out, variables_to_read, with_known_names
from gensim_graph.io.safe import is_dataset, opened_dataset
from gensim_graph.io.times import with_time
from gensim_graph.io.ugrid import has_topology, mesh_to_dataset, node_coordinates, read_ugrid
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import Frame
from gensim_graph.typing import Array
from gensim_graph.variables import vector_pairs

log = logging.getLogger(__name__)

_LEADING = ("start", TRAJECTORY, "member", "time", "lead_time")
"""Dimensions before ``face`` or ``node`` in data of this package."""


def is_gridded(path: Path) -> bool:
    """Return True if a file has variables of the variable table in another layout than this package writes."""
    if not is_dataset(path):
        return False
    try:
        with opened_dataset(path) as ds:
            return is_foreign(ds)
    except InputError:
        return False  # the reader that opens it next reports the damage


def is_foreign(ds: xr.Dataset) -> bool:
    """Return True if a dataset has variables of the variable table in another layout than this package writes."""
    if has_topology(ds):
        try:
            x = node_coordinates(ds)[0]
        except InputError:
            return False  # the reader that opens it next reports what is missing
        is_own = x.dims == ("node",) and not is_angle(x)
        table = {variable.name for variable in variables_to_read()}
        return bool(known_names(ds)) and not (is_own and table & set(map(str, ds.variables)))

    return any(_is_on_grid(ds[name]) for name in known_names(ds))


def _is_on_grid(column: xr.DataArray) -> bool:
    """Return False for fields of this package; ``face`` is also the dimension of tiles in files of xmitgcm."""
    dims = set(map(str, column.dims))
    return column.ndim >= 2 and (not {"face", "node"} & dims or len(dims - {"face", "node", *_LEADING}) >= 2)


def read_gridded(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Read a trajectory of another program as a UGRID dataset.

    Args:
        path: netCDF file or zarr store.
        mesh: the result lies in the plane of this mesh; None chooses a plane.

    Raises:
        InputError: no coordinates, no time, vectors with one component, or no ocean.
    """
    with naming(path), opened_dataset(path) as ds:
        return on_faces(ds, mesh)


def on_faces(ds: xr.Dataset, mesh: Mesh | None = None) -> xr.Dataset:
    """Return the variables of the variable table on the faces (or nodes) of the dataset's own mesh.

    Args:
        ds: dataset of another program.
        mesh: the result lies in the plane of this mesh; None chooses a plane.

    Returns:
        UGRID dataset with variables (time, face) or (time, node), vectors along the axes of the plane; each member of
        an ensemble is a trajectory, (trajectory, time, face).

    Raises:
        InputError: see :func:`read_gridded`.
    """
    raw, off_centre = _centred(with_time(with_trajectories(ds)), mesh)
    ds = with_known_names(raw)
    source, columns = _read(ds, mesh, off_centre)
    log_left_out(raw, ds, {name for found in columns.values() for name in found})

    return _as_dataset(ds, source, columns)


def mesh_in_file(ds: xr.Dataset, mesh: Mesh | None = None) -> FileMesh:
    """Return the mesh of a dataset, and the positions of its faces and nodes in the arrays of the dataset.

    Args:
        ds: dataset of another program.
        mesh: the result lies in the plane of this mesh; None chooses a plane.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    raw, off_centre = _centred(with_time(ds), mesh)
    ds = with_known_names(raw)
    source, columns = _read(ds, mesh, off_centre)
    log_left_out(raw, ds, {name for found in columns.values() for name in found})

    return source


def on_faces_of(source: FileMesh, ds: xr.Dataset) -> xr.Dataset:
    """Return the same as :func:`on_faces` for some records of a file; its mesh has been read before.

    Args:
        source: result of :func:`mesh_in_file` for the file.
        ds: records of the file.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    ds = with_known_names(at_centres(with_time(ds), source.off_centre), report=False)
    return _as_dataset(ds, source, _columns_of(source, ds))


def _centred(ds: xr.Dataset, mesh: Mesh | None) -> tuple[xr.Dataset, tuple[OffCentre, ...]]:
    """The dataset with all fields of a staggered grid at the centres of its cells, and these fields."""
    if has_topology(ds) or is_mpas(ds):
        return ds, ()

    refuse_unsupported(ds)
    off_centre = find_off_centre(ds, find_coordinates(ds, None if mesh is None else mesh.crs))
    return at_centres(ds, off_centre), off_centre


def _read(
    ds: xr.Dataset, mesh: Mesh | None, off_centre: tuple[OffCentre, ...]
) -> tuple[FileMesh, dict[str, dict[str, Array]]]:
    """The mesh of a dataset, and location -> variable -> values (record, P)."""
    crs = mesh.crs if mesh is not None else None
    if has_topology(ds) or is_mpas(ds):
        source = read_ugrid(ds, crs) if has_topology(ds) else read_mpas(ds, crs)
        return source, _columns_of(source, ds)

    source, at_faces = _read_grid(ds, crs)
    return replace(source, off_centre=off_centre), {"face": at_faces}


def _columns_of(source: FileMesh, ds: xr.Dataset) -> dict[str, dict[str, Array]]:
    return {location: _values_at(positions, ds) for location, positions in _locations(source)}


def _as_dataset(ds: xr.Dataset, source: FileMesh, columns: dict[str, dict[str, Array]]) -> xr.Dataset:
    if not any(columns.values()):
        expected = " or ".join(f"(time, {', '.join(positions.dims)})" for _, positions in _locations(source))
        raise InputError(f"no variable of the table has dimensions {expected}")

    attributes = {name: ds[name].attrs for found in columns.values() for name in found}
    return _with_times(on_mesh(source, columns, attributes), ds)


def _with_times(records: xr.Dataset, ds: xr.Dataset) -> xr.Dataset:
    """Give the records of a file their times; those of several trajectories follow each other and are separated."""
    times = ds["time"].values
    if TRAJECTORY not in ds.dims:
        return records.assign_coords(time=times)

    shape = (ds.sizes[TRAJECTORY], len(times))
    fields = {name: column for name, column in records.data_vars.items() if "time" in column.dims}
    split = {
        name: ((TRAJECTORY, *column.dims), column.values.reshape(*shape, -1), column.attrs)
        for name, column in fields.items()
    }
    return records.drop_vars(list(fields)).assign(split).assign_coords(time=times)


def on_mesh(source: FileMesh, columns: dict[str, dict[str, Array]], attributes: dict[str, dict]) -> xr.Dataset:
    """Return the fields of a file as a UGRID dataset without times, vectors along the axes of the mesh.

    Args:
        source: the mesh, and the axes of vectors in the file. Vectors in ``columns`` are replaced in place.
        columns: ``face`` or ``node`` -> variable -> values (time, P), ordered as the faces or nodes of the mesh.
        attributes: variable -> attributes in the file.

    Raises:
        InputError: a vector has one component only, or points east in a plane without a crs.
    """
    result = mesh_to_dataset(source.mesh)
    for location, positions in _locations(source):
        found = columns.get(location, {})
        _zero_drift_without_ice(found)
        if source.off_centre:
            _zero_drift_between_land(found)
        _turn(found, positions, attributes)

        for name, values in found.items():
            kept = {key: attributes[name][key] for key in ("units", "long_name") if key in attributes[name]}
            result[name] = (("time", location), values, kept)

    return result


def _locations(source: FileMesh) -> list[tuple[str, FilePositions]]:
    return [("face", source.faces)] + ([("node", source.nodes)] if source.nodes is not None else [])


def _names_on(ds: xr.Dataset, dims: tuple[str, ...]) -> list[str]:
    """Variables of the variable table on (time, *dims); further dimensions of size 1 are allowed."""
    names = [variable.name for variable in variables_to_read() if variable.name in ds.variables]
    return [name for name in names if _lies_on(ds[name], {"time", *dims})]


def _lies_on(column: xr.DataArray, dims: set[str]) -> bool:
    return dims == {str(dim) for dim in column.dims if dim in dims or column.sizes[dim] > 1} - {TRAJECTORY}


def _flat(ds: xr.Dataset, name: str, dims: tuple[str, ...]) -> Array:
    """Values (record, flat index along ``dims``); the records of several trajectories follow each other."""
    leading = (TRAJECTORY, "time") if TRAJECTORY in ds.dims else ("time",)
    column = ds[name]
    if TRAJECTORY in ds.dims and TRAJECTORY not in column.dims:  # the same in all trajectories
        column = column.expand_dims({TRAJECTORY: ds.sizes[TRAJECTORY]})

    single = [dim for dim in column.dims if dim not in (*leading, *dims)]
    values = column.squeeze(single, drop=True).transpose(*leading, *dims).values
    return values.reshape(math.prod(ds.sizes[dim] for dim in leading), -1)


def _values_at(positions: FilePositions, ds: xr.Dataset) -> dict[str, Array]:
    """Variables of the variable table at faces or nodes, (record, P)."""
    return {name: _flat(ds, name, positions.dims)[:, positions.index] for name in _names_on(ds, positions.dims)}


def _read_grid(ds: xr.Dataset, crs: CRS | None) -> tuple[FileMesh, dict[str, Array]]:
    """Cells inside the mask that have a value of the state at some time, and the variables on them (time, P)."""
    where = find_coordinates(ds, crs)
    names = _names_on(ds, where.dims)
    if not names:
        raise InputError(f"no variable of the table has dimensions (time, {', '.join(where.dims)})")

    mask = find_mask(ds, where)
    cells = np.arange(np.prod(where.shape)) if mask is None else np.flatnonzero(mask)
    columns = {name: _flat(ds, name, where.dims)[:, cells] for name in names}
    state = [one.name for one in variables_to_read() if one.role == "state" and one.name in names] or names
    has_value = np.any([np.isfinite(columns[name]).any(axis=0) for name in state], axis=0)

    if mask is not None and not has_value.all():
        log.warning("left out %d ocean cells at which %s never have a value", (~has_value).sum(), ", ".join(state))

    ocean = np.zeros(where.shape, dtype=bool)
    ocean.flat[cells[has_value]] = True
    source = read_grid(ds, crs, ocean)
    rows = np.searchsorted(cells, source.faces.index)

    return source, {name: values[:, rows] for name, values in columns.items()}


def _zero_drift_without_ice(columns: dict[str, Array]) -> None:
    """Fill gaps of the drift with 0 where there is no ice, in place: many models have no velocity there."""
    if "sic" not in columns:
        return
    for name in ("siu", "siv"):
        if name in columns:
            gaps = np.isnan(columns[name]) & (columns["sic"] == 0)
            columns[name] = np.where(gaps, np.zeros((), columns[name].dtype), columns[name])


def _zero_drift_between_land(columns: dict[str, Array]) -> None:
    """Set the drift to 0, in place, in cells of a staggered grid all of whose sides or corners are on land."""
    for name in ("siu", "siv"):
        if name in columns:
            enclosed = np.isnan(columns[name]).all(axis=0)
            columns[name] = np.where(enclosed, np.zeros((), columns[name].dtype), columns[name])
            if enclosed.any():
                log.info("'%s' is 0 in %d cells that have land on all sides or corners", name, enclosed.sum())


def _turn(columns: dict[str, Array], positions: FilePositions, attributes: dict[str, dict]) -> None:
    """Turn vectors to the axes of the plane, in place."""
    table = variables_to_read()
    for x, y in vector_pairs(table):
        first, second = table[x].name, table[y].name
        if (first in columns) != (second in columns):
            here, missing = (first, second) if first in columns else (second, first)
            raise InputError(f"'{here}' is here but its other component '{missing}' is not")

        if first in columns:
            dtype = columns[first].dtype
            frame = _frame(first, positions, str(attributes[first].get("standard_name", "")))
            turned = frame.to_plane(columns[first], columns[second])
            columns[first], columns[second] = (part.astype(dtype) for part in turned)


def _frame(name: str, positions: FilePositions, standard_name: str) -> Frame:
    """Axes along which a vector of the file is given."""
    if not standard_name.startswith("eastward"):
        return positions.axes
    if positions.east_north is None:
        raise InputError(
            f"'{name}' points east, but the file does not say where its plane lies (no grid mapping); give a mesh in "
            "this plane, mesh=load_mesh(FILE, crs=...)"
        )

    return positions.east_north

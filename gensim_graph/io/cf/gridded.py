"""Trajectories of other programs as trajectories on a mesh, (time, face) or (time, node).

On grids, on cells with corners of their own, on UGRID meshes with other names for their dimensions or with longitude
and latitude, on MPAS meshes. Names, units and signs become those of the variable table. Land and cells without data
are left out; vectors are turned from the axes that their standard names say (``eastward_...``, ``northward_...``), or
else those of the grid, to those of the mesh.
"""

import logging
from pathlib import Path

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf.grids import read_grid
from gensim_graph.io.cf.masks import find_mask
from gensim_graph.io.coordinates import find_coordinates, is_angle
from gensim_graph.io.file_mesh import FileMesh, FilePlaces
from gensim_graph.io.mpas import is_mpas, read_mpas
from gensim_graph.io.names import known_names, with_known_names
from gensim_graph.io.safe import DATASET_SUFFIXES, opened_dataset
from gensim_graph.io.ugrid import has_topology, mesh_to_dataset, node_coordinates, read_ugrid
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import Frame
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables, vector_pairs

log = logging.getLogger(__name__)

_TIMES = ("time", "time_counter", "Time")


def is_gridded(path: Path) -> bool:
    """Whether a file has variables of the table, and not on a UGRID mesh as this package writes it."""
    if path.suffix.lower() not in DATASET_SUFFIXES:
        return False
    try:
        with opened_dataset(path) as ds:
            return is_foreign(ds)
    except InputError:
        return False  # whoever reads it next says what is wrong


def is_foreign(ds: xr.Dataset) -> bool:
    """Whether a dataset has variables of the table in another layout than the one this package writes."""
    if has_topology(ds):
        try:
            x = node_coordinates(ds)[0]
        except InputError:
            return False  # whoever reads it next says what is missing
        return bool(known_names(ds)) and (x.dims != ("node",) or is_angle(x))

    return any(ds[name].ndim >= 2 and not {"face", "node"} & set(ds[name].dims) for name in known_names(ds))


def read_gridded(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """A trajectory of another program as a UGRID dataset, in the plane of ``mesh`` if that has one.

    Raises:
        InputError: no coordinates, no time, vectors with one component, or nothing but land.
    """
    with naming(path), opened_dataset(path) as ds:
        return on_faces(ds, mesh)


def on_faces(ds: xr.Dataset, mesh: Mesh | None = None) -> xr.Dataset:
    """The variables of the table in a dataset, on the faces (or nodes) of its mesh, vectors along the mesh axes.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    ds = with_known_names(with_time(ds))
    source, columns = _located(ds, mesh)
    return _collected(ds, source, columns)


def mesh_in_file(ds: xr.Dataset, mesh: Mesh | None = None) -> FileMesh:
    """The mesh of a dataset and where it lies in it, in the plane of ``mesh`` if that has one.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    return _located(with_known_names(with_time(ds)), mesh)[0]


def on_faces_of(source: FileMesh, ds: xr.Dataset) -> xr.Dataset:
    """As :func:`on_faces`, for records of a file whose mesh is at hand.

    Raises:
        InputError: see :func:`read_gridded`.
    """
    ds = with_known_names(with_time(ds))
    return _collected(ds, source, {location: _taken(ds, places) for location, places in _locations(source)})


def _located(ds: xr.Dataset, mesh: Mesh | None) -> tuple[FileMesh, dict[str, dict[str, Array]]]:
    """The mesh of a dataset, and the variables on its faces and nodes."""
    crs = mesh.crs if mesh is not None else None
    if has_topology(ds) or is_mpas(ds):
        source = read_ugrid(ds, crs) if has_topology(ds) else read_mpas(ds, crs)
        return source, {location: _taken(ds, places) for location, places in _locations(source)}

    source, at_faces = _read_grid(ds, crs)
    return source, {"face": at_faces}


def _collected(ds: xr.Dataset, source: FileMesh, columns: dict[str, dict[str, Array]]) -> xr.Dataset:
    if not any(columns.values()):
        expected = " or ".join(f"(time, {', '.join(places.dims)})" for _, places in _locations(source))
        raise InputError(f"no variable of the table has dimensions {expected}")
    attributes = {name: ds[name].attrs for found in columns.values() for name in found}
    return on_mesh(source, columns, attributes).assign_coords(time=ds["time"].values)


def on_mesh(source: FileMesh, columns: dict[str, dict[str, Array]], attributes: dict[str, dict]) -> xr.Dataset:
    """Fields of a file as a UGRID dataset, vectors turned to the axes of the mesh, without times.

    Args:
        source: the mesh and where it lies in the file.
        columns: ``face`` or ``node`` -> variable -> values (time, P) along ``source.faces`` or ``source.nodes``.
        attributes: those of the file, of every variable.

    Raises:
        InputError: a vector with one component, or one along east where nobody knows where that is.
    """
    result = mesh_to_dataset(source.mesh)
    for location, places in _locations(source):
        found = columns.get(location, {})
        _still_where_no_ice(found)
        _turn(found, places, attributes)
        for name, values in found.items():
            kept = {key: attributes[name][key] for key in ("units", "long_name") if key in attributes[name]}
            result[name] = (("time", location), values, kept)

    return result


def with_time(ds: xr.Dataset) -> xr.Dataset:
    """The dataset with a dimension ``time``."""
    if "time" in ds.coords and ds["time"].ndim == 0:  # one record
        fields = {name: ds[name].expand_dims("time") for name in known_names(ds) if ds[name].ndim >= 1}
        return ds.assign(fields).assign_coords(time=ds["time"].expand_dims("time"))

    name = next((name for name in _TIMES if name in ds.dims), None)
    if name is None:
        raise InputError(f"no dimension 'time' (dimensions: {', '.join(map(str, ds.dims))})")

    ds = ds if name == "time" else ds.rename({name: "time"})
    if "time" not in ds.variables:
        raise InputError("the dimension 'time' has no coordinate; it needs units such as 'hours since 2000-01-01'")

    return ds


def _locations(source: FileMesh) -> list[tuple[str, FilePlaces]]:
    return [("face", source.faces)] + ([("node", source.nodes)] if source.nodes is not None else [])


def _names_on(ds: xr.Dataset, dims: tuple[str, ...]) -> list[str]:
    """Variables of the table on (time, dims), whatever dimensions of one element they have besides."""
    names = [variable.name for variable in default_variables().variables if variable.name in ds.variables]
    return [name for name in names if _lies_on(ds[name], {"time", *dims})]


def _lies_on(column: xr.DataArray, dims: set[str]) -> bool:
    return dims == {str(dim) for dim in column.dims if dim in dims or column.sizes[dim] > 1}


def _flat(column: xr.DataArray, dims: tuple[str, ...]) -> Array:
    """(time, flat position along the dimensions)."""
    single = [dim for dim in column.dims if dim not in ("time", *dims)]
    return column.squeeze(single, drop=True).transpose("time", *dims).values.reshape(column.sizes["time"], -1)


def _taken(ds: xr.Dataset, places: FilePlaces) -> dict[str, Array]:
    """Variables of the table at faces or nodes, (time, P)."""
    return {name: _flat(ds[name], places.dims)[:, places.index] for name in _names_on(ds, places.dims)}


def _read_grid(ds: xr.Dataset, crs: CRS | None) -> tuple[FileMesh, dict[str, Array]]:
    """The grid's cells of the mask at which the state has a value at some time, and the variables on them."""
    where = find_coordinates(ds)
    names = _names_on(ds, where.dims)
    if not names:
        raise InputError(f"no variable of the table has dimensions (time, {', '.join(where.dims)})")

    mask = find_mask(ds, where)
    cells = np.arange(np.prod(where.shape)) if mask is None else np.flatnonzero(mask)
    columns = {name: _flat(ds[name], where.dims)[:, cells] for name in names}
    state = [variable.name for variable in default_variables().state if variable.name in names] or names
    known = np.any([np.isfinite(columns[name]).any(axis=0) for name in state], axis=0)

    if mask is not None and not known.all():
        log.warning("left out %d ocean cells at which %s never have a value", (~known).sum(), ", ".join(state))

    ocean = np.zeros(where.shape, dtype=bool)
    ocean.flat[cells[known]] = True
    source = read_grid(ds, crs, ocean)
    place = np.searchsorted(cells, source.faces.index)

    return source, {name: values[:, place] for name, values in columns.items()}


def _still_where_no_ice(columns: dict[str, Array]) -> None:
    """Ice that is not there does not drift: models write gaps."""
    if "sic" not in columns:
        return
    for name in ("siu", "siv"):
        if name in columns:
            gaps = np.isnan(columns[name]) & (columns["sic"] == 0)
            columns[name] = np.where(gaps, np.zeros((), columns[name].dtype), columns[name])


def _turn(columns: dict[str, Array], places: FilePlaces, attributes: dict[str, dict]) -> None:
    """Vectors to the axes of the plane, in place."""
    table = default_variables().variables
    for x, y in vector_pairs(table):
        first, second = table[x].name, table[y].name
        if (first in columns) != (second in columns):
            here, missing = (first, second) if first in columns else (second, first)
            raise InputError(f"'{here}' is here but its other component '{missing}' is not")

        if first in columns:
            kept = columns[first].dtype
            frame = _frame(first, places, str(attributes[first].get("standard_name", "")))
            turned = frame.to_plane(columns[first], columns[second])
            columns[first], columns[second] = (part.astype(kept) for part in turned)


def _frame(name: str, places: FilePlaces, standard_name: str) -> Frame:
    """The axes that a vector is given along."""
    if not standard_name.startswith("eastward"):
        return places.axes
    if places.compass is None:
        raise InputError(f"'{name}' points east, but the file does not say where its plane lies (no grid mapping)")
    return places.compass

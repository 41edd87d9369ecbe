"""FESOM 2's mesh in its file ``fesom.mesh.diag.nc``, in the forms that its versions have written.

Newer files have a UGRID topology. Older ones have ``elements`` (three nodes of each triangle, counted from 1) with
``lon`` and ``lat`` in degrees, or ``nodes``, longitude and latitude in radians. The first version called the triangles
``elem``.
"""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.fesom.fesom_mesh import is_fesom, read_fesom
from gensim_graph.io.safe import is_netcdf_with, opened, opened_dataset, read_values
from gensim_graph.io.ugrid import face_table, find_topology, has_topology, node_coordinates, ugrid_mesh
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

NODE_DIM = "nod2"
"""Dimension of FESOM's nodes."""

_NAME = "mesh.diag.nc"
_TABLES = ("elements", "elem")


def is_diagnostics(path: Path) -> bool:
    """Return True if a file is a mesh file of FESOM 2 without a UGRID topology, or any with a mesh folder around it."""
    is_beside_folder = path.name.endswith(_NAME) and path.is_file() and is_fesom(path.parent)
    return is_beside_folder or _is_old(path)


def read_diagnostics_mesh(path: Path, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Read the mesh of a ``fesom.mesh.diag.nc``; if that is not possible, of ``nod2d.out`` beside it.

    Args:
        path: the file.
        crs: the plane to project to; None chooses one from the extent of the mesh.
        defects: treatment of duplicate nodes and faulty faces, see :meth:`Mesh.from_faces
            <gensim_graph.mesh.mesh.Mesh.from_faces>`.

    Raises:
        InputError: the file has no coordinates or triangles, and there is no mesh beside it.
    """
    try:
        if _is_old(path):
            return ugrid_mesh(_read_old(path), crs, defects)
        with opened_dataset(path) as ds:
            return ugrid_mesh(ds, crs, defects)
    except InputError as error:
        if not is_fesom(path.parent):
            raise
        log.warning("%s (%s): the mesh is read from nod2d.out beside it", path.name, error)

    return read_fesom(path.parent, crs, defects)


def read_diagnostics(path: Path) -> xr.Dataset:
    """Read a ``fesom.mesh.diag.nc`` of any version as a UGRID dataset with longitude, latitude and triangles.

    Raises:
        InputError: the file is damaged, or has no coordinates or triangles.
    """
    with naming(path.name):
        if _is_old(path):
            return _read_old(path)

        with opened_dataset(path) as ds:
            if not has_topology(ds):
                raise InputError(f"has no topology and no dimension '{NODE_DIM}'")
            lon, lat = node_coordinates(ds)
            if lon.dims != (NODE_DIM,):
                raise InputError(f"expected node coordinates on '{NODE_DIM}', got {lon.dims}")

            topology = find_topology(ds)
            return ds[[topology.name, lon.name, lat.name, face_table(ds, topology).name]].load()


def topology_dataset(lon: Array, lat: Array, faces: Array, flags: Array) -> xr.Dataset:
    """Return a mesh of FESOM as a UGRID dataset.

    Args:
        lon: (N,) longitudes of the nodes, degrees.
        lat: (N,) latitudes of the nodes, degrees.
        faces: (F, 3) triangles, counted from 0.
        flags: (N,) 1 on the coast.
    """
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "lon lat",
        "face_node_connectivity": "face_nodes",
    }
    return xr.Dataset(
        {
            "fesom_mesh": ((), 0, topology),
            "lon": (NODE_DIM, lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "lat": (NODE_DIM, lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "face_nodes": (("elem", "n3"), faces, {"start_index": 0}),
            "node_flag": (NODE_DIM, (flags == 1).astype(np.int8)),
        }
    )


def _is_old(path: Path) -> bool:
    return is_netcdf_with(path, lambda content: _holds_old_diagnostics(content, path.name.endswith(_NAME)))


def _holds_old_diagnostics(content: netCDF4.Dataset, is_named_so: bool) -> bool:
    tables = [content.variables[name] for name in _TABLES if name in content.variables]
    has_triangles = any(table.ndim == 2 and 3 in table.shape for table in tables)
    has_topology = any("cf_role" in variable.ncattrs() for variable in content.variables.values())

    return NODE_DIM in content.dimensions and (has_triangles or is_named_so) and not has_topology


def _read_old(path: Path) -> xr.Dataset:
    with opened(path) as content:
        count = len(content.dimensions[NODE_DIM])
        lon, lat = _read_degrees(content, count)
        faces = _read_triangles(content, count)

    return topology_dataset(lon, lat, faces, np.zeros(count))


def _read_degrees(content: netCDF4.Dataset, count: int) -> tuple[Array, Array]:
    """Longitude and latitude of the nodes, (N,) degrees."""
    if {"lon", "lat"} <= set(content.variables):
        names = ("lon", "lat")
        lon, lat = (read_values(content.variables[name], np.float64) for name in names)
    elif "nodes" in content.variables:
        names = ("nodes", "nodes")
        pair = read_values(content.variables["nodes"], np.float64)
        lon, lat = pair if pair.shape == (2, count) else pair.T.reshape(2, -1)
    else:
        raise InputError("an older mesh file of FESOM needs 'lon' and 'lat', or 'nodes'")

    if lon.shape != (count,) or lat.shape != (count,):
        raise InputError(f"'{names[0]}' {lon.shape} and '{names[1]}' {lat.shape} must have {count} nodes")
    if _is_in_radians(content.variables[names[1]], lon, lat):
        lon, lat = np.degrees(lon), np.degrees(lat)
    if not (np.abs(lon) <= 360.0).all() or not (np.abs(lat) <= 90.0).all():
        raise InputError("longitudes and latitudes must be degrees or radians; some are missing or beyond 360 and 90")

    return lon, lat


def _is_in_radians(variable: netCDF4.Variable, lon: Array, lat: Array) -> bool:
    """Return True if longitude and latitude are radians: by their unit, or because no degree is that small.

    Without a unit, all nodes within 1.6 degrees of the equator and 6.3 degrees of Greenwich are taken as radians: no
    sea with ice lies there.
    """
    unit = str(getattr(variable, "units", ""))
    if unit:
        return unit.startswith("rad")

    is_small = bool((np.abs(lat) <= 0.5 * np.pi + 1e-6).all() and (np.abs(lon) <= 2.0 * np.pi + 1e-6).all())
    if is_small:
        log.warning("'%s' has no units, and all its values are small: they are taken as radians", variable.name)

    return is_small


def _read_triangles(content: netCDF4.Dataset, count: int) -> Array:
    """Triangles (F, 3), counted from 0."""
    name = next((name for name in _TABLES if name in content.variables), None)
    if name is None:
        raise InputError("an older mesh file of FESOM needs 'elements', the nodes of its triangles")

    table = read_values(content.variables[name], np.float64)
    if table.ndim != 2 or 3 not in table.shape:
        raise InputError(f"'{name}' {table.shape} must hold three nodes of each triangle")
    if content.variables[name].dimensions[0] == "n3" or table.shape[1] != 3:
        table = table.T

    start = float(getattr(content.variables[name], "start_index", 1))
    faces = table - start
    if not np.isfinite(faces).all() or faces.min() < 0 or faces.max() >= count or (faces % 1).any():
        raise InputError(f"'{name}' must have whole numbers from {start:g} to {count - 1 + start:g}")

    return faces.astype(np.int64)

"""Meshes from datasets with a UGRID topology.

A mesh depends on a few variables of its dataset only. :class:`_MeshVariables` collects them and loads each of them
once; the key of the cache and the mesh are made from nothing else.
"""

import logging
from dataclasses import dataclass, fields

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import in_metres_or_degrees, in_unknown_unit, is_angle, is_latitude
from gensim_graph.io.file_mesh import FileMesh, locate_in_file
from gensim_graph.io.grid_mapping import CRS_ADVICE, crs_if_known, grid_mapping_variables
from gensim_graph.io.ugrid.mesh_cache import MeshCache, content_key
from gensim_graph.io.ugrid.topologies import (
    edge_pairs_table,
    face_table,
    find_topology,
    mesh_topologies,
    node_numbers,
    referenced,
)
from gensim_graph.io.ugrid.ugrid_writer import NODE_FLAGS
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, named_boundaries, on_plane, rim
from gensim_graph.mesh.planes import degrees_to_vectors, plane_name, unit_vectors
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_CACHE = MeshCache()

_COASTS = ("coast", "closed", "land", "wall", "island", "shore")


def mesh_from_dataset(
    ds: xr.Dataset, name: str | None = None, crs: CRS | None = None, defects: Defects = "refuse"
) -> Mesh:
    """Return the mesh of a UGRID dataset, faces and nodes in the order of the file.

    The last few meshes are kept: datasets with the same topology, such as a dataset and its time steps, share one
    :class:`~gensim_graph.mesh.Mesh`. Its arrays are read-only for that reason. Changing the topology of a dataset in
    place gives a new mesh.

    Args:
        ds: a dataset with a 2-D mesh topology.
        name: name of the topology variable; needed where there are several.
        crs: plane of the nodes, if the dataset has no grid mapping. Longitude and latitude are projected to it, or to a
            plane chosen from their extent (:func:`~gensim_graph.mesh.planes.plane.choose_plane`).
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: the topology is missing or incomplete, or the mesh is invalid.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_trajectories
        >>> from gensim_graph.io import mesh_from_dataset
        >>> dataset = gg.open_store(cyclone_trajectories("test"))
        >>> mesh = mesh_from_dataset(dataset)
        >>> mesh.n_faces
        2640
        >>> mesh_from_dataset(dataset.isel(time=0)) is mesh
        True
    """
    variables = _mesh_variables(ds, name)
    return _CACHE.get(content_key(variables.columns, crs, defects), lambda: _parse(variables, crs, defects))


def keep_mesh(ds: xr.Dataset, mesh: Mesh) -> None:
    """Let :func:`mesh_from_dataset` find the mesh of a dataset without reading it.

    Args:
        ds: a dataset whose topology :func:`~gensim_graph.io.mesh_to_dataset` has written from ``mesh``.
        mesh: a mesh that was read from a UGRID file, so that reading ``ds`` would give the same.
    """
    _CACHE.get(content_key(_mesh_variables(ds).columns, None, "refuse"), lambda: mesh)


def ugrid_mesh(ds: xr.Dataset, crs: CRS | None = None, defects: Defects = "raise", name: str | None = None) -> Mesh:
    """Read the mesh of a UGRID dataset anew, without the cache: every repair and projection is logged again.

    Args:
        ds: a dataset with a 2-D mesh topology.
        crs: see :func:`mesh_from_dataset`.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.
        name: name of the topology variable; needed where there are several.

    Raises:
        InputError: see :func:`mesh_from_dataset`.
    """
    return _parse(_mesh_variables(ds, name), crs, defects)


def read_ugrid(ds: xr.Dataset, crs: CRS | None = None) -> FileMesh:
    """Read the mesh of a UGRID dataset, and the positions of its faces and nodes in the arrays of the dataset.

    Args:
        ds: a dataset with one 2-D mesh topology.
        crs: see :func:`mesh_from_dataset`.

    Raises:
        InputError: see :func:`mesh_from_dataset`.
    """
    variables = _mesh_variables(ds)
    drawing = _drawing(variables, crs)
    mesh = _mesh_of(drawing, variables, "refuse")
    return locate_in_file(mesh, drawing, str(variables.faces.dims[0]), str(variables.x.dims[0]))


def has_topology(ds: xr.Dataset) -> bool:
    """Return True if a dataset has a UGRID mesh topology of dimension 2."""
    return bool(mesh_topologies(ds))


def node_coordinates(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the coordinates of the nodes of the only topology, x or longitude first if the file has them so.

    Raises:
        InputError: there is no topology, or it does not name its coordinates.
    """
    x, y = referenced(ds, find_topology(ds), "node_coordinates")[:2]
    return x, y


@dataclass(frozen=True)
class _MeshVariables:
    """The variables of a dataset that define its mesh, in memory; the topology variable only says which they are.

    Attributes:
        x: x or longitude of the nodes (or latitude, if the file has that first).
        y: the other coordinate.
        faces: (face, corner) node numbers as in the file.
        boundary_nodes: (boundary edge, 2) node numbers as in the file, or None.
        boundary_flag: (boundary edge,) number of the boundary that the edge belongs to, or None.
        node_flag: (node,) values of ``NODE_FLAGS``; None if the boundaries are given by edges.
        grid_mapping: CF grid mapping of the coordinates, or None.
    """

    x: xr.DataArray
    y: xr.DataArray
    faces: xr.DataArray
    boundary_nodes: xr.DataArray | None
    boundary_flag: xr.DataArray | None
    node_flag: xr.DataArray | None
    grid_mapping: xr.Variable | None

    @property
    def columns(self) -> list[xr.DataArray | xr.Variable | None]:
        """All of them in a fixed order."""
        return [getattr(self, field.name) for field in fields(self)]


def _mesh_variables(ds: xr.Dataset, name: str | None = None) -> _MeshVariables:
    topology = find_topology(ds, name)
    x, y = referenced(ds, topology, "node_coordinates")[:2]
    boundary_nodes, boundary_flag = _boundary_columns(ds, topology)
    has_flags = boundary_flag is None and "node_flag" in ds and ds["node_flag"].size == x.size
    node_flag = ds["node_flag"] if has_flags else None

    return _MeshVariables(
        x=_in_memory(x),
        y=_in_memory(y),
        faces=_in_memory(face_table(ds, topology)),
        boundary_nodes=None if boundary_nodes is None else _in_memory(boundary_nodes),
        boundary_flag=None if boundary_flag is None else _in_memory(boundary_flag),
        node_flag=None if node_flag is None else _in_memory(node_flag),
        grid_mapping=_grid_mapping_of(ds, x),
    )


def _boundary_columns(ds: xr.Dataset, topology: xr.DataArray) -> tuple[xr.DataArray | None, xr.DataArray | None]:
    """Node pairs of the boundary edges, and the variable with flags that names the boundary of each; or None twice."""
    if "boundary_node_connectivity" not in topology.attrs:
        return None, None

    try:
        table = edge_pairs_table(referenced(ds, topology, "boundary_node_connectivity")[0])
    except InputError as error:
        log.warning("boundaries are not used: %s", error)
        return None, None
    if "boundary_flag" in ds:
        return table, ds["boundary_flag"]

    for name, column in ds.variables.items():
        if column.dims == table.dims[:1] and {"flag_values", "flag_meanings"} <= set(column.attrs):
            return table, ds[name]

    return None, None


def _in_memory(column: xr.DataArray) -> xr.DataArray:
    """Load a variable once: ``values`` of a dask array would be computed anew at each use."""
    try:
        values = column.values
    except Exception as error:  # of an open file: netCDF, HDF5, zarr and their codecs raise exceptions of all kinds
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"its mesh cannot be read, '{column.name}' is damaged ({reason}); is it complete?") from error

    loaded = xr.DataArray(values, dims=column.dims, name=column.name, attrs=column.attrs)
    loaded.encoding = column.encoding
    return loaded


def _grid_mapping_of(ds: xr.Dataset, x: xr.DataArray) -> xr.Variable | None:
    """Attributes of the grid mapping that a coordinate names, else of the first one in the dataset."""
    named = str(x.attrs.get("grid_mapping", "crs")).split(":")[0].strip()  # "crs: x y" is allowed
    variable = ds.variables.get(named)
    variable = next(iter(grid_mapping_variables(ds)), None) if variable is None else variable
    if variable is None:
        return None

    is_code = variable.ndim == 0 and "value" in variable.attrs  # D-Flow FM; else the value has no meaning
    return xr.Variable((), variable.values if is_code else 0, variable.attrs)


def _parse(variables: _MeshVariables, crs: CRS | None, defects: Defects) -> Mesh:
    return _mesh_of(_drawing(variables, crs), variables, defects)


def _mesh_of(drawing: Drawing, variables: _MeshVariables, defects: Defects) -> Mesh:
    return Mesh.from_arrays(arrays_of_drawing(drawing, defects, _boundaries(variables, drawing)))


def _drawing(variables: _MeshVariables, crs: CRS | None) -> Drawing:
    """Nodes and faces in a plane."""
    x, y = variables.x, variables.y
    faces = node_numbers(variables.faces, x.size)
    if x.ndim != 1 or x.dims != y.dims:
        raise InputError(f"node coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} need one dimension, the same")

    if is_angle(x):
        longitude, latitude = (y, x) if is_latitude(x) else (x, y)
        vectors = unit_vectors(in_metres_or_degrees(longitude), in_metres_or_degrees(latitude))
        return from_globe(vectors, faces, _projected(crs))

    plane = _plane(variables, crs)
    points = np.stack([in_metres_or_degrees(x), in_metres_or_degrees(y)], axis=1)
    if plane is not None and plane.is_geographic and not x.attrs.get("units"):
        return from_globe(degrees_to_vectors(points), faces, _projected(crs))

    for column in (x, y):
        _check_length(column)

    return on_plane(points, faces, _projected(plane))


def _projected(crs: CRS | None) -> CRS | None:
    """The crs if it is a plane; None for longitude and latitude, which are not the plane of a mesh."""
    return None if crs is None or crs.is_geographic else crs


def _plane(variables: _MeshVariables, crs: CRS | None) -> CRS | None:
    """The plane that the file says, else the one that was asked for; logs one line if they differ."""
    said, problem = (None, "") if variables.grid_mapping is None else crs_if_known(variables.grid_mapping)
    if problem and crs is None:
        log.warning("%s; %s", problem, CRS_ADVICE)
    elif said is not None and crs is not None and said != crs:
        log.warning("the file says that its plane is '%s': crs= is not used", plane_name(said))

    return crs if said is None else said


def _check_length(x: xr.DataArray) -> None:
    """Refuse coordinates in an unknown unit; log one line if there is no unit."""
    if in_unknown_unit(x):
        raise InputError(f"'{x.name}' is in '{x.attrs['units']}'; expected m, km or another length, or degrees")
    if not str(x.attrs.get("units", "")).strip():
        log.warning("node coordinates '%s' have no units: taken as m", x.name)


def _boundaries(variables: _MeshVariables, drawing: Drawing) -> dict[str, Array] | None:
    """Node pairs of each named boundary; None if the file does not name any."""
    if variables.boundary_nodes is not None and variables.boundary_flag is not None:
        return _named_edges(variables.boundary_nodes, variables.boundary_flag, variables.x.size)

    if variables.node_flag is not None:
        # An edge is coast if both its nodes are coast, and open if one of them is open or the plane cuts the mesh here.
        edges, is_cut = rim(drawing)
        flags = variables.node_flag.values[edges]
        is_coast = (flags == NODE_FLAGS["coast"]).all(axis=1) & ~is_cut
        return named_boundaries(edges, is_coast, (flags == NODE_FLAGS["open"]).any(axis=1) | is_cut)

    return None


def _named_edges(boundary_nodes: xr.DataArray, flag: xr.DataArray, n_nodes: int) -> dict[str, Array] | None:
    pairs = node_numbers(boundary_nodes, n_nodes)
    if not {"flag_meanings", "flag_values"} <= set(flag.attrs):
        log.warning("boundaries are not used: '%s' needs the attributes flag_values and flag_meanings", flag.name)
        return None

    names = str(flag.attrs["flag_meanings"]).split()
    numbers = np.atleast_1d(flag.attrs["flag_values"])
    if len(names) != len(numbers):
        log.warning("boundaries are not used: '%s' has %d flag_values and %d flag_meanings",
                    flag.name, len(numbers), len(names))  # fmt: skip
        return None

    if flag.name == "boundary_flag":  # of this package: 0 is the edges without a name
        return {name: pairs[flag.values == number] for name, number in zip(names, numbers, strict=True) if number != 0}

    found: dict[str, Array] = {}
    for name, number in zip(names, numbers, strict=True):
        kind = _known_boundary(name)
        rows = pairs[flag.values == number]
        found[kind] = np.concatenate([found[kind], rows]) if kind in found else rows

    return {name: rows for name, rows in found.items() if len(rows)}


def _known_boundary(name: str) -> str:
    """Name of this package for a boundary of another program."""
    lowered = name.lower()
    if "open" in lowered:
        return "open"
    return "coast" if any(word in lowered for word in _COASTS) else name

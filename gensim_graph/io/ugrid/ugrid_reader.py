"""Meshes from datasets with a UGRID topology.

A mesh depends on a few variables of its dataset only. :class:`_MeshVariables` collects them and loads each of them
once; the key of the cache and the mesh are made from nothing else.
"""

from dataclasses import dataclass, fields

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import in_metres_or_degrees, is_angle, is_latitude
from gensim_graph.io.file_mesh import FileMesh, locate_in_file
from gensim_graph.io.grid_mapping import crs_of, grid_mapping_variable
from gensim_graph.io.ugrid.mesh_cache import MeshCache, content_key
from gensim_graph.io.ugrid.ugrid_writer import NODE_FLAGS
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, named_boundaries, on_plane, rim
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

_CACHE = MeshCache()


def mesh_from_dataset(
    ds: xr.Dataset, name: str | None = None, crs: CRS | None = None, defects: Defects = "raise"
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
    _CACHE.get(content_key(_mesh_variables(ds).columns, None, "raise"), lambda: mesh)


def ugrid_mesh(ds: xr.Dataset, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Read the mesh of a UGRID dataset anew, without the cache: every repair and projection is logged again.

    Args:
        ds: a dataset with one 2-D mesh topology.
        crs: see :func:`mesh_from_dataset`.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: see :func:`mesh_from_dataset`.
    """
    return _parse(_mesh_variables(ds), crs, defects)


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
    mesh = _mesh_of(drawing, variables, "raise")
    return locate_in_file(mesh, drawing, str(variables.faces.dims[0]), str(variables.x.dims[0]))


def has_topology(ds: xr.Dataset) -> bool:
    """Return True if a dataset has a UGRID mesh topology."""
    return bool(_topology_names(ds))


def node_coordinates(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the coordinates of the nodes of the only topology, x or longitude first if the file has them so.

    Raises:
        InputError: there is no topology, or it does not name its coordinates.
    """
    x, y = _referenced(ds, _topology(ds, None), "node_coordinates")[:2]
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
    topology = _topology(ds, name)
    x, y = _referenced(ds, topology, "node_coordinates")[:2]
    boundary_nodes = boundary_flag = node_flag = None

    if "boundary_node_connectivity" in topology.attrs and "boundary_flag" in ds:
        (boundary_nodes,) = _referenced(ds, topology, "boundary_node_connectivity")
        boundary_flag = ds["boundary_flag"]
    elif "node_flag" in ds and ds["node_flag"].size == x.size:
        node_flag = ds["node_flag"]

    return _MeshVariables(
        x=_in_memory(x),
        y=_in_memory(y),
        faces=_in_memory(_face_table(ds, topology)),
        boundary_nodes=None if boundary_nodes is None else _in_memory(boundary_nodes),
        boundary_flag=None if boundary_flag is None else _in_memory(boundary_flag),
        node_flag=None if node_flag is None else _in_memory(node_flag),
        grid_mapping=_grid_mapping_of(ds, x),
    )


def _in_memory(column: xr.DataArray) -> xr.DataArray:
    """Load a variable once: ``values`` of a dask array would be computed anew at each use."""
    loaded = xr.DataArray(column.values, dims=column.dims, name=column.name, attrs=column.attrs)
    loaded.encoding = column.encoding
    return loaded


def _grid_mapping_of(ds: xr.Dataset, x: xr.DataArray) -> xr.Variable | None:
    """Attributes of the grid mapping that a coordinate names, else of the first one in the dataset."""
    variable = ds.variables.get(x.attrs.get("grid_mapping", "crs"))
    variable = grid_mapping_variable(ds) if variable is None else variable
    return None if variable is None else xr.Variable((), 0, variable.attrs)  # its value has no meaning


def _topology_names(ds: xr.Dataset) -> list[str]:
    return [str(key) for key, column in ds.variables.items() if column.attrs.get("cf_role") == "mesh_topology"]


def _topology(ds: xr.Dataset, name: str | None) -> xr.DataArray:
    found = [key for key in _topology_names(ds) if name in (None, key)]

    if len(found) != 1:
        what = f"{len(found)} mesh topologies {found}; name one" if found else "no mesh topology"
        raise InputError(f"the dataset has {what}; UGRID needs a variable with cf_role = 'mesh_topology'")

    return ds[found[0]]


def _referenced(ds: xr.Dataset, topology: xr.DataArray, attribute: str) -> list[xr.DataArray]:
    """Variables that an attribute of the topology names."""
    names = str(topology.attrs.get(attribute, "")).split()
    missing = [name for name in names if name not in ds.variables]

    if not names or missing:
        raise InputError(
            f"mesh topology '{topology.name}': {attribute} names {missing or 'nothing'} that is not in the dataset"
        )

    return [ds[name] for name in names]


def _face_table(ds: xr.Dataset, topology: xr.DataArray) -> xr.DataArray:
    """Corners of the faces, faces first."""
    (variable,) = _referenced(ds, topology, "face_node_connectivity")
    is_transposed = variable.ndim == 2 and topology.attrs.get("face_dimension") == variable.dims[1]
    return variable.T if is_transposed else variable


def _parse(variables: _MeshVariables, crs: CRS | None, defects: Defects) -> Mesh:
    return _mesh_of(_drawing(variables, crs), variables, defects)


def _mesh_of(drawing: Drawing, variables: _MeshVariables, defects: Defects) -> Mesh:
    return Mesh.from_arrays(arrays_of_drawing(drawing, defects, _boundaries(variables, drawing)))


def _drawing(variables: _MeshVariables, crs: CRS | None) -> Drawing:
    """Nodes and faces in a plane."""
    x, y = variables.x, variables.y
    faces = _connectivity(variables.faces)
    if x.ndim != 1 or x.dims != y.dims:
        raise InputError(f"node coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} need one dimension, the same")

    if is_angle(x):
        longitude, latitude = (y, x) if is_latitude(x) else (x, y)
        vectors = unit_vectors(in_metres_or_degrees(longitude), in_metres_or_degrees(latitude))
        return from_globe(vectors, faces, crs)

    plane = None if variables.grid_mapping is None else crs_of(variables.grid_mapping)
    points = np.stack([in_metres_or_degrees(x), in_metres_or_degrees(y)], axis=1)

    return on_plane(points, faces, plane or crs)


def _connectivity(variable: xr.DataArray) -> Array:
    """Node numbers counted from 0, -1 where there is none, for any fill value and start index of the file."""
    values = np.asarray(variable.values)
    start = int(variable.attrs.get("start_index", 0))
    fill = variable.attrs.get("_FillValue", variable.encoding.get("_FillValue"))

    absent = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    absent |= (values == fill) if fill is not None else (values < start)

    return np.where(absent, -1, np.where(absent, 0, values).astype(np.int64) - start)


def _boundaries(variables: _MeshVariables, drawing: Drawing) -> dict[str, Array] | None:
    """Node pairs of each named boundary; None if the file does not name any."""
    if variables.boundary_nodes is not None and variables.boundary_flag is not None:
        return _named_edges(variables.boundary_nodes, variables.boundary_flag)

    if variables.node_flag is not None:
        # An edge is coast if both its nodes are coast, and open if one of them is open or the plane cuts the mesh here.
        edges, is_cut = rim(drawing)
        flags = variables.node_flag.values[edges]
        is_coast = (flags == NODE_FLAGS["coast"]).all(axis=1) & ~is_cut
        return named_boundaries(edges, is_coast, (flags == NODE_FLAGS["open"]).any(axis=1) | is_cut)

    return None


def _named_edges(boundary_nodes: xr.DataArray, flag: xr.DataArray) -> dict[str, Array]:
    pairs = _connectivity(boundary_nodes)
    names = str(flag.attrs["flag_meanings"]).split()
    numbers = np.atleast_1d(flag.attrs["flag_values"])
    return {name: pairs[flag.values == number] for name, number in zip(names, numbers, strict=True) if number != 0}

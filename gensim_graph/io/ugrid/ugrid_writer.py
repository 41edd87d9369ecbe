"""The topology of a mesh as an xarray dataset: UGRID-1.0 with a CF grid mapping.

Boundaries are written twice: as ``node_flag`` (0 interior, 1 coast, 2 open), which is easy to plot with other tools,
and as the boundary edges of UGRID with a flag that names them, from which they are read back exactly.
"""

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.grid_mapping import crs_variable
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import lonlat, unproject
from gensim_graph.typing import Array

NODE_FLAGS = {"interior": 0, "coast": 1, "open": 2}
"""Name -> value of ``node_flag``."""


def mesh_to_dataset(mesh: Mesh, name: str = "mesh") -> xr.Dataset:
    """Topology of a mesh as a dataset with dimensions ``node``, ``face``, ``corner``, ``boundary_edge`` and ``two``.

    See :func:`in_degrees` for programs that know longitude and latitude only.

    Args:
        mesh: the mesh.
        name: name of the topology variable.

    Returns:
        Variables ``mesh``, ``node_x``, ``node_y`` (m), ``face_nodes``, ``node_flag``, ``boundary_nodes``,
        ``boundary_flag``, and ``crs`` where the mesh has one.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.io import mesh_to_dataset
        >>> mesh = gg.Mesh.from_grid(np.arange(3) * 1e4, np.arange(2) * 1e4)
        >>> dict(mesh_to_dataset(mesh).sizes)
        {'node': 12, 'face': 6, 'corner': 4, 'boundary_edge': 10, 'two': 2}
    """
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "node_x node_y",
        "face_node_connectivity": "face_nodes",
        "face_dimension": "face",
        "boundary_node_connectivity": "boundary_nodes",
    }
    data: dict[str, tuple] = {name: ((), np.int32(0), topology)}
    for axis, values in zip("xy", mesh.nodes.T, strict=True):
        data[f"node_{axis}"] = ("node", values.copy(), _coordinate_attrs(axis, mesh.crs))

    attrs = {"cf_role": "face_node_connectivity", "start_index": 0, "long_name": "corners, counter-clockwise"}
    data["face_nodes"] = (("face", "corner"), mesh.faces.astype(np.int32), attrs, {"_FillValue": np.int32(-1)})

    flag_attrs = _flag_attrs("boundary of the mesh at the node", NODE_FLAGS) | {"mesh": name, "location": "node"}
    data["node_flag"] = ("node", _node_flags(mesh), flag_attrs)
    data |= _boundary_variables(mesh)

    variables = {key: xr.Variable(*parts) for key, parts in data.items()}
    if mesh.crs is not None:
        variables["crs"] = crs_variable(mesh.crs)

    return xr.Dataset(variables, attrs={"Conventions": "CF-1.8 UGRID-1.0"})


def in_degrees(mesh: Mesh) -> xr.Dataset:
    """Topology of a mesh as in :func:`mesh_to_dataset`, with nodes in degrees (``node_lon``, ``node_lat``), not metres.

    The sides of faces become arcs. A program that reads the dataset must project it again, and gets the same plane only
    if the user gives it the crs.

    Raises:
        InputError: the mesh has no crs.
    """
    if mesh.crs is None:
        raise InputError("longitude and latitude need a mesh with a crs; load it with crs=")

    dataset = mesh_to_dataset(mesh).drop_vars(["node_x", "node_y", "crs"])
    dataset["mesh"].attrs["node_coordinates"] = "node_lon node_lat"

    for part, values in zip(("lon", "lat"), lonlat(unproject(mesh.nodes, mesh.crs)), strict=True):
        dataset[f"node_{part}"] = ("node", values, _degree_attrs(part, "nodes"))

    return dataset


def face_coordinates(mesh: Mesh) -> dict[str, xr.Variable]:
    """Return longitude and latitude of the centres of the faces, ``lon`` and ``lat`` (face); empty without a crs.

    Example:
        >>> import gensim_graph as gg
        >>> from gensim_graph.data import cyclone_meshes
        >>> from gensim_graph.io import face_coordinates
        >>> lat = face_coordinates(gg.load_mesh(cyclone_meshes()["box_16km_a"]))["lat"]
        >>> lat.attrs["standard_name"], f"{lat.values.min():.1f} to {lat.values.max():.1f} N"
        ('latitude', '81.5 to 86.7 N')
    """
    if mesh.crs is None:
        return {}

    values = dict(zip(("lon", "lat"), lonlat(unproject(mesh.centres, mesh.crs)), strict=True))
    return {name: xr.Variable("face", values[name], _degree_attrs(name, "faces")) for name in values}


def _degree_attrs(part: str, location: str) -> dict[str, str]:
    standard, side = {"lon": ("longitude", "east"), "lat": ("latitude", "north")}[part]
    return {"standard_name": standard, "long_name": f"{standard} of the {location}", "units": f"degrees_{side}"}


def _coordinate_attrs(axis: str, crs: CRS | None) -> dict[str, str]:
    attrs = {"long_name": f"{axis} of the nodes", "units": "m"}
    return attrs | {"standard_name": f"projection_{axis}_coordinate", "grid_mapping": "crs"} if crs else attrs


def _flag_attrs(long_name: str, flags: dict[str, int]) -> dict:
    values = np.array(list(flags.values()), dtype=np.int8)
    return {"long_name": long_name, "flag_values": values, "flag_meanings": " ".join(flags)}


def _node_flags(mesh: Mesh) -> Array:
    flags = np.zeros(mesh.n_nodes, dtype=np.int8)
    is_coast = mesh.boundary_kind == "coast"
    flags[mesh.boundary_edges[~is_coast]] = NODE_FLAGS["open"]
    flags[mesh.boundary_edges[is_coast]] = NODE_FLAGS["coast"]  # last: ice cannot move at a node with any coast

    return flags


def _boundary_variables(mesh: Mesh) -> dict[str, tuple]:
    """Edges of all named boundaries and their flags; in a mesh without names all boundary edges, with flag 0."""
    numbers = {"unnamed": 0} | {name: number for number, name in enumerate(mesh.boundaries, start=1)}
    edges = [pairs for pairs in mesh.boundaries.values() if len(pairs)]
    flags = [np.full(len(pairs), numbers[name]) for name, pairs in mesh.boundaries.items() if len(pairs)]

    if not edges:
        edges = [mesh.boundary_edges]
        flags = [np.zeros(len(mesh.boundary_edges))]

    attrs = {"cf_role": "boundary_node_connectivity", "start_index": 0}
    words = {_as_one_word(name): number for name, number in numbers.items()}
    flag_attrs = _flag_attrs("boundary that the edge belongs to", words)

    return {
        "boundary_nodes": (("boundary_edge", "two"), np.concatenate(edges).astype(np.int32), attrs),
        "boundary_flag": ("boundary_edge", np.concatenate(flags).astype(np.int8), flag_attrs),
    }


def _as_one_word(name: str) -> str:
    return "_".join(name.split())  # flag_meanings is a list separated by blanks

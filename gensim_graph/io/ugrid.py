"""Mesh topology in xarray datasets: UGRID-1.0 with a CF grid mapping.

Boundaries are written twice: as ``node_flag`` (0 interior, 1 coast, 2 open), which other tools understand at a
glance, and as UGRID's boundary edges with a flag that names them, from which they come back exactly.
"""

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.io.coordinates import crs_of, grid_mapping, in_double, is_angle, is_latitude
from gensim_graph.io.file_mesh import FileMesh, place_in_file
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, named_boundaries, on_plane, rim
from gensim_graph.mesh.planes import lonlat, unit_vectors, unproject
from gensim_graph.typing import Array

_FLAGS = {"interior": 0, "coast": 1, "open": 2}


def mesh_to_dataset(mesh: Mesh, name: str = "mesh") -> xr.Dataset:
    """Topology of a mesh as a dataset with dimensions ``node``, ``face``, ``corner``, ``boundary_edge`` and ``two``.

    See :func:`in_degrees` for programs that know longitude and latitude only.

    Returns:
        Variables ``mesh``, ``node_x``, ``node_y`` (m), ``face_nodes``, ``node_flag``, ``boundary_nodes``,
        ``boundary_flag``, and ``crs`` where the mesh has one.
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
    on_nodes = {"mesh": name, "location": "node"}
    data["node_flag"] = ("node", _node_flags(mesh), _flag_attrs("boundary of the mesh at the node", _FLAGS) | on_nodes)
    data |= _boundary_variables(mesh)

    if mesh.crs is not None:
        data["crs"] = ((), np.int32(0), {key: value for key, value in mesh.crs.to_cf().items() if value is not None})

    return xr.Dataset(
        {key: xr.Variable(*parts) for key, parts in data.items()}, attrs={"Conventions": "CF-1.8 UGRID-1.0"}
    )


def in_degrees(mesh: Mesh) -> xr.Dataset:
    """As :func:`mesh_to_dataset`, with ``node_lon`` and ``node_lat`` in degrees in place of metres in a plane.

    Sides become arcs; who reads it projects it again, to the same plane only if told so.

    Raises:
        InputError: the mesh has no crs.
    """
    if mesh.crs is None:
        raise InputError("longitude and latitude need a mesh with a crs; load it with crs=")

    dataset = mesh_to_dataset(mesh).drop_vars(["node_x", "node_y", "crs"])
    dataset["mesh"].attrs["node_coordinates"] = "node_lon node_lat"

    for part, values in zip(("lon", "lat"), lonlat(unproject(mesh.nodes, mesh.crs)), strict=True):
        standard, side = {"lon": ("longitude", "east"), "lat": ("latitude", "north")}[part]
        attrs = {"standard_name": standard, "long_name": f"{standard} of the nodes", "units": f"degrees_{side}"}
        dataset[f"node_{part}"] = ("node", values, attrs)

    return dataset


def _coordinate_attrs(axis: str, crs: CRS | None) -> dict[str, str]:
    attrs = {"long_name": f"{axis} of the nodes", "units": "m"}
    return attrs | {"standard_name": f"projection_{axis}_coordinate", "grid_mapping": "crs"} if crs else attrs


def _flag_attrs(long_name: str, flags: dict[str, int]) -> dict:
    values = np.array(list(flags.values()), dtype=np.int8)
    return {"long_name": long_name, "flag_values": values, "flag_meanings": " ".join(flags)}


def _node_flags(mesh: Mesh) -> Array:
    flags = np.zeros(mesh.n_nodes, dtype=np.int8)
    is_coast = mesh.boundary_kind == "coast"
    flags[mesh.boundary_edges[~is_coast]] = _FLAGS["open"]
    flags[mesh.boundary_edges[is_coast]] = _FLAGS["coast"]  # a node of both does not move: it is coast
    return flags


def _boundary_variables(mesh: Mesh) -> dict[str, tuple]:
    """Every named edge, then the edges that no name claims: flag 0."""
    numbers = {"unnamed": 0} | {name: number for number, name in enumerate(mesh.boundaries, start=1)}
    named = [pairs for pairs in mesh.boundaries.values() if len(pairs)]
    flags = [np.full(len(pairs), numbers[name]) for name, pairs in mesh.boundaries.items() if len(pairs)]

    if not named:
        named, flags = [mesh.boundary_edges], [np.zeros(len(mesh.boundary_edges))]

    attrs = {"cf_role": "boundary_node_connectivity", "start_index": 0}
    meaning = _flag_attrs("boundary that the edge belongs to", {_token(key): value for key, value in numbers.items()})

    return {
        "boundary_nodes": (("boundary_edge", "two"), np.concatenate(named).astype(np.int32), attrs),
        "boundary_flag": ("boundary_edge", np.concatenate(flags).astype(np.int8), meaning),
    }


def _token(name: str) -> str:
    return "_".join(name.split())  # flag_meanings is a list separated by blanks


def mesh_from_dataset(
    ds: xr.Dataset, name: str | None = None, crs: CRS | None = None, defects: Defects = "raise"
) -> Mesh:
    """Mesh of a UGRID dataset, faces and nodes in the order of the file.

    Args:
        ds: a dataset with a 2-D mesh topology.
        name: name of the topology variable, where there are several.
        crs: plane, where the dataset has no grid mapping; longitude and latitude are projected to it, or to a plane
            chosen from their extent (:func:`~gensim_graph.mesh.planes.plane.choose_plane`).
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: no topology or an incomplete one, or an invalid mesh.
    """
    topology = _topology(ds, name)
    drawing = _drawing(ds, topology, crs)
    return Mesh.from_arrays(arrays_of_drawing(drawing, defects, _boundaries(ds, topology, drawing)))


def read_ugrid(ds: xr.Dataset, crs: CRS | None = None) -> FileMesh:
    """Mesh of a UGRID dataset, and where the dataset keeps what lies on its faces and nodes.

    Raises:
        InputError: see :func:`mesh_from_dataset`.
    """
    topology = _topology(ds, None)
    drawing = _drawing(ds, topology, crs)
    mesh = Mesh.from_arrays(arrays_of_drawing(drawing, "raise", _boundaries(ds, topology, drawing)))
    (node_dim,) = _referenced(ds, topology, "node_coordinates")[0].dims
    return place_in_file(mesh, drawing, (str(_face_table(ds, topology).dims[0]), str(node_dim)))


def has_topology(ds: xr.Dataset) -> bool:
    """Whether a dataset has a UGRID mesh topology."""
    return any(column.attrs.get("cf_role") == "mesh_topology" for column in ds.variables.values())


def node_coordinates(ds: xr.Dataset) -> tuple[xr.DataArray, xr.DataArray]:
    """The coordinates of the nodes of the only topology, in the order of the file.

    Raises:
        InputError: there is no topology, or it names none.
    """
    x, y = _referenced(ds, _topology(ds, None), "node_coordinates")[:2]
    return x, y


def _topology(ds: xr.Dataset, name: str | None) -> xr.DataArray:
    found = [key for key, variable in ds.variables.items() if variable.attrs.get("cf_role") == "mesh_topology"]
    if name is not None:
        found = [key for key in found if key == name]

    if len(found) != 1:
        what = f"{len(found)} mesh topologies {found}; name one" if found else "no mesh topology"
        raise InputError(f"the dataset has {what}; UGRID needs a variable with cf_role = 'mesh_topology'")

    return ds[found[0]]


def _referenced(ds: xr.Dataset, topology: xr.DataArray, attribute: str) -> list[xr.DataArray]:
    names = str(topology.attrs.get(attribute, "")).split()
    missing = [name for name in names if name not in ds.variables]

    if not names or missing:
        raise InputError(
            f"mesh topology '{topology.name}': {attribute} names {missing or 'nothing'} that is not in the dataset"
        )

    return [ds[name] for name in names]


def _drawing(ds: xr.Dataset, topology: xr.DataArray, crs: CRS | None) -> Drawing:
    """Nodes and faces in a plane."""
    x, y = _referenced(ds, topology, "node_coordinates")[:2]
    faces = _connectivity(_face_table(ds, topology))
    if x.ndim != 1 or x.dims != y.dims:
        raise InputError(f"node coordinates '{x.name}' {x.dims} and '{y.name}' {y.dims} need one dimension, the same")

    if is_angle(x):
        longitude, latitude = (y, x) if is_latitude(x) else (x, y)
        return from_globe(unit_vectors(in_double(longitude), in_double(latitude)), faces, crs)

    mapping = ds.variables.get(x.attrs.get("grid_mapping", "crs"))
    plane = crs_of(mapping) if mapping is not None else grid_mapping(ds)

    return on_plane(np.stack([in_double(x), in_double(y)], axis=1), faces, plane or crs)


def _connectivity(variable: xr.DataArray) -> Array:
    """Node numbers counted from 0, -1 where there is none, whatever the file's fill value and start index are."""
    values = np.asarray(variable.values)
    start = int(variable.attrs.get("start_index", 0))
    fill = variable.attrs.get("_FillValue", variable.encoding.get("_FillValue"))
    absent = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, dtype=bool)
    absent |= (values == fill) if fill is not None else (values < start)

    return np.where(absent, -1, np.where(absent, 0, values).astype(np.int64) - start)


def _face_table(ds: xr.Dataset, topology: xr.DataArray) -> xr.DataArray:
    """Corners of the faces, faces first."""
    (variable,) = _referenced(ds, topology, "face_node_connectivity")
    turned = variable.ndim == 2 and topology.attrs.get("face_dimension") == variable.dims[1]
    return variable.T if turned else variable


def _boundaries(ds: xr.Dataset, topology: xr.DataArray, drawing: Drawing) -> dict[str, Array] | None:
    """Names of boundary edges as the file has them, or None."""
    if "boundary_node_connectivity" in topology.attrs and "boundary_flag" in ds:
        return _named_boundaries(ds, topology)

    if "node_flag" in ds and ds["node_flag"].size == len(drawing.points):
        # An edge between two coast nodes is coast, one that touches an open node is open.
        edges, goes_on = rim(drawing)
        ends = ds["node_flag"].values[edges]
        is_coast = (ends == _FLAGS["coast"]).all(axis=1) & ~goes_on
        return named_boundaries(edges, is_coast, (ends == _FLAGS["open"]).any(axis=1) | goes_on)

    return None


def _named_boundaries(ds: xr.Dataset, topology: xr.DataArray) -> dict[str, Array]:
    (variable,) = _referenced(ds, topology, "boundary_node_connectivity")
    pairs, flag = _connectivity(variable), ds["boundary_flag"]
    names = str(flag.attrs["flag_meanings"]).split()
    numbers = np.atleast_1d(flag.attrs["flag_values"])
    return {name: pairs[flag.values == number] for name, number in zip(names, numbers, strict=True) if number != 0}

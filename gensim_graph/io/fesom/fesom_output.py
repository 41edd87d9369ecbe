"""FESOM 2's output: one file for each variable and year, with fields at the nodes and the mesh in another file.

``a_ice.fesom.1948.nc`` stands for all ice variables of that year in its folder. The mesh is ``fesom.mesh.diag.nc``,
which FESOM writes beside its output, or a mesh folder (``nod2d.out``, ``elem2d.out``), or a mesh that the caller gives,
if it has the same number of nodes.

FESOM computes on a globe with its pole on Greenland. The vectors of its output point along the meridians and parallels
of that globe, unless FESOM was asked to turn them back.
"""

import logging
import re
from pathlib import Path

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import on_faces
from gensim_graph.io.fesom.fesom_mesh import is_fesom, read_tables
from gensim_graph.io.safe import opened_dataset
from gensim_graph.io.ugrid import node_coordinates
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import local_directions, lonlat, unit_vectors, unproject
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_NAMES = {"sic": "a_ice", "sit": "m_ice", "snt": "m_snow", "siu": "uice", "siv": "vice"}
"""Variable -> FESOM's name; ice and snow are volumes per area, m."""

_FILE = re.compile(r"(\w+)\.fesom\.(\w+)\.nc")
_DIAGNOSTICS = "fesom.mesh.diag.nc"
_NODE_DIM = "nod2"
_TURNED_BACK = "FESOM_autorotate_back_to_geo"
_EULER_ANGLES = (50.0, 15.0, -90.0)
"""alpha, beta and gamma of the rotated globe, degrees: FESOM's default, which no run known to us changes."""


def is_fesom_output(path: Path) -> bool:
    """Return True if a path is an output file of FESOM 2, or a folder with ice concentration from FESOM 2."""
    if path.is_dir():
        return any(path.glob("a_ice.fesom.*.nc"))
    return path.is_file() and bool(_FILE.fullmatch(path.name))


def read_fesom_output(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Read the ice at the nodes of FESOM's mesh as a UGRID dataset: one year for a file, all years for a folder.

    Args:
        path: an output file, or a folder with output files.
        mesh: its plane is used, and it serves as FESOM's mesh if no other is found and it has the same number of nodes.

    Returns:
        Variables of the table on (time, node), vectors along the axes of the mesh plane.

    Raises:
        InputError: no ice, no mesh, or files that do not belong together.
    """
    with naming(path):
        fields = _read_fields(path)
        topology = _find_topology(path if path.is_dir() else path.parent, fields, mesh)
        if topology.sizes[_NODE_DIM] != fields.sizes[_NODE_DIM]:
            raise InputError(f"the fields have {fields.sizes[_NODE_DIM]} nodes, their mesh {topology.sizes[_NODE_DIM]}")

        return on_faces(topology.assign(_with_geographic_drift(fields, topology)), mesh)


def rotated_axes(vectors: Array) -> tuple[Array, Array]:
    """Return east and north of FESOM's rotated globe in components along true east and north, two arrays (N, 2).

    Args:
        vectors: (N, 3) unit vectors from the centre of the Earth to the points.
    """
    alpha, beta, gamma = np.radians(_EULER_ANGLES)
    about_x = np.array([[1, 0, 0], [0, np.cos(beta), np.sin(beta)], [0, -np.sin(beta), np.cos(beta)]])
    to_rotated = _rotation_about_z(gamma) @ about_x @ _rotation_about_z(alpha)

    east, north = local_directions(vectors)
    rotated_east, rotated_north = (axis @ to_rotated for axis in local_directions(vectors @ to_rotated.T))

    return _components(rotated_east, east, north), _components(rotated_north, east, north)


def _components(axis: Array, east: Array, north: Array) -> Array:
    return np.stack([(axis * east).sum(axis=1), (axis * north).sum(axis=1)], axis=1)


def _rotation_about_z(angle: float) -> Array:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])


def _read_fields(path: Path) -> xr.Dataset:
    """Return the variables of the table on (time, nod2)."""
    folder = path if path.is_dir() else path.parent
    year = "*" if path.is_dir() else _FILE.fullmatch(path.name)[2]  # type: ignore[index]
    found = {}

    for name, own in _NAMES.items():
        years = [_read_year(file, own) for file in sorted(folder.glob(f"{own}.fesom.{year}.nc"))]
        if years:
            found[name] = xr.concat(years, "time") if len(years) > 1 else years[0]

    if not found:
        raise InputError(f"no ice beside it; expected {', '.join(f'{own}.fesom.{year}.nc' for own in _NAMES.values())}")

    times = {name: column["time"].values for name, column in found.items()}
    first = next(iter(times))
    for name, values in times.items():
        if not np.array_equal(values, times[first]):
            raise InputError(f"{_NAMES[name]} has other times than {_NAMES[first]}; take whole years")

    return xr.Dataset(found)


def _read_year(file: Path, name: str) -> xr.DataArray:
    with naming(file.name), opened_dataset(file) as ds:
        if name not in ds:
            raise InputError(f"has no '{name}'")
        column = ds[name].load().assign_attrs(ds.attrs | ds[name].attrs)

    if set(column.dims) != {"time", _NODE_DIM}:
        raise InputError(f"{file.name}: '{name}' has dimensions {column.dims}; expected (time, {_NODE_DIM})")
    if name == "a_ice" and float(column.max()) <= 1.0 + 1e-6:
        column.attrs["units"] = "1"  # FESOM writes % although the values are fractions

    return column


def _find_topology(folder: Path, fields: xr.Dataset, mesh: Mesh | None) -> xr.Dataset:
    """Return FESOM's mesh as a UGRID dataset with longitude, latitude and triangles."""
    if (folder / _DIAGNOSTICS).is_file():
        return _read_diagnostics(folder / _DIAGNOSTICS)

    folder_of_run = Path(str(next(iter(fields.values())).attrs.get("FESOM_MeshPath", "")))
    for candidate in (folder, folder.parent, folder_of_run):
        if is_fesom(candidate):
            return _topology_dataset(*read_tables(candidate))

    if mesh is not None and mesh.crs is not None and mesh.n_nodes == fields.sizes[_NODE_DIM]:
        log.warning("the mesh is taken for FESOM's own: it has as many nodes")
        lon, lat = lonlat(unproject(mesh.nodes, mesh.crs))
        return _topology_dataset(lon, lat, mesh.faces, np.zeros(mesh.n_nodes))

    raise InputError(
        f"where is FESOM's mesh? Put {_DIAGNOSTICS}, or nod2d.out and elem2d.out, beside it, or pass "
        f"mesh=load_mesh(...) with its {fields.sizes[_NODE_DIM]} nodes"
    )


def _read_diagnostics(file: Path) -> xr.Dataset:
    with naming(file.name), opened_dataset(file) as ds:
        lon, lat = node_coordinates(ds)
        if lon.dims != (_NODE_DIM,):
            raise InputError(f"expected node coordinates on '{_NODE_DIM}', got {lon.dims}")

        return ds[["fesom_mesh", lon.name, lat.name, "face_nodes"]].load()


def _topology_dataset(lon: Array, lat: Array, faces: Array, flags: Array) -> xr.Dataset:
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "lon lat",
        "face_node_connectivity": "face_nodes",
    }
    return xr.Dataset(
        {
            "fesom_mesh": ((), 0, topology),
            "lon": (_NODE_DIM, lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "lat": (_NODE_DIM, lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "face_nodes": (("elem", "n3"), faces, {"start_index": 0}),
            "node_flag": (_NODE_DIM, (flags == 1).astype(np.int8)),
        }
    )


def _with_geographic_drift(fields: xr.Dataset, topology: xr.Dataset) -> xr.Dataset:
    """Return the fields with the drift along east and north, as its standard names then say."""
    if not {"siu", "siv"} <= set(fields):
        return fields

    eastward = fields["siu"]
    northward = fields["siv"]

    if int(eastward.attrs.get("FESOM_force_rotation", 1)) and not int(eastward.attrs.get(_TURNED_BACK, 0)):
        first, second = rotated_axes(unit_vectors(topology["lon"].values, topology["lat"].values))
        u, v = (column.transpose("time", _NODE_DIM) for column in (eastward, northward))
        eastward = u.copy(data=u.values * first[:, 0] + v.values * second[:, 0])
        northward = u.copy(data=u.values * first[:, 1] + v.values * second[:, 1])

    return fields.assign(
        siu=eastward.assign_attrs(standard_name="eastward_sea_ice_velocity"),
        siv=northward.assign_attrs(standard_name="northward_sea_ice_velocity"),
    )

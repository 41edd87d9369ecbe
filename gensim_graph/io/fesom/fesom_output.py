"""FESOM 2's output: one file for each variable and year, fields at the nodes, the mesh somewhere else.

``a_ice.fesom.1948.nc`` stands for all ice variables of that year in its folder. The mesh is ``fesom.mesh.diag.nc``,
which FESOM writes beside them, or a mesh folder (``nod2d.out``, ``elem2d.out``), or the mesh that the caller names if
it has as many nodes.

FESOM computes on a globe whose pole lies on Greenland, and unless it was asked to turn them back its vectors point
along the meridians and parallels of that one.
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
"""Variable -> what FESOM calls it; ice and snow are volumes per area, m."""

_FILE = re.compile(r"(\w+)\.fesom\.(\w+)\.nc")
_DIAGNOSTICS = "fesom.mesh.diag.nc"
_NODES = "nod2"
_TURNED = "FESOM_autorotate_back_to_geo"
_EULER = (50.0, 15.0, -90.0)
"""alpha, beta, gamma of the rotated globe, degrees: FESOM's default, which no run known to us changes."""


def is_fesom_output(path: Path) -> bool:
    """Whether a path is an output file of FESOM 2, or a folder with some of its ice."""
    if path.is_dir():
        return any(path.glob("a_ice.fesom.*.nc"))
    return path.is_file() and bool(_FILE.fullmatch(path.name))


def read_fesom_output(path: Path, mesh: Mesh | None = None) -> xr.Dataset:
    """Ice at the nodes of FESOM's mesh as a UGRID dataset: a year for a file, all years for a folder.

    Raises:
        InputError: no ice, no mesh, or files that do not belong together.
    """
    with naming(path):
        fields = _fields(path)
        topology = _topology(path if path.is_dir() else path.parent, fields, mesh)
        if topology.sizes[_NODES] != fields.sizes[_NODES]:
            raise InputError(f"the fields have {fields.sizes[_NODES]} nodes, their mesh {topology.sizes[_NODES]}")
        return on_faces(topology.assign(_turned_back(fields, topology)), mesh)


def _fields(path: Path) -> xr.Dataset:
    """Variables of the table on (time, nod2)."""
    folder = path if path.is_dir() else path.parent
    year = "*" if path.is_dir() else _FILE.fullmatch(path.name)[2]  # type: ignore[index]
    found = {}

    for name, own in _NAMES.items():
        years = [_column(file, own) for file in sorted(folder.glob(f"{own}.fesom.{year}.nc"))]
        if years:
            found[name] = xr.concat(years, "time") if len(years) > 1 else years[0]

    if not found:
        raise InputError(f"no ice beside it; expected {', '.join(f'{own}.fesom.{year}.nc' for own in _NAMES.values())}")

    times = {name: column["time"].values for name, column in found.items()}
    for name, values in times.items():
        if not np.array_equal(values, next(iter(times.values()))):
            raise InputError(f"{_NAMES[name]} has other times than {_NAMES[next(iter(times))]}; take whole years")

    return xr.Dataset(found)


def _column(file: Path, name: str) -> xr.DataArray:
    with naming(file.name), opened_dataset(file) as ds:
        if name not in ds:
            raise InputError(f"has no '{name}'")
        column = ds[name].load().assign_attrs(ds.attrs | ds[name].attrs)

    if set(column.dims) != {"time", _NODES}:
        raise InputError(f"{file.name}: '{name}' has dimensions {column.dims}; expected (time, {_NODES})")
    if name == "a_ice" and float(column.max()) <= 1.0 + 1e-6:
        column.attrs["units"] = "1"  # which FESOM calls %

    return column


def _topology(folder: Path, fields: xr.Dataset, mesh: Mesh | None) -> xr.Dataset:
    """A UGRID dataset with longitude, latitude and triangles."""
    if (folder / _DIAGNOSTICS).is_file():
        return _diagnostics(folder / _DIAGNOSTICS)

    named = Path(str(next(iter(fields.values())).attrs.get("FESOM_MeshPath", "")))
    for place in (folder, folder.parent, named):
        if is_fesom(place):
            return _dataset(*read_tables(place))

    if mesh is not None and mesh.crs is not None and mesh.n_nodes == fields.sizes[_NODES]:
        log.warning("the mesh is taken for FESOM's own: it has as many nodes")
        return _dataset(*lonlat(unproject(mesh.nodes, mesh.crs)), mesh.faces, np.zeros(mesh.n_nodes))

    raise InputError(
        f"where is FESOM's mesh? Put {_DIAGNOSTICS}, or nod2d.out and elem2d.out, beside it, or pass "
        f"mesh=load_mesh(...) with its {fields.sizes[_NODES]} nodes"
    )


def _diagnostics(file: Path) -> xr.Dataset:
    with naming(file.name), opened_dataset(file) as ds:
        lon, lat = node_coordinates(ds)
        if lon.dims != (_NODES,):
            raise InputError(f"expected node coordinates on '{_NODES}', got {lon.dims}")
        return ds[["fesom_mesh", lon.name, lat.name, "face_nodes"]].load()


def _dataset(lon: Array, lat: Array, faces: Array, flags: Array) -> xr.Dataset:
    topology = {
        "cf_role": "mesh_topology",
        "topology_dimension": 2,
        "node_coordinates": "lon lat",
        "face_node_connectivity": "face_nodes",
    }
    return xr.Dataset(
        {
            "fesom_mesh": ((), 0, topology),
            "lon": (_NODES, lon, {"units": "degrees_east", "standard_name": "longitude"}),
            "lat": (_NODES, lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "face_nodes": (("elem", "n3"), faces, {"start_index": 0}),
            "node_flag": (_NODES, (flags == 1).astype(np.int8)),
        }
    )


def _turned_back(fields: xr.Dataset, topology: xr.Dataset) -> xr.Dataset:
    """Drift along east and north, which its standard names say."""
    if not {"siu", "siv"} <= set(fields):
        return fields

    eastward, northward = fields["siu"], fields["siv"]
    if int(eastward.attrs.get("FESOM_force_rotation", 1)) and not int(eastward.attrs.get(_TURNED, 0)):
        first, second = rotated_axes(unit_vectors(topology["lon"].values, topology["lat"].values))
        u, v = (column.transpose("time", _NODES) for column in (eastward, northward))
        eastward = u.copy(data=u.values * first[:, 0] + v.values * second[:, 0])
        northward = u.copy(data=u.values * first[:, 1] + v.values * second[:, 1])

    names = "eastward_sea_ice_velocity", "northward_sea_ice_velocity"
    return fields.assign(
        siu=eastward.assign_attrs(standard_name=names[0]), siv=northward.assign_attrs(standard_name=names[1])
    )


def rotated_axes(vectors: Array) -> tuple[Array, Array]:
    """East and north of FESOM's rotated globe at directions (N, 3), along true east and north: two (N, 2)."""
    alpha, beta, gamma = np.radians(_EULER)
    turn = _about_z(gamma) @ np.array([[1, 0, 0], [0, np.cos(beta), np.sin(beta)], [0, -np.sin(beta), np.cos(beta)]])
    turn = turn @ _about_z(alpha)  # true coordinates to rotated ones
    east, north = local_directions(vectors)
    axes = [axis @ turn for axis in local_directions(vectors @ turn.T)]
    first, second = (np.stack([(axis * east).sum(axis=1), (axis * north).sum(axis=1)], axis=1) for axis in axes)

    return first, second


def _about_z(angle: float) -> Array:
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]])

"""FESOM 2's output: one file for each variable and year, with fields at the nodes and the mesh in another file.

``a_ice.fesom.1948.nc`` stands for all ice variables of that year in its folder. The mesh is ``fesom.mesh.diag.nc``,
which FESOM writes beside its output, or a mesh folder (``nod2d.out``, ``elem2d.out``), or a mesh that the caller gives:
the first of them that can be read and has the same number of nodes.

FESOM computes on a globe with its pole on Greenland. The vectors of its output point along the meridians and parallels
of that globe, unless FESOM was asked to turn them back.
"""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError, naming
from gensim_graph.io.cf import on_faces
from gensim_graph.io.fesom.fesom_diagnostics import NODE_DIM, read_diagnostics, topology_dataset
from gensim_graph.io.fesom.fesom_mesh import is_fesom, read_tables
from gensim_graph.io.safe import opened_dataset
from gensim_graph.io.times import times_of
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import local_directions, lonlat, unit_vectors, unproject
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_NAMES = {"sic": "a_ice", "sit": "m_ice", "snt": "m_snow", "siu": "uice", "siv": "vice"}
"""Variable -> FESOM's name; ice and snow are volumes per area, m."""

_FILE = re.compile(r"(\w+)\.fesom\.(\w+)\.nc")
_DIAGNOSTICS = "fesom.mesh.diag.nc"
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

    first = next(iter(found))
    for name, column in found.items():
        if not np.array_equal(column["time"].values, found[first]["time"].values):
            raise InputError(f"{_NAMES[name]} has other times than {_NAMES[first]}; take whole years")

    return xr.Dataset(found)


def _read_year(file: Path, name: str) -> xr.DataArray:
    with naming(file.name), opened_dataset(file) as ds:
        if name not in ds:
            raise InputError(f"has no '{name}'")
        column = ds[name].load().assign_attrs(ds.attrs | ds[name].attrs)
        if "time" in column.coords:
            column = column.assign_coords(time=("time", times_of(ds)))

    single = [dim for dim in column.dims if dim not in ("time", NODE_DIM) and column.sizes[dim] == 1]
    column = column.squeeze(single, drop=True)
    if set(column.dims) != {"time", NODE_DIM}:
        raise InputError(f"{file.name}: '{name}' has dimensions {column.dims}; expected (time, {NODE_DIM})")
    if name == "a_ice" and float(column.max()) <= 1.0 + 1e-6:
        column.attrs["units"] = "1"  # FESOM writes % although the values are fractions

    return column


def _find_topology(folder: Path, fields: xr.Dataset, mesh: Mesh | None) -> xr.Dataset:
    """Return FESOM's mesh as a UGRID dataset with longitude, latitude and triangles.

    The first mesh in or near the folder that can be read and has the nodes of the fields is taken.

    Raises:
        InputError: there is none; the message says what is wrong with those that were found.
    """
    count = fields.sizes[NODE_DIM]
    failures = []

    for candidate, read in _candidates(folder, fields):
        try:
            topology = read(candidate)
        except InputError as error:
            failures.append(str(error))
            continue
        if topology.sizes[NODE_DIM] == count:
            for failure in failures:
                log.warning("%s: the mesh of %s is taken", failure, candidate)
            return topology

        failures.append(f"the fields have {count} nodes, their mesh {topology.sizes[NODE_DIM]} ({candidate.name})")

    if mesh is not None and mesh.crs is not None and mesh.n_nodes == count:
        log.warning("the mesh is taken for FESOM's own: it has as many nodes")
        lon, lat = lonlat(unproject(mesh.nodes, mesh.crs))
        return topology_dataset(lon, lat, mesh.faces, np.zeros(mesh.n_nodes))
    if failures:
        raise InputError("; ".join(failures))

    raise InputError(
        f"where is FESOM's mesh? Put {_DIAGNOSTICS}, or nod2d.out and elem2d.out, beside it, or pass "
        f"mesh=load_mesh(...) with its {count} nodes"
    )


def _candidates(folder: Path, fields: xr.Dataset) -> Iterator[tuple[Path, Callable[[Path], xr.Dataset]]]:
    """Files and folders that may hold FESOM's mesh, with their readers."""
    named = folder / _DIAGNOSTICS
    others = sorted(file for file in folder.glob("*.mesh.diag.nc") if file != named)
    for file in [named, *others]:
        if file.is_file():
            yield file, read_diagnostics

    folder_of_run = Path(str(next(iter(fields.values())).attrs.get("FESOM_MeshPath", "")))
    for candidate in dict.fromkeys((folder, folder.parent, folder_of_run)):
        if is_fesom(candidate):
            yield candidate, lambda place: topology_dataset(*read_tables(place))


def _with_geographic_drift(fields: xr.Dataset, topology: xr.Dataset) -> xr.Dataset:
    """Return the fields with the drift along east and north, as its standard names then say."""
    if not {"siu", "siv"} <= set(fields):
        return fields

    eastward = fields["siu"]
    northward = fields["siv"]

    if int(eastward.attrs.get("FESOM_force_rotation", 1)) and not int(eastward.attrs.get(_TURNED_BACK, 0)):
        first, second = rotated_axes(unit_vectors(topology["lon"].values, topology["lat"].values))
        u, v = (column.transpose("time", NODE_DIM) for column in (eastward, northward))
        eastward = u.copy(data=u.values * first[:, 0] + v.values * second[:, 0])
        northward = u.copy(data=u.values * first[:, 1] + v.values * second[:, 1])

    return fields.assign(
        siu=eastward.assign_attrs(standard_name="eastward_sea_ice_velocity"),
        siv=northward.assign_attrs(standard_name="northward_sea_ice_velocity"),
    )

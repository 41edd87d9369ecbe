"""Meshes that are given by nodes on the globe and the faces over them: MPAS, and what FESOM and UGRID share with it."""

import logging

import numpy as np
import xarray as xr
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.plane import choose_plane, drawable, project, unit_vectors
from gensim_graph.mesh.validity import Defects, checked_faces, first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_MPAS = ("verticesOnCell", "nEdgesOnCell")


def is_mpas(ds: xr.Dataset) -> bool:
    """Whether a dataset has MPAS's own connectivity."""
    return all(name in ds.variables for name in _MPAS)


def read_mpas(ds: xr.Dataset, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Mesh of an MPAS file: Voronoi cells, on the sphere or in a plane.

    Raises:
        InputError: vertices or their coordinates are missing.
    """
    table, count = ds["verticesOnCell"].values.astype(np.int64), ds["nEdgesOnCell"].values
    faces = np.where(np.arange(table.shape[1]) < count[:, None], table, 0) - 1
    flat = str(ds.attrs.get("on_a_sphere", "YES")).strip().upper() == "NO"
    names = ("xVertex", "yVertex") if flat else ("lonVertex", "latVertex")
    missing = [name for name in names if name not in ds.variables]
    if missing:
        raise InputError(f"an MPAS mesh needs {', '.join(names)}; {', '.join(missing)} is missing")
    first, second = (ds[name].values.astype(np.float64) for name in names)
    if flat:
        return Mesh.from_faces(np.stack([first, second], axis=1), faces, crs, defects=defects)
    return mesh_of_directions(unit_vectors(np.degrees(first), np.degrees(second)), faces, crs, defects)


def mesh_of_directions(
    vectors: Array, faces: Array, crs: CRS | None, defects: Defects, coast: Array | None = None
) -> Mesh:
    """Mesh of nodes on the globe.

    Args:
        vectors: (N, 3) directions.
        faces: (F, k) node numbers counted from 0, padded with -1.
        crs: the plane; chosen from the extent if None.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.
        coast: (N,) which nodes are on the coast; boundary edges between two of them get that name, others ``open``.

    Raises:
        InputError: what is not a mesh.
    """
    plane, points, shown = drawn(vectors, faces, crs)
    mesh = Mesh.from_faces(points, faces[shown], plane, defects=defects)
    if coast is None or not coast.any():
        return mesh
    on_coast = _same_points(mesh.nodes, points[coast])  # the nodes were renumbered, their positions stay
    both = on_coast[mesh.boundary_edges].all(axis=1)
    named = {"coast": mesh.boundary_edges[both], "open": mesh.boundary_edges[~both]}
    return Mesh.from_faces(mesh.nodes, mesh.faces, plane, {key: rows for key, rows in named.items() if len(rows)})


def drawn(vectors: Array, faces: Array, crs: CRS | None) -> tuple[CRS, Array, Array]:
    """Plane, nodes in it (0 where it does not reach), and which faces it can show; those left out are logged."""
    table = checked_faces(faces, len(vectors))
    plane = crs or choose_plane(vectors[np.unique(table[table >= 0])])
    points = project(vectors, plane)
    shown = drawable(vectors, points, table)
    lost = np.flatnonzero(~shown)
    if len(lost):
        log.warning("left out %d faces that the plane cannot show: %s", len(lost), first_few(lost))
    return plane, np.where(np.isfinite(points), points, 0.0), shown


def _same_points(points: Array, among: Array) -> Array:
    return np.isin(points[:, 0] + 1j * points[:, 1], among[:, 0] + 1j * among[:, 1])

"""Places of observations in the plane of a mesh, and the cells that contain them."""

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Locator
from gensim_graph.mesh.planes import project, unit_vectors
from gensim_graph.typing import Array

_NEAREST = 8  # triangles from which the walk to a point begins, before the point counts as outside


def is_on_globe(rows: pd.DataFrame) -> Array:
    """Return True for observations given by longitude and latitude, whose vectors point east and north."""
    return ~np.isfinite(rows[["x", "y"]].to_numpy()).all(axis=1)


def positions_in_plane(rows: pd.DataFrame, mesh: Mesh) -> Array:
    """Return x and y of observations in the plane of a mesh, (P, 2) m; infinite beyond the plane.

    Args:
        rows: with the columns of ``observation_columns``.
        mesh: the mesh.

    Raises:
        InputError: places are in longitude and latitude, and the mesh has no crs.
    """
    points = rows[["x", "y"]].to_numpy(dtype=np.float64).copy()
    on_globe = is_on_globe(rows)
    if not on_globe.any():
        return points
    if mesh.crs is None:
        raise InputError(
            "observations are given by longitude and latitude, and the mesh has no crs: nobody knows where it lies on "
            "the Earth; load it with crs=, or give x and y in its plane"
        )

    degrees = rows.loc[on_globe, ["lon", "lat"]].to_numpy()
    found = project(unit_vectors(degrees[:, 0], degrees[:, 1]), mesh.crs)
    points[on_globe] = np.where(np.isfinite(found), found, np.inf)

    return points


def faces_at(mesh: Mesh, points: Array) -> Array:
    """Return the number of the face that contains each point, (P,); -1 outside the mesh.

    Args:
        mesh: the mesh.
        points: (P, 2) m in its plane.
    """
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    searched = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    faces = np.full(len(points), -1)
    if not len(searched):
        return faces

    locator = Locator(mesh)
    corners = mesh.nodes[locator.triangles]
    starts = cKDTree(corners.mean(axis=1)).query(points[searched], k=min(_NEAREST, len(corners)))[1]

    # A walk ends at the boundary, even if the point lies beyond a bay: other starts may still reach it.
    for begin in starts.reshape(len(searched), -1).T:
        lost = faces[searched] < 0
        if not lost.any():
            break
        found = locator.locate(points[searched[lost]], begin[lost])
        faces[searched[lost]] = np.where(found.inside, locator.faces[found.triangles], -1)

    return faces


def is_on_land(mesh: Mesh, points: Array) -> Array:
    """Return True for points outside a mesh, within the box around it, that lie behind a coast.

    Args:
        mesh: the mesh.
        points: (P, 2) m in its plane, none of them in a face.
    """
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    within = ((points >= low) & (points <= high)).all(axis=1)
    result = np.zeros(len(points), dtype=bool)
    if within.any() and len(mesh.boundary_edges):
        middles = mesh.nodes[mesh.boundary_edges].mean(axis=1)
        result[within] = mesh.boundary_kind[cKDTree(middles).query(points[within])[1]] == "coast"

    return result

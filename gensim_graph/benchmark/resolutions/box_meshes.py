"""Meshes of a square box: triangles of one size, triangles that grow from corner to corner, and regular grids."""

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_RATIO = 4.0
"""Ratio of the largest to the smallest spacing of the graded mesh."""


def triangles(spacing: float, box: float) -> Mesh:
    """Return irregular triangles of about one size in a square box.

    Args:
        spacing: mean length of the sides, m.
        box: side of the box, m.
    """
    axis = np.linspace(0.0, 1.0, round(box / spacing) + 1)
    return _triangulated(axis, axis, box)


def graded(spacing: float, box: float) -> Mesh:
    """Return irregular triangles whose spacing grows geometrically along both axes.

    Args:
        spacing: mean length of the sides, m.
        box: side of the box, m.
    """
    count = round(box / spacing)
    knots = np.concatenate([[0.0], np.cumsum(_RATIO ** (np.arange(count) / (count - 1)))])
    return _triangulated(knots / knots[-1], knots / knots[-1], box)


def grid_over(mesh: Mesh, spacing: float) -> Mesh:
    """Return a regular grid in the bounding box of a mesh: as many squares as fit, centred.

    Args:
        mesh: the mesh.
        spacing: side of the squares, m.

    Raises:
        InputError: fewer than two squares fit along a side.
    """
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    most = float((high - low).min()) / 2

    if not 0 < spacing <= most:
        raise InputError(
            f"a grid of {spacing / 1e3:g} km: expected more than 0 and at most {most / 1e3:g}, half the box"
        )

    count = np.floor((high - low) / spacing + 1e-6).astype(int)  # tolerance for rounding
    first = (low + high - (count - 1) * spacing) / 2
    x, y = (start + spacing * np.arange(number) for start, number in zip(first, count, strict=True))

    return Mesh.from_grid(x, y, crs=mesh.crs)


def _triangulated(x: Array, y: Array, box: float) -> Mesh:
    """Triangulate a lattice after moving its inner points at random by up to a fifth of their spacing."""
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(x, y), axis=-1)
    step = np.stack(np.meshgrid(np.gradient(x), np.gradient(y)), axis=-1)
    inner = (slice(1, -1), slice(1, -1))
    points[inner] += 0.2 * step[inner] * rng.uniform(-1, 1, points[inner].shape)
    nodes = points.reshape(-1, 2) * box

    return Mesh.from_faces(nodes, Delaunay(nodes).simplices.astype(np.int64), defects="drop")


MESHES: dict[str, Callable[[float, float], Mesh]] = {"triangles": triangles, "graded": graded}
"""Functions of spacing and box (m) by the name of the mesh in a plan."""

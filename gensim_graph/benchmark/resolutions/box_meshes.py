"""Meshes of a box: even triangles, triangles that grow from one corner to the other, a regular grid."""

from collections.abc import Callable

import numpy as np
from scipy.spatial import Delaunay

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

_RATIO = 4.0
"""Largest over smallest spacing of the graded mesh."""


def triangles(spacing: float, box: float) -> Mesh:
    """Irregular triangles with sides of about ``spacing`` in a square box, m."""
    axis = np.linspace(0.0, 1.0, round(box / spacing) + 1)
    return _triangulated(axis, axis, box)


def graded(spacing: float, box: float) -> Mesh:
    """As :func:`triangles`, with the spacing growing geometrically along both axes, ``spacing`` on average."""
    count = round(box / spacing)
    knots = np.concatenate([[0.0], np.cumsum(_RATIO ** (np.arange(count) / (count - 1)))])
    return _triangulated(knots / knots[-1], knots / knots[-1], box)


def grid_over(mesh: Mesh, spacing: float) -> Mesh:
    """Squares of ``spacing`` in the box that a mesh fills, in its middle, with as many as fit.

    Raises:
        InputError: fewer than two fit along a side.
    """
    low, high = mesh.nodes.min(axis=0), mesh.nodes.max(axis=0)
    most = float((high - low).min()) / 2

    if not 0 < spacing <= most:
        raise InputError(
            f"a grid of {spacing / 1e3:g} km: expected more than 0 and at most {most / 1e3:g}, half the box"
        )

    count = np.floor((high - low) / spacing + 1e-6).astype(int)  # what fits but for rounding fits
    first = (low + high - (count - 1) * spacing) / 2
    x, y = (start + spacing * np.arange(number) for start, number in zip(first, count, strict=True))

    return Mesh.from_grid(x, y, crs=mesh.crs)


def _triangulated(x: Array, y: Array, box: float) -> Mesh:
    """Delaunay triangulation of a lattice whose inner points are moved by a fifth of their spacing."""
    rng = np.random.default_rng(0)
    points = np.stack(np.meshgrid(x, y), axis=-1)
    step = np.stack(np.meshgrid(np.gradient(x), np.gradient(y)), axis=-1)
    inner = (slice(1, -1), slice(1, -1))
    points[inner] += 0.2 * step[inner] * rng.uniform(-1, 1, points[inner].shape)
    nodes = points.reshape(-1, 2) * box

    return Mesh.from_faces(nodes, Delaunay(nodes).simplices.astype(np.int64), defects="drop")


MESHES: dict[str, Callable[[float, float], Mesh]] = {"triangles": triangles, "graded": graded}

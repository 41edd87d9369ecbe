"""Meshes of a small box."""

import numpy as np
from scipy.spatial import Delaunay

from gensim_graph.mesh import Mesh

BOX = 100e3  # side of the small box, m


def jittered_box(cells: int = 10, seed: int = 0, side: float = BOX) -> Mesh:
    """An irregular triangulation of a square box, about 2 ``cells`` squared faces, without slivers."""
    rng = np.random.default_rng(seed)
    step = side / cells
    axis = np.arange(cells + 1) * step
    x, y = (coordinate.ravel() for coordinate in np.meshgrid(axis, axis))
    inner = (x > 0) & (x < axis[-1]) & (y > 0) & (y < axis[-1])
    points = np.stack([x, y], axis=1)
    points[inner] += 0.25 * step * rng.uniform(-1, 1, (inner.sum(), 2))
    return Mesh.from_faces(points, Delaunay(points).simplices.astype(np.int64))

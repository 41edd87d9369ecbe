"""Weights of the cells below the footprints of observations: what an instrument averages.

With the length f of the footprint and the distance d of the centre of a cell from the place of the observation,

    gaussian    w ~ area exp(-d^2 / (2 s^2)),  s = f / sqrt(12), up to 3 s
    top-hat     w ~ area                       for d^2 < f^2 / pi

A square with the side f has the standard deviation s along each axis, and the area of the disc. A footprint of less
than two cells sees the cell that contains the place.
"""

from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

Kernel = Literal["gaussian", "top-hat"]
"""Sensitivity of an instrument within its footprint."""

_CELLS = 2.0  # smallest footprint, in spacings of the cell, over which cells are averaged
_END = 3.0  # of the Gaussian weights, in standard deviations


def footprint_weights(
    mesh: Mesh, points: Array, faces: Array, footprints: Array, kernel: Kernel
) -> tuple[Array, Array]:
    """Return the cells that each observation averages, and their weights.

    Args:
        mesh: the mesh.
        points: (P, 2) m, places of the observations.
        faces: (P,) face that contains each of them.
        footprints: (P,) m.
        kernel: sensitivity within the footprint.

    Returns:
        Face numbers (P, k), and weights (P, k) whose rows add up to 1. Rows with fewer cells are filled up with the
        first cell and the weight 0.
    """
    wide = np.flatnonzero(footprints >= _CELLS * mesh.spacing[faces])
    scale = footprints / np.sqrt(12.0)
    reach = _END * scale if kernel == "gaussian" else footprints / np.sqrt(np.pi)

    tree = cKDTree(mesh.centres)
    lists = tree.query_ball_point(points[wide], reach[wide], return_sorted=True)
    counts = np.ones(len(points), dtype=np.int64)
    counts[wide] = [max(len(one), 1) for one in lists]

    index = np.tile(faces[:, None], (1, int(counts.max(initial=1))))
    used = np.arange(index.shape[1]) < counts[:, None]
    for row, cells in zip(wide, lists, strict=True):
        if len(cells):
            index[row, : len(cells)] = cells
            index[row, len(cells) :] = cells[0]

    squares = ((mesh.centres[index] - points[:, None]) ** 2).sum(axis=-1)
    weights = np.where(used, mesh.areas[index], 0.0)
    if kernel == "gaussian":
        many = counts > 1
        weights[many] *= np.exp(-0.5 * squares[many] / scale[many, None] ** 2)

    return index, weights / weights.sum(axis=1, keepdims=True)

"""Stencil of each cell: its neighbours across an edge, with weights for the mean over them and for the gradient.

The gradient is the least-squares fit of a plane through the values of the neighbours, weighted by 1 / distance^2. It is
exact for linear fields, of first order on any mesh, and turns with the frame. Neighbours and weights are stored as
padded lists (F, n), so that the sums are gathers and not scatters, and triangles, quadrilaterals and coarse cells are
treated in the same way.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.graph.cell_table import CellTable
from gensim_graph.typing import Array

_IN_LINE = 1e-3
"""Ratio of the eigenvalues of the normal matrix below which the neighbours count as lying on a line."""


@dataclass(frozen=True)
class Stencil:
    """Neighbours of each cell and their weights; a missing neighbour is stored as cell 0 with weight 0.

    Attributes:
        neighbours: (F, n) cells.
        mean: (F, n) share of each neighbour in the area of all neighbours; 0 for a cell without neighbours.
        gradient: (F, n, 2) 1/m, weights of the differences ``f_j - f_i``.
    """

    neighbours: Array
    mean: Array
    gradient: Array


def build_stencil(cells: CellTable) -> Stencil:
    """Compute the stencils of all cells."""
    source, target = np.concatenate([cells.pairs, cells.pairs[:, ::-1]]).T
    by_source = np.argsort(source, kind="stable")
    source, target = source[by_source], target[by_source]
    counts = np.bincount(source, minlength=len(cells.areas))
    column = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)

    neighbours = np.zeros((len(counts), max(1, int(counts.max(initial=0)))), dtype=np.int64)
    present = np.zeros(neighbours.shape, dtype=bool)
    neighbours[source, column] = target
    present[source, column] = True

    areas = cells.areas[neighbours] * present
    mean = areas / np.maximum(areas.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    return Stencil(neighbours, mean, _gradient_weights(cells.centres, neighbours, present))


def _gradient_weights(centres: Array, neighbours: Array, present: Array) -> Array:
    """Solve the least-squares problem of each cell: (F, n, 2) weights in 1/m."""
    offset = centres[neighbours] - centres[:, None]
    distance2 = np.where(present, (offset**2).sum(-1), 1.0)
    weight = present / distance2
    normal = np.einsum("fn,fna,fnb->fab", weight, offset, offset)

    return np.einsum("fab,fnb,fn->fna", _pseudo_inverse(normal), offset, weight)


def _pseudo_inverse(normal: Array) -> Array:
    """Pseudo-inverse of symmetric positive matrices (F, 2, 2), in closed form from the eigenvalues.

    A cell whose neighbours lie on a line (one neighbour is enough) has a gradient along this line only.
    """
    xx, xy, yy = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 1]
    mean = (xx + yy) / 2
    half = np.hypot((xx - yy) / 2, xy)
    larger, smaller = mean + half, mean - half
    in_line = smaller <= _IN_LINE * larger

    # On a line, the matrix minus the smaller eigenvalue is a multiple of the projection on the line. Otherwise the
    # adjugate is a multiple of the inverse.
    shift = np.where(in_line, -smaller, 0.0)
    projection = normal + shift[:, None, None] * np.eye(2)
    adjugate = np.stack([np.stack([yy, -xy], -1), np.stack([-xy, xx], -1)], -2)

    scale = np.where(in_line, 2 * half * larger, larger * smaller)
    factor = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)

    return np.where(in_line[:, None, None], projection, adjugate) * factor[:, None, None]

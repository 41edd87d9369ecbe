"""Stencils on the cells: the neighbours of each cell, its mean over them and its gradient.

The gradient is the least-squares fit of a plane through the values of the neighbours, weighted by 1/d2. It is
exact for linear fields, of first order on any mesh, and turns with the frame. Weights are kept as padded lists
(F, n): gathers instead of scatters, the same for triangles, quads and coarse cells.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.graph.cell_table import Cells
from gensim_graph.typing import Array

_IN_LINE = 1e-3
"""Smaller over larger eigenvalue of the normal matrix below which the neighbours are in line."""


@dataclass(frozen=True)
class Stencil:
    """Neighbours of each cell and the weights on them; an absent neighbour is cell 0 with weight 0.

    Attributes:
        neighbours: (F, n) cells.
        mean: (F, n) share of each neighbour in the area of all neighbours (0 for a cell without any).
        gradient: (F, n, 2) 1/m, weights on the differences ``f_j - f_i``.
    """

    neighbours: Array
    mean: Array
    gradient: Array


def build_stencil(cells: Cells) -> Stencil:
    """Stencils of all cells."""
    source, target = np.concatenate([cells.pairs, cells.pairs[:, ::-1]]).T
    by_source = np.argsort(source, kind="stable")
    source, target = source[by_source], target[by_source]
    counts = np.bincount(source, minlength=len(cells.areas))
    column = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
    neighbours = np.zeros((len(counts), max(1, int(counts.max(initial=0)))), dtype=np.int64)
    present = np.zeros(neighbours.shape, dtype=bool)
    neighbours[source, column], present[source, column] = target, True
    areas = cells.areas[neighbours] * present
    mean = areas / np.maximum(areas.sum(axis=1, keepdims=True), np.finfo(float).tiny)

    return Stencil(neighbours, mean, _gradient_weights(cells.centres, neighbours, present))


def _gradient_weights(centres: Array, neighbours: Array, present: Array) -> Array:
    offset = centres[neighbours] - centres[:, None]
    distance2 = np.where(present, (offset**2).sum(-1), 1.0)
    weight = present / distance2
    normal = np.einsum("fn,fna,fnb->fab", weight, offset, offset)
    return np.einsum("fab,fnb,fn->fna", _pseudo_inverse(normal), offset, weight)


def _pseudo_inverse(normal: Array) -> Array:
    """Of symmetric positive (F, 2, 2), in closed form from the eigenvalues.

    Cells with one neighbour, or with all of them on a line, have a gradient along it only.
    """
    xx, xy, yy = normal[:, 0, 0], normal[:, 0, 1], normal[:, 1, 1]
    mean, half = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    larger, smaller = mean + half, mean - half
    in_line = smaller <= _IN_LINE * larger
    # In line, the matrix less the smaller eigenvalue is a multiple of the projection on the line; else the adjugate is
    # a multiple of the inverse.
    shape = np.where(in_line, -smaller, 0.0)
    adjugate = np.stack([np.stack([yy, -xy], -1), np.stack([-xy, xx], -1)], -2)
    projection = normal + shape[:, None, None] * np.eye(2)
    factor = np.where(in_line, 2 * half * larger, larger * smaller)
    factor = np.divide(1, factor, out=np.zeros_like(factor), where=factor > 0)

    return np.where(in_line[:, None, None], projection, adjugate) * factor[:, None, None]

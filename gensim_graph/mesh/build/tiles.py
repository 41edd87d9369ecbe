"""Corners of grids of tiles: the six faces of a cubed sphere, or the thirteen tiles of ECCO's LLC grids.

Each tile is a grid of rows and columns. If a file has the centres of the cells only, the corners on the rim of a tile
are extrapolated, and those of two tiles do not fit exactly. Corners that are close to each other become one point here,
so that the tiles close as the columns of a global grid do.
"""

import numpy as np

from gensim_graph.mesh.build.grid import quadrilaterals
from gensim_graph.mesh.geometry import close_pairs
from gensim_graph.mesh.topology import connected_groups
from gensim_graph.typing import Array

_NEAR = 0.4  # in sides of the cells: extrapolated corners closer than this are the same


def tile_corners(centres: Array) -> Array:
    """Corners of cells from their centres: (tile, ny, nx, 3) -> (tile, ny + 1, nx + 1, 3) unit vectors.

    Inner corners are the mean of the four centres around them. Corners on the rim are extrapolated linearly; those of
    neighbouring tiles are replaced by their mean.
    """
    wide = np.pad(centres, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    total = wide[:, :-1, :-1] + wide[:, 1:, :-1] + wide[:, :-1, 1:] + wide[:, 1:, 1:]
    lattice = total / np.linalg.norm(total, axis=-1, keepdims=True)

    is_rim = np.zeros(lattice.shape[:-1], dtype=bool)
    is_rim[:, [0, -1]] = is_rim[:, :, [0, -1]] = True
    is_rim &= np.isfinite(lattice).all(axis=-1)
    lattice[is_rim] = _joined(lattice[is_rim], _shortest_sides(lattice)[is_rim])

    return lattice


def tile_quadrilaterals(shape: tuple[int, ...]) -> Array:
    """Corner numbers (cells, 4) of all cells of tiles.

    Args:
        shape: (..., ny, nx); the corners are numbered along (..., ny + 1, nx + 1).
    """
    ny, nx = shape[-2:]
    one = quadrilaterals((ny, nx))
    tiles = int(np.prod(shape[:-2], dtype=int))
    return (one + np.arange(tiles)[:, None, None] * (ny + 1) * (nx + 1)).reshape(-1, 4)


def _shortest_sides(lattice: Array) -> Array:
    """Length of the shortest side that meets each corner: (tile, ny + 1, nx + 1)."""
    shortest = np.full(lattice.shape[:-1], np.inf)
    for axis in (1, 2):
        sides = np.linalg.norm(np.diff(lattice, axis=axis), axis=-1)
        sides = np.where(np.isfinite(sides), sides, np.inf)
        before = [slice(None)] * 3
        after = [slice(None)] * 3
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        shortest[tuple(before)] = np.minimum(shortest[tuple(before)], sides)
        shortest[tuple(after)] = np.minimum(shortest[tuple(after)], sides)

    return shortest


def _joined(points: Array, sides: Array) -> Array:
    """Replace points (P, 3) that are close to each other, compared with their sides (P,), by their mean."""
    if not len(points):
        return points

    pairs = close_pairs(points, _NEAR * float(np.max(sides[np.isfinite(sides)], initial=0.0)))
    apart = np.linalg.norm(points[pairs[:, 0]] - points[pairs[:, 1]], axis=1)
    pairs = pairs[apart < _NEAR * sides[pairs].min(axis=1)]
    group = connected_groups(pairs, len(points))

    total = np.zeros((group.max() + 1, 3))
    np.add.at(total, group, points)
    return (total / np.linalg.norm(total, axis=1, keepdims=True))[group]

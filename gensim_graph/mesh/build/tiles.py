"""Corners of grids of tiles: the six faces of a cubed sphere, or the thirteen tiles of ECCO's LLC grids.

Each tile is a grid of rows and columns. Where two sides meet (:mod:`~gensim_graph.mesh.build.tile_sides`), the corners
on the seam are computed from the cells on both sides of it, or taken from the tile that stores them, and are the same
point in both tiles. The tiles then close as the columns of a global grid do.
"""

import numpy as np

from gensim_graph.mesh.build.grid import quadrilaterals
from gensim_graph.mesh.build.tile_sides import Seam, along_side, corner_groups, find_seams
from gensim_graph.mesh.geometry import close_pairs
from gensim_graph.mesh.topology import connected_groups
from gensim_graph.typing import Array

_NEAR = 0.4  # in sides of the cells: extrapolated corners closer than this are the same

_GHOSTS = ((0, slice(1, -1)), (slice(1, -1), -1), (-1, slice(1, -1)), (slice(1, -1), 0))
"""Side -> row and column of the cells beyond it, in a tile with one more cell at each end."""

_ENDS = ((0, 0, (0, 3)), (0, -1, (0, 1)), (-1, -1, (2, 1)), (-1, 0, (2, 3)))
"""Corners of a tile: row, column, and the sides along the row and along the column that meet there."""


def tile_corners(centres: Array) -> Array:
    """Corners of cells from their centres: (tile, ny, nx, 3) -> (tile, ny + 1, nx + 1, 3) unit vectors.

    A corner is the mean of the four centres around it, on a seam those of both tiles; at a point where three or four
    tiles meet, the mean of their centres. Corners on the rim of the grid are extrapolated linearly.
    """
    seams = find_seams(centres)
    wide = _with_neighbours(centres, seams)
    total = wide[:, :-1, :-1] + wide[:, 1:, :-1] + wide[:, :-1, 1:] + wide[:, 1:, 1:]
    lattice = _where_tiles_meet(_unit(total), centres, seams)

    is_rim = np.zeros(lattice.shape[:-1], dtype=bool)
    is_rim[:, [0, -1]] = is_rim[:, :, [0, -1]] = True
    is_rim &= np.isfinite(lattice).all(axis=-1)
    lattice[is_rim] = _joined(lattice[is_rim], _shortest_sides(lattice)[is_rim])

    return lattice


def completed_corners(stored: Array, centres: Array) -> Array:
    """Complete corners of which a file has one for each cell, such as XG and YG of the MITgcm.

    The last row and column of each tile (or the first, if the file has the upper right corners) are those of the tile
    beyond the seam; where no tile has them, they are computed from the centres.

    Args:
        stored: (tile, ny, nx, 3) unit vectors of the same corner of every cell, NaN where unknown.
        centres: (tile, ny, nx, 3) unit vectors of the cell centres.

    Returns:
        (tile, ny + 1, nx + 1, 3) unit vectors.
    """
    computed = tile_corners(centres)
    blocks = [(rows, columns) for rows in (_FIRST, _LAST) for columns in (_FIRST, _LAST)]
    apart = [np.nanmedian(np.linalg.norm(stored - computed[:, rows, columns], axis=-1)) for rows, columns in blocks]
    rows, columns = blocks[int(np.argmin(apart))]

    lattice = np.full_like(computed, np.nan)
    lattice[:, rows, columns] = stored
    lattice = _mean_of_groups(lattice, corner_groups(find_seams(centres), centres.shape[:3]))

    return np.where(np.isfinite(lattice), lattice, computed)


_FIRST, _LAST = slice(None, -1), slice(1, None)


def tile_quadrilaterals(shape: tuple[int, ...]) -> Array:
    """Corner numbers (cells, 4) of all cells of tiles.

    Args:
        shape: (..., ny, nx); the corners are numbered along (..., ny + 1, nx + 1).
    """
    ny, nx = shape[-2:]
    one = quadrilaterals((ny, nx))
    tiles = int(np.prod(shape[:-2], dtype=int))
    return (one + np.arange(tiles)[:, None, None] * (ny + 1) * (nx + 1)).reshape(-1, 4)


def _with_neighbours(centres: Array, seams: list[Seam]) -> Array:
    """Add one cell at each end of the tiles: those beyond a seam, elsewhere extrapolated ones."""
    wide = np.pad(centres, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    shape = centres.shape[1:3]
    flat = centres.reshape(len(centres), -1, 3)

    for seam in seams:
        first, second = (flat[tile, along_side(shape, side)] for tile, side in zip(seam.tiles, seam.sides, strict=True))
        for tile, side, beyond in zip(seam.tiles, seam.sides, (second, first), strict=True):
            wide[(tile, *_GHOSTS[side])] = seam.ordered(beyond)

    closed = _closed_sides(len(centres), seams)
    for row, column, (along_row, along_column) in _ENDS:
        inner_row, inner_column = (1, 2) if row == 0 else (-2, -3), (1, 2) if column == 0 else (-2, -3)
        only_column = closed[:, along_column] & ~closed[:, along_row]
        only_row = closed[:, along_row] & ~closed[:, along_column]
        for rows, one, two in (
            (only_column, wide[:, inner_row[0], column], wide[:, inner_row[1], column]),
            (only_row, wide[:, row, inner_column[0]], wide[:, row, inner_column[1]]),
        ):
            wide[rows, row, column] = (2 * one - two)[rows]

    return wide


def _closed_sides(tiles: int, seams: list[Seam]) -> Array:
    """Return True for each side (tile, 4) that meets a side of another tile."""
    closed = np.zeros((tiles, 4), dtype=bool)
    for seam in seams:
        closed[seam.tiles, seam.sides] = True
    return closed


def _where_tiles_meet(lattice: Array, centres: Array, seams: list[Seam]) -> Array:
    """Make the corners on seams equal; where all sides at a corner are closed, it is the mean of the cells there."""
    group = corner_groups(seams, centres.shape[:3])
    closed = _closed_sides(len(centres), seams)
    number = group.reshape(lattice.shape[:3])
    total = np.zeros((group.max() + 1, 3))
    count = np.zeros(group.max() + 1)
    is_inner = np.ones(group.max() + 1, dtype=bool)

    for row, column, sides in _ENDS:
        at = number[:, row, column]
        np.add.at(total, at, centres[:, row, column])
        np.add.at(count, at, 1)
        np.logical_and.at(is_inner, at, closed[:, sides].all(axis=1))

    result = _mean_of_groups(lattice, group)
    met = (is_inner & (count > 2))[number]
    result[met] = _unit(total)[number[met]]

    return result


def _mean_of_groups(lattice: Array, group: Array) -> Array:
    """Replace the corners of each group by the mean of those that are known."""
    flat = lattice.reshape(-1, 3)
    known = np.isfinite(flat).all(axis=1)
    total = np.zeros((group.max() + 1, 3))
    np.add.at(total, group[known], flat[known])
    total[np.bincount(group[known], minlength=len(total)) == 0] = np.nan

    is_shared = np.bincount(group, minlength=len(total)) > 1
    return np.where(is_shared[group][:, None], _unit(total)[group], flat).reshape(lattice.shape)


def _unit(vectors: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


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

"""Sides of tiles that meet: the seams of cubed spheres and of ECCO's LLC grids, found from the positions of the cells.

The cells along a side of a tile have their neighbours along a side of another tile, in the same or in the reverse
order. Two sides meet if each cell of one is about one spacing from the cell of the other at the same place, and no
other side fits better. So the conventions of a model (numbers of the tiles, contacts, rotations) need not be known.

Arrays of tiles are (tile, ny, nx). The sides of a tile are numbered 0 (first row), 1 (last column), 2 (last row),
3 (first column); the cells and corners of a side follow each other with increasing column or row.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.mesh.geometry import close_pairs
from gensim_graph.mesh.topology import connected_groups
from gensim_graph.typing import Array

_FAR = 2.5  # in spacings: cells further apart than this are no neighbours
_FEWEST = 0.5  # share of the cells of a side that must have coordinates


@dataclass(frozen=True)
class Seam:
    """Two sides that meet.

    Attributes:
        tiles: numbers of the two tiles.
        sides: numbers of their sides.
        is_reversed: True if the cells of the second side follow each other in the opposite direction.
    """

    tiles: tuple[int, int]
    sides: tuple[int, int]
    is_reversed: bool

    def ordered(self, second: Array) -> Array:
        """Return values along the second side (n, ...) in the order of the first side."""
        return second[::-1] if self.is_reversed else second


def along_side(shape: tuple[int, int], side: int, depth: int = 0) -> Array:
    """Flat positions of the elements of an array (ny, nx) along one of its sides.

    Args:
        shape: (ny, nx) of the cells, or of the corners.
        side: number of the side.
        depth: 0 for the elements at the rim, 1 for the next ones.
    """
    ny, nx = shape
    columns, rows = np.arange(nx), np.arange(ny) * nx
    match side:
        case 0:
            return depth * nx + columns
        case 1:
            return rows + nx - 1 - depth
        case 2:
            return (ny - 1 - depth) * nx + columns
        case _:
            return rows + depth


def find_seams(centres: Array) -> list[Seam]:
    """Find the sides of tiles that meet.

    Args:
        centres: (tile, ny, nx, 3) unit vectors of the cell centres, NaN where unknown.
    """
    best: dict[tuple[int, int], tuple[float, Seam]] = {}
    for seam, apart in _candidates(centres):
        for tile, side in zip(seam.tiles, seam.sides, strict=True):
            if apart < best.get((tile, side), (np.inf, seam))[0]:
                best[tile, side] = (apart, seam)

    found = list(dict.fromkeys(seam for _, seam in best.values()))
    return [seam for seam in found if all(best[one][1] == seam for one in zip(seam.tiles, seam.sides, strict=True))]


def _candidates(centres: Array) -> list[tuple[Seam, float]]:
    """Pairs of sides that are close enough to meet, and their mean distance in spacings."""
    ny, nx = centres.shape[1:3]
    flat = centres.reshape(len(centres), -1, 3)
    found: list[tuple[Seam, float]] = []

    for sides in ((0, 1, 2, 3),) if ny == nx else ((0, 2), (1, 3)):  # only sides of the same length can meet
        labels = [(tile, side) for side in sides for tile in range(len(centres))]
        rim, inner = (
            np.stack([flat[tile, along_side((ny, nx), side, depth)] for tile, side in labels]) for depth in (0, 1)
        )
        step = np.linalg.norm(rim - inner, axis=-1)
        found += [
            one for first, second in _near(rim, step).tolist() for one in _tried(first, second, rim, step, labels)
        ]

    return found


def _near(rim: Array, step: Array) -> Array:
    """Pairs of sides (n, 2) whose middles are near each other."""
    known = np.flatnonzero(np.isfinite(step).mean(axis=1) >= _FEWEST)
    if not len(known):
        return np.empty((0, 2), dtype=np.int64)
    middles = np.nanmean(rim[known], axis=1)
    return known[close_pairs(middles, 2 * _FAR * float(np.nanmax(step[known])))]


def _tried(first: int, second: int, rim: Array, step: Array, labels: list[tuple[int, int]]) -> list[tuple[Seam, float]]:
    (tile, side), (other_tile, other_side) = labels[first], labels[second]
    if tile == other_tile:
        return []

    found = []
    for is_reversed in (False, True):
        seam = Seam((tile, other_tile), (side, other_side), is_reversed)
        apart = np.linalg.norm(rim[first] - seam.ordered(rim[second]), axis=-1)
        ratio = 2.0 * apart / (step[first] + seam.ordered(step[second]))
        known = np.isfinite(ratio)
        if known.mean() >= _FEWEST and ratio[known].max() < _FAR:
            found.append((seam, float(ratio[known].mean())))

    return found


def corner_groups(seams: list[Seam], shape: tuple[int, ...]) -> Array:
    """Number the corners of all tiles so that corners that are the same point of a seam have the same number.

    Args:
        seams: sides that meet.
        shape: (tile, ny, nx) of the cells.

    Returns:
        (tile (ny + 1) (nx + 1),) number of the point of each corner.
    """
    tiles, ny, nx = shape
    size = (ny + 1) * (nx + 1)
    pairs = [np.empty((0, 2), dtype=np.int64)]

    for seam in seams:
        first, second = (
            tile * size + along_side((ny + 1, nx + 1), side) for tile, side in zip(seam.tiles, seam.sides, strict=True)
        )
        pairs.append(np.stack([first, seam.ordered(second)], axis=1))

    return connected_groups(np.concatenate(pairs), tiles * size)


def open_sides(lattice: Array, ocean: Array) -> Array:
    """Count the sides of ocean cells on the rim of each tile that have no cell of another tile beside them: (tile,).

    Args:
        lattice: (tile, ny + 1, nx + 1, 3) corners; those of a closed seam are at the same place in both tiles.
        ocean: (tile, ny, nx) True = ocean.
    """
    tiles, ny, nx = ocean.shape
    corners, cells = lattice.reshape(tiles, -1, 3), ocean.reshape(tiles, -1)
    middles, wet, owner = [], [], []

    for side in range(4):
        ends = corners[:, along_side((ny + 1, nx + 1), side)]
        middles.append((0.5 * (ends[:, 1:] + ends[:, :-1])).reshape(-1, 3))
        wet.append(cells[:, along_side((ny, nx), side)].ravel())
        owner.append(np.repeat(np.arange(tiles), ends.shape[1] - 1))

    points, is_wet, tile = np.concatenate(middles), np.concatenate(wet), np.concatenate(owner)
    known = np.flatnonzero(np.isfinite(points).all(axis=1))
    sizes = np.linalg.norm(np.diff(corners[:, along_side((ny + 1, nx + 1), 0)], axis=1), axis=-1)
    pairs = known[close_pairs(points[known], 0.05 * float(np.nanmedian(sizes)))]

    alone = np.ones(len(points), dtype=bool)
    alone[pairs] = False
    return np.bincount(tile[alone & is_wet], minlength=tiles)

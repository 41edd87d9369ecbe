"""Coasts next to land for which a file has no corners.

Cells that store corners of their own share no node numbers with their neighbours. Where land has corners, they coincide
with those of the ocean. Where it has none, the coast is found from the rows and columns of the grid: all cells list
their corners in the same order, so that the same side of each faces the next column.
"""

import numpy as np

from gensim_graph.typing import Array

_OFFSETS = ((0, 1), (0, -1), (1, 0), (-1, 0))
_SAME = 0.05  # in sides: midpoints closer than this are of the same side


def sides_facing_bare_land(nodes: Array, faces: Array, ocean: Array) -> Array:
    """Find the sides of ocean cells behind which there is land without corners.

    Args:
        nodes: (N, 3) unit vectors, NaN where unknown.
        faces: (ny nx, k) node numbers of the cells, in the order of the grid, without padding.
        ocean: (ny, nx) True = ocean.

    Returns:
        (E, 2) node numbers.
    """
    corners = nodes[faces].reshape(*ocean.shape, faces.shape[1], 3)
    numbers = faces.reshape(*ocean.shape, faces.shape[1])
    known = np.isfinite(corners).all(axis=(-1, -2))
    bare = ~ocean & ~known
    found = [np.empty((0, 2), dtype=faces.dtype)]

    for offset in _OFFSETS:
        here, there = _shifted(ocean.shape, offset)
        both = known[here] & known[there]
        side = _side_towards(corners[here][both], corners[there][both])
        rows = numbers[here][(ocean & known)[here] & bare[there]]
        if side is not None:
            found.append(np.stack([rows[:, side], rows[:, (side + 1) % rows.shape[1]]], axis=1))

    return np.concatenate(found)


def _shifted(shape: tuple[int, ...], offset: tuple[int, int]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Slices of all cells that have a neighbour at an offset, and of these neighbours."""
    here = tuple(slice(max(0, -step), size - max(0, step)) for step, size in zip(offset, shape, strict=True))
    there = tuple(slice(max(0, step), size - max(0, -step)) for step, size in zip(offset, shape, strict=True))
    return here, there


def _side_towards(corners: Array, others: Array) -> int | None:
    """Number of the side that most cells (n, k, 3) share with their neighbours (n, k, 3); None if they share none."""
    if not len(corners):
        return None

    middle = 0.5 * (corners + np.roll(corners, -1, axis=1))
    beyond = 0.5 * (others + np.roll(others, -1, axis=1))
    apart = np.linalg.norm(middle[:, :, None] - beyond[:, None], axis=-1).min(axis=2)
    length = np.linalg.norm(corners - np.roll(corners, -1, axis=1), axis=-1)
    shares = (apart < _SAME * length).mean(axis=0)
    best = int(np.argmax(shares))

    return best if shares[best] > 0.5 else None

"""Order of the cells along a balanced k-d tree: neighbours in the order are neighbours in space.

Four consecutive cells make a token, consecutive tokens a cluster. On a regular grid whose sides are powers of
two the tokens are exactly its 2x2 patches and the clusters its square blocks (the patches of GenSIM); on any
other mesh the same recursive median cut makes compact groups of equal size.

The points are sorted once along each axis. A cut divides all segments of one depth at once and keeps both orders
sorted (Bentley 1975; Brown 2015 for the presorting): O(F log F) in all.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gensim_graph.typing import Array

TOKEN_CELLS, CLUSTER_TOKENS = 4, 64
"""Cells in a token, and tokens in a cluster."""


@dataclass(frozen=True)
class Order:
    """Where each cell goes in the padded layout of ``n_clusters * cluster_tokens * 4`` slots.

    Attributes:
        slot: (F,) slot of each cell; slots that no cell has are padding.
        n_clusters: number of clusters.
        cluster_tokens: tokens in a cluster.
    """

    slot: Array
    n_clusters: int
    cluster_tokens: int

    @property
    def token(self) -> Array:
        """(F,) token of each cell, an index into the padded tokens."""
        return self.slot // TOKEN_CELLS

    @property
    def n_slots(self) -> int:
        """Length of the padded layout."""
        return self.n_clusters * self.cluster_tokens * TOKEN_CELLS


def order_cells(
    points: Array, cluster_tokens: int = CLUSTER_TOKENS, angle: float = 0.0, groups: Array | None = None
) -> Order:
    """Sort cells into tokens and clusters.

    Args:
        points: (F, 2) cell centres in metres.
        cluster_tokens: tokens in a cluster.
        angle: the axes that cut the plane are turned by this angle (radians, counter-clockwise).
        groups: (F,) optional token of each cell, 0..T-1 with at most four cells each: the tokens are then kept as
            they are, and only the clusters are cut anew: another partition with the same pooling.

    Returns:
        The order; every cluster holds about the same number of cells, and every token but the last of each cluster
        is full.
    """
    if groups is not None:
        return _order_groups(points, groups, cluster_tokens, angle)

    turned = _turned(points, angle)
    capacity = cluster_tokens * TOKEN_CELLS
    n_clusters = max(1, -(-len(points) // capacity))
    clusters = _split(_presorted(turned), turned, np.array([n_clusters]), capacity)
    cells = _split(clusters, turned, -(-clusters.sizes // TOKEN_CELLS), TOKEN_CELLS)
    slot = np.empty(len(points), dtype=np.int64)
    slot[cells.by_x] = _padded_positions(clusters.sizes, capacity)

    return Order(slot, n_clusters, cluster_tokens)


def _order_groups(points: Array, groups: Array, cluster_tokens: int, angle: float) -> Order:
    counts = np.bincount(groups)
    centres = np.stack([np.bincount(groups, points[:, axis]) / counts for axis in (0, 1)], axis=-1)
    turned = _turned(centres, angle)
    n_clusters = max(1, -(-len(counts) // cluster_tokens))
    clusters = _split(_presorted(turned), turned, np.array([n_clusters]), cluster_tokens)
    token = np.empty(len(counts), dtype=np.int64)
    token[clusters.by_x] = _padded_positions(clusters.sizes, cluster_tokens)
    by_group = np.argsort(groups, kind="stable")
    within = np.empty(len(groups), dtype=np.int64)
    within[by_group] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)

    return Order(token[groups] * TOKEN_CELLS + within, n_clusters, cluster_tokens)


class _Segments(NamedTuple):
    """Consecutive groups of points, each group sorted along x and sorted along y."""

    by_x: Array
    by_y: Array
    sizes: Array


def _presorted(points: Array) -> _Segments:
    """All points in one segment. Equal coordinates, to 1e-9 of the extent as on a grid, are sorted by the other."""
    kind = np.int32 if len(points) < 2**31 else np.int64
    extent = np.ptp(points, axis=0)
    fine = np.rint((points - points.min(axis=0)) / np.where(extent > 0, extent * 1e-9, 1.0)).astype(np.int64)
    by_x, by_y = (
        np.argsort(fine[:, one] << 30 | fine[:, other], kind="stable").astype(kind) for one, other in ((0, 1), (1, 0))
    )

    return _Segments(by_x, by_y, np.array([len(points)]))


def _split(segments: _Segments, points: Array, parts: Array, capacity: int) -> _Segments:
    """Cut every segment into its ``parts`` of at most ``capacity`` points, halving it along its longer side."""
    by_x, by_y, sizes = segments
    parts, right = np.asarray(parts), np.empty(len(points), dtype=bool)

    while np.any(parts > 1):
        left, left_parts = _left_half(sizes, parts, capacity)
        along_y = np.repeat(_is_taller(by_x, by_y, points, sizes), sizes)
        on_right = _within(sizes) >= np.repeat(left, sizes)
        right[np.where(along_y, by_y, by_x)] = on_right
        by_x, by_y = (_partition(order, right[order], on_right) for order in (by_x, by_y))
        sizes = np.stack([left, sizes - left], axis=1).ravel()
        parts = np.stack([left_parts, parts - left_parts], axis=1).ravel()
        sizes, parts = sizes[parts > 0], parts[parts > 0]

    return _Segments(by_x, by_y, sizes)


def _left_half(sizes: Array, parts: Array, capacity: int) -> tuple[Array, Array]:
    """Points and parts of the left half of each segment; segments of one part stay whole."""
    left_parts = (parts + 1) // 2
    right_parts = parts - left_parts
    share = np.rint(sizes * left_parts / parts / TOKEN_CELLS).astype(np.int64) * TOKEN_CELLS
    share = np.where(capacity == TOKEN_CELLS, left_parts * capacity, share)
    left = np.clip(share, sizes - right_parts * capacity, np.minimum(sizes, left_parts * capacity))

    return np.where(right_parts > 0, left, sizes), left_parts


def _is_taller(by_x: Array, by_y: Array, points: Array, sizes: Array) -> Array:
    """Whether segments are longer along y; their first and last points along each axis tell."""
    last = np.cumsum(sizes) - 1
    first = last + 1 - sizes
    width = points[by_x[last], 0] - points[by_x[first], 0]
    height = points[by_y[last], 1] - points[by_y[first], 1]

    # A tie must not be decided by rounding: prefer x unless y is clearly longer.
    return height > width * (1 + 1e-6)


def _partition(order: Array, right: Array, on_right: Array) -> Array:
    """Move the points that go right to the places on the right, keeping their order, and the others to the left."""
    parted = np.empty_like(order)
    parted[on_right], parted[~on_right] = order[right], order[~right]
    return parted


def _turned(points: Array, angle: float) -> Array:
    if angle == 0.0:
        return points
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, -sine], [sine, cosine]])


def _within(sizes: Array) -> Array:
    """Position of each point in its segment."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _padded_positions(sizes: Array, capacity: int) -> Array:
    """Position in the padded layout of each of the points of consecutive segments."""
    return np.repeat(np.arange(len(sizes)) * capacity, sizes) + _within(sizes)

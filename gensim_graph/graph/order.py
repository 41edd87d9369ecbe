"""Order of the cells along a balanced k-d tree: neighbours in the order are neighbours in space.

Four consecutive cells make a token, consecutive tokens a cluster. On a regular grid whose sides are powers of
two the tokens are exactly its 2x2 patches and the clusters its square blocks (the patches of GenSIM); on any
other mesh the same recursive median cut makes compact groups of equal size.

The cut is vectorised over all segments of one depth: one sort per depth, O(F log^2 F) in all.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.typing import Array

TOKEN_CELLS = 4
"""Cells in a token."""


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


def order_cells(points: Array, cluster_tokens: int = 64, angle: float = 0.0, groups: Array | None = None) -> Order:
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
    capacity = cluster_tokens * TOKEN_CELLS
    n_clusters = max(1, -(-len(points) // capacity))
    whole = _Segments(np.arange(len(points)), np.array([len(points)]))
    clusters = _split(whole, _turned(points, angle), np.array([n_clusters]), capacity)
    cells = _split(clusters, _turned(points, angle), -(-clusters.sizes // TOKEN_CELLS), TOKEN_CELLS)
    slot = np.empty(len(points), dtype=np.int64)
    slot[cells.order] = _padded_positions(clusters.sizes, capacity)
    return Order(slot, n_clusters, cluster_tokens)


def _order_groups(points: Array, groups: Array, cluster_tokens: int, angle: float) -> Order:
    counts = np.bincount(groups)
    centres = np.stack([np.bincount(groups, points[:, axis]) / counts for axis in (0, 1)], axis=-1)
    n_clusters = max(1, -(-len(counts) // cluster_tokens))
    whole = _Segments(np.arange(len(counts)), np.array([len(counts)]))
    clusters = _split(whole, _turned(centres, angle), np.array([n_clusters]), cluster_tokens)
    token = np.empty(len(counts), dtype=np.int64)
    token[clusters.order] = _padded_positions(clusters.sizes, cluster_tokens)
    by_group = np.argsort(groups, kind="stable")
    within = np.empty(len(groups), dtype=np.int64)
    within[by_group] = np.arange(len(groups)) - np.repeat(np.cumsum(counts) - counts, counts)
    return Order(token[groups] * TOKEN_CELLS + within, n_clusters, cluster_tokens)


@dataclass(frozen=True)
class _Segments:
    """A permutation of the points, cut into consecutive segments."""

    order: Array
    sizes: Array

    @property
    def starts(self) -> Array:
        return np.cumsum(self.sizes) - self.sizes


def _split(segments: _Segments, points: Array, parts: Array, capacity: int) -> _Segments:
    """Cut every segment into its ``parts`` of at most ``capacity`` points, halving it along its longer side."""
    ranks = np.stack([_rank(points[:, 0], points[:, 1]), _rank(points[:, 1], points[:, 0])])
    order, sizes, parts = segments.order, segments.sizes, np.asarray(parts)
    while np.any(parts > 1):
        current = _Segments(order, sizes)
        axis = _longer_axis(points[order], current.starts)
        axis_of_point = np.repeat(axis, sizes)
        segment_of_point = np.repeat(np.arange(len(sizes)), sizes)
        busy = np.repeat(parts > 1, sizes)
        key = np.where(busy, ranks[axis_of_point, order], np.arange(len(order)))
        order = order[np.argsort(segment_of_point * len(points) + key, kind="stable")]
        sizes, parts = _halve(sizes, parts, capacity)
    return _Segments(order, sizes)


def _halve(sizes: Array, parts: Array, capacity: int) -> tuple[Array, Array]:
    """Sizes and parts of the two halves of each segment; segments of one part stay whole."""
    left_parts = np.where(parts > 1, (parts + 1) // 2, parts)
    right_parts = parts - left_parts
    share = np.rint(sizes * left_parts / parts / TOKEN_CELLS).astype(np.int64) * TOKEN_CELLS
    share = np.where(capacity == TOKEN_CELLS, left_parts * capacity, share)
    left = np.clip(share, sizes - right_parts * capacity, np.minimum(sizes, left_parts * capacity))
    left = np.where(right_parts > 0, left, sizes)
    both = np.stack([left, sizes - left], axis=1).ravel()
    both_parts = np.stack([left_parts, right_parts], axis=1).ravel()
    return both[both_parts > 0], both_parts[both_parts > 0]


def _longer_axis(points: Array, starts: Array) -> Array:
    extent = np.maximum.reduceat(points, starts) - np.minimum.reduceat(points, starts)
    # A tie must not be decided by rounding: prefer x unless y is clearly longer.
    return (extent[:, 1] > extent[:, 0] * (1 + 1e-6)).astype(np.int64)


def _rank(first: Array, second: Array) -> Array:
    """Rank by ``first``, ties by ``second``; ties are those of a grid, equal to 1e-9 of the extent."""
    scale = float(np.ptp(first)) * 1e-9 or 1.0
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.lexsort((second, np.rint(first / scale)))] = np.arange(len(first))
    return rank


def _turned(points: Array, angle: float) -> Array:
    if angle == 0.0:
        return points
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, -sine], [sine, cosine]])


def _padded_positions(sizes: Array, capacity: int) -> Array:
    """Position in the padded layout of each of the points of consecutive segments."""
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.repeat(np.arange(len(sizes)) * capacity, sizes) + within

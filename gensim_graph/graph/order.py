"""Order of the cells along a balanced k-d tree: cells that are near in the order are near in space.

Four consecutive cells form a token, consecutive tokens form a cluster. On a regular grid whose sides are powers of two
the tokens are exactly its 2x2 patches and the clusters its square blocks (the patches of GenSIM). On any other mesh the
same recursive median cut gives compact groups of equal size.

Method: the points are sorted once along each axis. One cut divides all segments of the same depth and keeps both sorted
lists sorted (Bentley 1975; Brown 2015 for sorting beforehand), so the total cost is O(F log F).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from gensim_graph.typing import Array

TOKEN_CELLS, CLUSTER_TOKENS = 4, 64
"""Number of cells in a token, and of tokens in a cluster."""


@dataclass(frozen=True)
class CellOrder:
    """Slot of each cell in the padded layout of ``n_clusters * cluster_tokens * 4`` slots.

    Attributes:
        slot: (F,) slot of each cell; slots without a cell are padding.
        n_clusters: number of clusters.
        cluster_tokens: number of tokens in a cluster.
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
) -> CellOrder:
    """Sort cells into tokens and clusters.

    Args:
        points: (F, 2) cell centres in metres.
        cluster_tokens: number of tokens in a cluster.
        angle: angle by which the axes of the cuts are turned (radians, counter-clockwise).
        groups: (F,) token of each cell, 0 to T - 1, with at most four cells each. These tokens are then kept, and only
            the clusters are cut anew: another partition with the same pooling. None makes new tokens.

    Returns:
        The order. All clusters hold about the same number of cells, and every token is full except the last one of each
        cluster.

    Example:
        The tokens of a grid of 4 x 4 cells are its 2 x 2 patches:

        >>> import numpy as np
        >>> from gensim_graph.graph import order_cells
        >>> row, column = np.divmod(np.arange(16), 4)
        >>> order = order_cells(np.stack([column, row], axis=1) * 1e3)
        >>> order.token.reshape(4, 4)
        array([[0, 0, 2, 2],
               [0, 0, 2, 2],
               [1, 1, 3, 3],
               [1, 1, 3, 3]])
        >>> order.n_clusters, order.n_slots
        (1, 256)
    """
    if groups is not None:
        return _order_groups(points, groups, cluster_tokens, angle)

    turned = _turned(points, angle)
    capacity = cluster_tokens * TOKEN_CELLS
    n_clusters = max(1, -(-len(points) // capacity))
    clusters = _split(_presorted(turned), turned, np.array([n_clusters]), capacity)
    tokens = _split(clusters, turned, -(-clusters.sizes // TOKEN_CELLS), TOKEN_CELLS)

    slot = np.empty(len(points), dtype=np.int64)
    slot[tokens.by_x] = _padded_positions(clusters.sizes, capacity)

    return CellOrder(slot, n_clusters, cluster_tokens)


def _order_groups(points: Array, groups: Array, cluster_tokens: int, angle: float) -> CellOrder:
    """Keep the given tokens and cut their centres into clusters."""
    counts = np.bincount(groups)
    centres = np.stack([np.bincount(groups, points[:, axis]) / counts for axis in (0, 1)], axis=-1)
    turned = _turned(centres, angle)
    n_clusters = max(1, -(-len(counts) // cluster_tokens))
    clusters = _split(_presorted(turned), turned, np.array([n_clusters]), cluster_tokens)

    token = np.empty(len(counts), dtype=np.int64)
    token[clusters.by_x] = _padded_positions(clusters.sizes, cluster_tokens)

    by_group = np.argsort(groups, kind="stable")
    position_in_group = np.empty(len(groups), dtype=np.int64)
    position_in_group[by_group] = _position_in_segment(counts)

    return CellOrder(token[groups] * TOKEN_CELLS + position_in_group, n_clusters, cluster_tokens)


class _Segments(NamedTuple):
    """Consecutive groups of points; the points of each group sorted along x and sorted along y.

    Attributes:
        by_x: (N,) indices of the points, group after group, sorted along x within each group.
        by_y: (N,) the same, sorted along y.
        sizes: number of points in each group.
    """

    by_x: Array
    by_y: Array
    sizes: Array


def _presorted(points: Array) -> _Segments:
    """Put all points into one segment, sorted along each axis.

    Coordinates that are equal to 1e-9 of the extent, as on a grid, are sorted by the other coordinate.
    """
    kind = np.int32 if len(points) < 2**31 else np.int64
    extent = np.ptp(points, axis=0)
    unit = np.where(extent > 0, extent * 1e-9, 1.0)
    x, y = np.rint((points - points.min(axis=0)) / unit).astype(np.int64).T

    by_x = np.argsort(x << 30 | y, kind="stable").astype(kind)
    by_y = np.argsort(y << 30 | x, kind="stable").astype(kind)

    return _Segments(by_x, by_y, np.array([len(points)]))


def _split(segments: _Segments, points: Array, parts: Array, capacity: int) -> _Segments:
    """Cut every segment into parts of at most ``capacity`` points, halving it along its longer side.

    Args:
        segments: the segments.
        points: (N, 2) m.
        parts: number of parts of each segment.
        capacity: largest number of points in a part.
    """
    by_x, by_y, sizes = segments
    parts = np.asarray(parts)
    goes_right = np.empty(len(points), dtype=bool)

    while np.any(parts > 1):
        left_sizes, left_parts = _left_half(sizes, parts, capacity)
        along_y = np.repeat(_is_taller(by_x, by_y, points, sizes), sizes)
        on_right = _position_in_segment(sizes) >= np.repeat(left_sizes, sizes)
        goes_right[np.where(along_y, by_y, by_x)] = on_right

        by_x = _partition(by_x, goes_right[by_x], on_right)
        by_y = _partition(by_y, goes_right[by_y], on_right)
        sizes = np.stack([left_sizes, sizes - left_sizes], axis=1).ravel()
        parts = np.stack([left_parts, parts - left_parts], axis=1).ravel()
        sizes, parts = sizes[parts > 0], parts[parts > 0]

    return _Segments(by_x, by_y, sizes)


def _left_half(sizes: Array, parts: Array, capacity: int) -> tuple[Array, Array]:
    """Return the numbers of points and of parts in the left half of each segment; a single part stays whole."""
    left_parts = (parts + 1) // 2
    right_parts = parts - left_parts
    share = np.rint(sizes * left_parts / parts / TOKEN_CELLS).astype(np.int64) * TOKEN_CELLS
    share = np.where(capacity == TOKEN_CELLS, left_parts * capacity, share)
    left_sizes = np.clip(share, sizes - right_parts * capacity, np.minimum(sizes, left_parts * capacity))

    return np.where(right_parts > 0, left_sizes, sizes), left_parts


def _is_taller(by_x: Array, by_y: Array, points: Array, sizes: Array) -> Array:
    """Return True for each segment that extends further along y than along x."""
    last = np.cumsum(sizes) - 1
    first = last + 1 - sizes
    width = points[by_x[last], 0] - points[by_x[first], 0]
    height = points[by_y[last], 1] - points[by_y[first], 1]

    # Rounding must not decide a tie: prefer x unless y is clearly longer.
    return height > width * (1 + 1e-6)


def _partition(order: Array, goes_right: Array, on_right: Array) -> Array:
    """Move the points that go right to the right half of their segment and the others to the left; keep their order."""
    partitioned = np.empty_like(order)
    partitioned[on_right] = order[goes_right]
    partitioned[~on_right] = order[~goes_right]

    return partitioned


def _turned(points: Array, angle: float) -> Array:
    """Coordinates of the points in axes that are turned by ``angle`` (radians, counter-clockwise)."""
    if angle == 0.0:
        return points
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, -sine], [sine, cosine]])


def _position_in_segment(sizes: Array) -> Array:
    """Position of each point in its segment, counted from 0."""
    return np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def _padded_positions(sizes: Array, capacity: int) -> Array:
    """Position of each point of consecutive segments in the layout in which every segment has ``capacity`` slots."""
    return np.repeat(np.arange(len(sizes)) * capacity, sizes) + _position_in_segment(sizes)

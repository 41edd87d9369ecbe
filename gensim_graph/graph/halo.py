"""Halo of each cluster: the tokens that its tokens may attend to.

Attention has compact support: token q attends to the tokens within ``radius * h_q`` of its centre. All tokens of a
cluster share one list of keys, which holds every token within reach of the bounding box of the cluster. Keys beyond the
reach of a single token do no harm, because the smooth taper of the attention gives them zero weight.

Consecutive clusters are near each other, so pairs of consecutive clusters, pairs of these pairs and so on form a tree
of bounding boxes. All clusters descend this tree together: O(C log C) on any mesh, even if its spacing varies strongly.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gensim_graph.typing import Array

_KEY_MULTIPLE = 8
"""Lists of keys are padded to a multiple of this length, which makes the kernels faster."""

_TOKENS_AT_ONCE = 2**22
"""Number of candidate tokens that are checked together; it bounds the memory."""


@dataclass(frozen=True)
class Halo:
    """Keys of each cluster.

    Attributes:
        keys: (C, K) indices into the padded tokens; 0 for padding.
        valid: (C, K) True for real keys, False for padding.
    """

    keys: Array
    valid: Array


@dataclass(frozen=True)
class _Boxes:
    """Bounding boxes: lower and upper corners (n, 2) in metres."""

    low: Array
    high: Array

    def __getitem__(self, index: Array) -> "_Boxes":
        return _Boxes(self.low[index], self.high[index])


def find_halo(positions: Array, lengths: Array, valid: Array, cluster_tokens: int, radius: float) -> Halo:
    """Find the keys of each cluster, in ascending order.

    Args:
        positions: (T, 2) m, token centres in the padded order.
        lengths: (T,) m, length unit of each token; a token reaches ``radius`` times its own.
        valid: (T,) True for real tokens, False for padding.
        cluster_tokens: number of tokens in a cluster.
        radius: reach of the attention in length units.
    """
    real = valid.reshape(-1, cluster_tokens)
    points = positions.reshape(-1, cluster_tokens, 2)
    boxes = _bounding_boxes(points, real)
    reach = np.where(real, (lengths * radius).reshape(real.shape), 0).max(axis=1)
    cluster, other = _near_clusters(boxes, reach)

    found = [
        _near_tokens(cluster[rows], other[rows], boxes, reach, points, real)
        for rows in _slices(len(cluster), max(1, _TOKENS_AT_ONCE // cluster_tokens))
    ]
    owners, keys = (np.concatenate(part) for part in zip(*found, strict=True))

    return _padded_lists(owners, keys, len(real))


def _bounding_boxes(points: Array, real: Array) -> _Boxes:
    """Bounding box of the real tokens of each cluster."""
    low = np.where(real[..., None], points, np.inf).min(axis=1)
    high = np.where(real[..., None], points, -np.inf).max(axis=1)
    return _Boxes(low, high)


def _near_clusters(boxes: _Boxes, reach: Array) -> tuple[Array, Array]:
    """Find all pairs (cluster, other) for which the box of the other is within reach of the cluster's box; sorted."""
    levels = [boxes]
    while len(levels[-1].low) > 1:
        levels.append(_merge_pairs(levels[-1]))

    cluster = np.arange(len(reach))
    node = np.zeros_like(cluster)

    for children in reversed(levels[:-1]):
        cluster = np.repeat(cluster, 2)
        node = np.stack([2 * node, 2 * node + 1], axis=1).ravel()
        exists = node < len(children.low)  # the last node of a level may have one child only
        cluster, node = cluster[exists], node[exists]
        near = _distance(boxes[cluster], children[node]) <= reach[cluster]
        cluster, node = cluster[near], node[near]

    return cluster, node


def _merge_pairs(boxes: _Boxes) -> _Boxes:
    """Bounding box of every two consecutive boxes."""
    starts = np.arange(0, len(boxes.low), 2)
    return _Boxes(np.minimum.reduceat(boxes.low, starts), np.maximum.reduceat(boxes.high, starts))


def _distance(first: _Boxes, second: _Boxes) -> Array:
    """Distance (m) between boxes; 0 where they overlap."""
    gap = np.maximum(np.maximum(first.low - second.high, second.low - first.high), 0)
    return np.hypot(gap[..., 0], gap[..., 1])


def _near_tokens(
    cluster: Array, other: Array, boxes: _Boxes, reach: Array, points: Array, real: Array
) -> tuple[Array, Array]:
    """Find all pairs (cluster, token) of the tokens of ``other`` that are within reach of ``cluster``."""
    width = real.shape[1]
    candidates = points[other]
    own = _Boxes(boxes.low[cluster, None], boxes.high[cluster, None])
    near = real[other] & (_distance(own, _Boxes(candidates, candidates)) <= reach[cluster, None])
    row, column = np.nonzero(near)

    return cluster[row], other[row] * width + column


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(first, first + step) for first in range(0, count, step))


def _padded_lists(cluster: Array, token: Array, n_clusters: int) -> Halo:
    """Arrange sorted pairs (cluster, token) as one padded list of keys for each cluster."""
    counts = np.bincount(cluster, minlength=n_clusters)
    width = -(-int(counts.max()) // _KEY_MULTIPLE) * _KEY_MULTIPLE
    column = np.arange(len(token)) - np.repeat(np.cumsum(counts) - counts, counts)

    keys = np.zeros((n_clusters, width), dtype=np.int64)
    valid = np.zeros((n_clusters, width), dtype=bool)
    keys[cluster, column] = token
    valid[cluster, column] = True

    return Halo(keys, valid)

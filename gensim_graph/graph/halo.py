"""Halo of the clusters: the tokens that any token of a cluster may attend to.

Attention has compact support: a token q sees the tokens within ``radius * h_q``. All tokens of a cluster share
one list of keys, those near its bounding box. A superset is fine, the smooth taper makes it exact.

Consecutive clusters are near each other, so pairs of consecutive clusters, pairs of those and so on make a tree of
bounding boxes. All clusters descend it at once: O(C log C) on any mesh, however much its spacing varies.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from gensim_graph.typing import Array

_ROUND = 8
"""Lists of keys are padded to a multiple of this, which the kernels like."""

_AT_A_TIME = 2**22
"""Tokens that are looked at together."""


@dataclass(frozen=True)
class Halo:
    """Keys of each cluster.

    Attributes:
        keys: (C, K) indices into the padded tokens, 0 where there is none.
        valid: (C, K) which of them are real.
    """

    keys: Array
    valid: Array


@dataclass(frozen=True)
class _Boxes:
    """Bounding boxes: lower and upper corners (n, 2)."""

    low: Array
    high: Array

    def __getitem__(self, some: Array) -> "_Boxes":
        return _Boxes(self.low[some], self.high[some])


def find_halo(positions: Array, lengths: Array, valid: Array, cluster_tokens: int, radius: float) -> Halo:
    """Keys of each cluster, in ascending order.

    Args:
        positions: (T, 2) m, token centres in the padded order.
        lengths: (T,) m, length unit of each token; a token reaches ``radius`` times its own.
        valid: (T,) which tokens are real.
        cluster_tokens: tokens in a cluster.
        radius: reach of the attention in length units.
    """
    real = valid.reshape(-1, cluster_tokens)
    places = positions.reshape(-1, cluster_tokens, 2)
    boxes = _boxes_of(places, real)
    reach = np.where(real, (lengths * radius).reshape(real.shape), 0).max(axis=1)
    cluster, other = _near_clusters(boxes, reach)

    found = [
        _near_tokens(cluster[some], other[some], boxes, reach, places, real)
        for some in _slices(len(cluster), max(1, _AT_A_TIME // cluster_tokens))
    ]
    owners, keys = (np.concatenate(part) for part in zip(*found, strict=True))

    return _pad(owners, keys, len(real))


def _boxes_of(places: Array, real: Array) -> _Boxes:
    low = np.where(real[..., None], places, np.inf).min(axis=1)
    high = np.where(real[..., None], places, -np.inf).max(axis=1)
    return _Boxes(low, high)


def _near_clusters(boxes: _Boxes, reach: Array) -> tuple[Array, Array]:
    """Pairs (cluster, other) whose boxes are within the reach of the first, sorted."""
    levels = [boxes]
    while len(levels[-1].low) > 1:
        levels.append(_merge(levels[-1]))

    cluster = np.arange(len(reach))
    node = np.zeros_like(cluster)

    for children in reversed(levels[:-1]):
        cluster, node = np.repeat(cluster, 2), np.stack([2 * node, 2 * node + 1], axis=1).ravel()
        there = node < len(children.low)  # the last node of a level may have one child
        cluster, node = cluster[there], node[there]
        near = _distance(boxes[cluster], children[node]) <= reach[cluster]
        cluster, node = cluster[near], node[near]

    return cluster, node


def _merge(boxes: _Boxes) -> _Boxes:
    starts = np.arange(0, len(boxes.low), 2)
    return _Boxes(np.minimum.reduceat(boxes.low, starts), np.maximum.reduceat(boxes.high, starts))


def _distance(first: _Boxes, second: _Boxes) -> Array:
    gap = np.maximum(np.maximum(first.low - second.high, second.low - first.high), 0)
    return np.hypot(gap[..., 0], gap[..., 1])


def _near_tokens(
    cluster: Array, other: Array, boxes: _Boxes, reach: Array, places: Array, real: Array
) -> tuple[Array, Array]:
    """Pairs (cluster, token) of the tokens of ``other`` within the reach of ``cluster``."""
    width = real.shape[1]
    points = places[other]
    own = _Boxes(boxes.low[cluster, None], boxes.high[cluster, None])
    near = real[other] & (_distance(own, _Boxes(points, points)) <= reach[cluster, None])
    row, column = np.nonzero(near)

    return cluster[row], other[row] * width + column


def _slices(count: int, step: int) -> Iterator[slice]:
    return (slice(first, first + step) for first in range(0, count, step))


def _pad(cluster: Array, token: Array, n_clusters: int) -> Halo:
    counts = np.bincount(cluster, minlength=n_clusters)
    width = -(-int(counts.max()) // _ROUND) * _ROUND
    column = np.arange(len(token)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.zeros((n_clusters, width), dtype=np.int64)
    valid = np.zeros((n_clusters, width), dtype=bool)
    keys[cluster, column], valid[cluster, column] = token, True

    return Halo(keys, valid)

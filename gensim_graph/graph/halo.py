"""Halo of the clusters: the tokens that any token of a cluster may attend to.

Attention has compact support: a token q sees the tokens within ``radius * h_q``. All tokens of a cluster share
one list of keys, those near its bounding box. A superset is fine, the smooth taper makes it exact.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.typing import Array

_ROUND = 8
"""Lists of keys are padded to a multiple of this, which the kernels like."""


@dataclass(frozen=True)
class Halo:
    """Keys of each cluster.

    Attributes:
        keys: (C, K) indices into the padded tokens, 0 where there is none.
        valid: (C, K) which of them are real.
    """

    keys: Array
    valid: Array


def find_halo(positions: Array, lengths: Array, valid: Array, cluster_tokens: int, radius: float) -> Halo:
    """Keys of each cluster.

    Args:
        positions: (T, 2) m, token centres in the padded order.
        lengths: (T,) m, length unit of each token; a token reaches ``radius`` times its own.
        valid: (T,) which tokens are real.
        cluster_tokens: tokens in a cluster.
        radius: reach of the attention in length units.
    """
    tokens = np.flatnonzero(valid)
    tree = cKDTree(positions[tokens])
    low, high, reach = _bounding_boxes(positions, lengths * radius, valid, cluster_tokens)
    centre, half = (low + high) / 2, (high - low) / 2
    near = tree.query_ball_point(centre, np.hypot(*half.T) + reach, return_sorted=True)
    counts = np.array([len(row) for row in near])
    cluster = np.repeat(np.arange(len(near)), counts)
    token = tokens[np.concatenate([np.asarray(row, dtype=np.int64) for row in near])]
    outside = np.maximum(np.abs(positions[token] - centre[cluster]) - half[cluster], 0)
    kept = np.hypot(*outside.T) <= reach[cluster]
    return _pad(cluster[kept], token[kept], len(near))


def _bounding_boxes(positions: Array, reach: Array, valid: Array, cluster_tokens: int) -> tuple[Array, Array, Array]:
    by_cluster = positions.reshape(-1, cluster_tokens, 2)
    real = valid.reshape(-1, cluster_tokens)
    low = np.where(real[..., None], by_cluster, np.inf).min(axis=1)
    high = np.where(real[..., None], by_cluster, -np.inf).max(axis=1)
    return low, high, np.where(real, reach.reshape(real.shape), 0).max(axis=1)


def _pad(cluster: Array, token: Array, n_clusters: int) -> Halo:
    counts = np.bincount(cluster, minlength=n_clusters)
    width = -(-int(counts.max()) // _ROUND) * _ROUND
    column = np.arange(len(token)) - np.repeat(np.cumsum(counts) - counts, counts)
    keys = np.zeros((n_clusters, width), dtype=np.int64)
    valid = np.zeros((n_clusters, width), dtype=bool)
    keys[cluster, column], valid[cluster, column] = token, True
    return Halo(keys, valid)

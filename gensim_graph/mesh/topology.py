"""Connectivity of padded polygons: half-edges, neighbours and boundaries, without loops over faces.

A half-edge is one side of one face, directed so that the face lies on its left (faces are counter-clockwise).
Two half-edges over the same pair of nodes make an interior edge; one alone is a boundary edge.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.typing import Array


@dataclass(frozen=True)
class FaceAdjacency:
    """Interior edges, each once.

    Attributes:
        faces: (A, 2) the two faces of an edge.
        edges: (A, 2) its two nodes, directed with the first face on the left.
        lengths: (A,) m.
    """

    faces: Array
    edges: Array
    lengths: Array

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class EdgeTable:
    """How the half-edges of a mesh pair up.

    Attributes:
        nodes: (H, 2) start and end node of every half-edge.
        faces: (H,) the face on its left.
        pairs: (A, 2) half-edges that share an interior edge, those of the lower face first.
        single: (E,) half-edges on the boundary.
        crowded: half-edges of edges with more than two faces, or with two on the same side; empty in a
            valid mesh.
    """

    nodes: Array
    faces: Array
    pairs: Array
    single: Array
    crowded: Array


def corner_counts(faces: Array) -> Array:
    """Number of corners of every face: (F, k) padded with -1 -> (F,)."""
    return np.count_nonzero(faces >= 0, axis=1)


def next_corners(faces: Array) -> Array:
    """Node that follows each corner around its face: (F, k) -> (F, k), -1 in the padding."""
    following = np.roll(faces, -1, axis=1)
    rows, last = np.arange(len(faces)), corner_counts(faces) - 1
    following[rows, last] = faces[:, 0]
    return np.where(faces >= 0, following, -1)


def half_edges(faces: Array) -> tuple[Array, Array]:
    """Half-edges in face order: node pairs (H, 2) and face (H,)."""
    valid = faces >= 0
    pairs = np.stack([faces[valid], next_corners(faces)[valid]], axis=1)
    return pairs, np.repeat(np.arange(len(faces)), corner_counts(faces))


def undirected_keys(pairs: Array, n_nodes: int) -> Array:
    """One integer for every pair of nodes, the same for both directions: (E, 2) -> (E,)."""
    return pairs.min(axis=1) * np.int64(n_nodes) + pairs.max(axis=1)


def edge_table(faces: Array, n_nodes: int) -> EdgeTable:
    """Pair the half-edges of a mesh; one sort, so H log H."""
    pairs, owners = half_edges(faces)
    keys = undirected_keys(pairs, n_nodes)
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    counts = np.diff(starts, append=len(keys))
    single = np.sort(order[starts[counts == 1]])
    twins = np.stack([order[starts[counts == 2]], order[starts[counts == 2] + 1]], axis=1)
    same_side = pairs[twins[:, 0], 0] == pairs[twins[:, 1], 0]
    many = order[np.repeat(counts > 2, counts)]
    crowded = np.sort(np.concatenate([many, twins[same_side].ravel()]))

    return EdgeTable(pairs, owners, twins[~same_side], single, crowded)


def find_pairs(pairs: Array, among: Array, n_nodes: int) -> Array:
    """Position of each node pair ``among`` others, in either direction: (E, 2), (B, 2) -> (E,), -1 where absent."""
    if len(among) == 0 or len(pairs) == 0:
        return np.full(len(pairs), -1)

    keys, known = undirected_keys(pairs, n_nodes), undirected_keys(among, n_nodes)
    order = np.argsort(known, kind="stable")
    place = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    found = order[place]

    return np.where(known[found] == keys, found, -1)


def fan_triangles(faces: Array) -> tuple[Array, Array]:
    """Polygons as triangles around their first corner: (T, 3) nodes and the face (T,) of each."""
    fans = [faces[:, [0, i, i + 1]] for i in range(1, faces.shape[1] - 1)]
    whole = [np.flatnonzero(fan[:, 2] >= 0) for fan in fans]
    return np.concatenate([fan[rows] for fan, rows in zip(fans, whole, strict=True)]), np.concatenate(whole)

"""Connectivity of polygons: half-edges, neighbours and boundaries, without loops over faces.

The faces of a mesh are the rows of one table, (F, k) node numbers, counter-clockwise. Faces with fewer than k corners
are padded with -1 at the end of their row.

A half-edge is one side of one face. It is directed so that the face lies on its left. Two half-edges over the same pair
of nodes form an interior edge; a half-edge without a partner is a boundary edge.
"""

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gensim_graph.typing import Array


@dataclass(frozen=True)
class FaceAdjacency:
    """Interior edges of a mesh, each listed once.

    Attributes:
        faces: (A, 2) the two faces that share the edge.
        edges: (A, 2) the two nodes of the edge, directed so that the first face lies on the left.
        lengths: (A,) m.
    """

    faces: Array
    edges: Array
    lengths: Array

    def __len__(self) -> int:
        return len(self.lengths)


@dataclass(frozen=True)
class EdgeTable:
    """All half-edges of a mesh, and how they pair up to edges.

    Attributes:
        nodes: (H, 2) start and end node of each half-edge.
        faces: (H,) the face on the left of each half-edge.
        pairs: (A, 2) numbers of the two half-edges of each interior edge, that of the lower face first.
        single: (E,) numbers of the half-edges on the boundary.
        crowded: numbers of the half-edges of edges that have more than two faces, or two faces on the same side;
            empty in a valid mesh.
    """

    nodes: Array
    faces: Array
    pairs: Array
    single: Array
    crowded: Array


def corner_counts(faces: Array) -> Array:
    """Number of corners of each face: (F, k) padded with -1 -> (F,)."""
    return np.count_nonzero(faces >= 0, axis=1)


def next_corners(faces: Array) -> Array:
    """Node that follows each corner counter-clockwise: (F, k) -> (F, k), -1 in the padding."""
    following = np.roll(faces, -1, axis=1)
    rows = np.arange(len(faces))
    following[rows, corner_counts(faces) - 1] = faces[:, 0]
    return np.where(faces >= 0, following, -1)


def previous_corners(faces: Array) -> Array:
    """Node before each corner, clockwise: (F, k) -> (F, k), -1 in the padding."""
    previous = np.roll(faces, 1, axis=1)
    rows = np.arange(len(faces))
    previous[:, 0] = faces[rows, corner_counts(faces) - 1]
    return np.where(faces >= 0, previous, -1)


def half_edges(faces: Array) -> tuple[Array, Array]:
    """Half-edges in the order of the faces: their node pairs (H, 2) and the face (H,) of each."""
    valid = faces >= 0
    pairs = np.stack([faces[valid], next_corners(faces)[valid]], axis=1)
    return pairs, np.repeat(np.arange(len(faces)), corner_counts(faces))


def undirected_keys(pairs: Array, n_nodes: int) -> Array:
    """One integer for each pair of nodes, the same for both directions of the pair.

    Args:
        pairs: (E, 2) node numbers.
        n_nodes: number of nodes of the mesh.

    Returns:
        (E,) int64.
    """
    return pairs.min(axis=1) * np.int64(n_nodes) + pairs.max(axis=1)


def edge_table(faces: Array, n_nodes: int) -> EdgeTable:
    """Pair the half-edges of a mesh. Takes one sort, so the cost is H log H.

    Args:
        faces: (F, k) node numbers, padded with -1.
        n_nodes: number of nodes of the mesh.
    """
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
    """Find pairs of nodes in a list of other pairs; the direction of a pair does not matter.

    Args:
        pairs: (E, 2) node numbers.
        among: (B, 2) node numbers, the list in which to search.
        n_nodes: number of nodes of the mesh.

    Returns:
        (E,) position of each pair in ``among``, -1 if it is absent.
    """
    if len(among) == 0 or len(pairs) == 0:
        return np.full(len(pairs), -1)

    keys, known = undirected_keys(pairs, n_nodes), undirected_keys(among, n_nodes)
    order = np.argsort(known, kind="stable")
    nearest = np.minimum(np.searchsorted(known[order], keys), len(known) - 1)
    found = order[nearest]

    return np.where(known[found] == keys, found, -1)


def connected_groups(pairs: Array, count: int) -> Array:
    """Group items that are linked to each other, directly or through other items.

    Args:
        pairs: (L, 2) numbers of linked items.
        count: number of items; an item without a link is a group of its own.

    Returns:
        (count,) number of the group of each item.
    """
    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])


def fan_triangles(faces: Array) -> tuple[Array, Array]:
    """Cut polygons into triangles around their first corner: nodes (T, 3) of each triangle, and its face (T,)."""
    fans = [faces[:, [0, i, i + 1]] for i in range(1, faces.shape[1] - 1)]
    whole = [np.flatnonzero(fan[:, 2] >= 0) for fan in fans]
    triangles = [fan[rows] for fan, rows in zip(fans, whole, strict=True)]
    return np.concatenate(triangles), np.concatenate(whole)

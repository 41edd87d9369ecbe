"""Merging of groups of faces to polygons.

The outline of a group consists of the half-edges with no other half-edge of the same group on their other side. In a
closed loop around the group, each of them begins where the previous one ends.
"""

import numpy as np

from gensim_graph.mesh.geometry import cross_2d
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import edge_table, half_edges, previous_corners, undirected_keys
from gensim_graph.typing import Array

_STRAIGHT = 1e-3  # radians: an outline that bends by less is straight; dropping the node changes an area by 1e-7


def merge_faces(mesh: Mesh, groups: Array) -> Mesh:
    """Merge each group of faces to one polygon; polygons are in the order of the group numbers.

    A group stays as single faces if its outline is not one simple loop: if it has a hole, or touches itself at a node.
    Nodes at which an outline is straight are dropped.

    Args:
        mesh: the mesh.
        groups: (F,) group number of each face, from 0 without gaps.
    """
    groups = _simple(mesh, groups)
    start, end, owner = _outline(mesh, groups)
    loops = _loops(start, end, owner, int(groups.max()) + 1)
    is_corner = _corners(mesh, loops)
    loops = _squeezed(np.where((loops >= 0) & is_corner[np.maximum(loops, 0)], loops, -1))

    return Mesh.from_faces(mesh.nodes, loops, mesh.crs, _boundaries(mesh, groups, loops), defects="raise")


def _simple(mesh: Mesh, groups: Array) -> Array:
    """Renumber groups (F,) so that each face of a group without a simple outline is a group of its own."""
    start, end, owner = _outline(mesh, groups)
    count = int(groups.max()) + 1
    visits = np.unique(np.stack([owner, start], axis=1), axis=0, return_counts=True)
    bad = np.zeros(count, dtype=bool)
    bad[visits[0][visits[1] > 1, 0]] = True  # touches itself at a node
    bad |= _loop_lengths(start, end, owner, count, ~bad) != np.bincount(owner, minlength=count)  # has holes
    is_split = bad[groups]

    return np.unique(np.where(is_split, count + np.arange(len(groups)), groups), return_inverse=True)[1]


def _outline(mesh: Mesh, groups: Array) -> tuple[Array, Array, Array]:
    """Half-edges of the outlines of all groups: start node, end node and group, (H,) each."""
    pairs, faces = half_edges(mesh.faces)
    owner = groups[faces]
    keys = undirected_keys(pairs, mesh.n_nodes)
    order = np.lexsort([owner, keys])
    same = (np.diff(keys[order]) == 0) & (np.diff(owner[order]) == 0)
    inner = np.zeros(len(keys), dtype=bool)
    inner[order[1:][same]] = inner[order[:-1][same]] = True

    return pairs[~inner, 0], pairs[~inner, 1], owner[~inner]


def _following(start: Array, end: Array, owner: Array, count: int) -> tuple[Array, Array]:
    """Next half-edge (H,) of the same group after each half-edge, and the first half-edge (count,) of each group."""
    keys = owner * (np.int64(start.max()) + 1) + start
    order = np.argsort(keys, kind="stable")
    wanted = owner * (np.int64(start.max()) + 1) + end
    following = order[np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)]
    by_owner = np.argsort(owner, kind="stable")

    return following, by_owner[np.searchsorted(owner[by_owner], np.arange(count))]


def _loop_lengths(start: Array, end: Array, owner: Array, count: int, some: Array) -> Array:
    """Number of half-edges in the loop through the first half-edge of some groups; 0 for the other groups.

    If the loop is shorter than the outline of the group, the rest of the outline surrounds holes.
    """
    following, first = _following(start, end, owner, count)
    lengths = np.zeros(count, dtype=np.int64)
    active = np.flatnonzero(some)
    here = first[active].copy()

    while len(active):
        lengths[active] += 1
        here = following[here]
        continues = (here != first[active]) & (lengths[active] <= len(start))
        active, here = active[continues], here[continues]

    return lengths


def _loops(start: Array, end: Array, owner: Array, count: int) -> Array:
    """Nodes around the outline of each group: (groups, k), padded with -1."""
    following, first = _following(start, end, owner, count)
    lengths = np.bincount(owner, minlength=count)
    loops = np.full((count, int(lengths.max())), -1, dtype=np.int64)
    here = first.copy()

    for corner in range(loops.shape[1]):
        inside = corner < lengths
        loops[inside, corner] = start[here[inside]]
        here = following[here]

    return loops


def _corners(mesh: Mesh, loops: Array) -> Array:
    """Return True for each node (N,) that must stay a corner.

    These are the nodes at which an outline bends, more than two outlines or boundaries meet, or the name of the
    boundary changes.
    """
    sides, _ = half_edges(loops)
    unique = np.unique(np.sort(sides, axis=1), axis=0)
    degree = np.bincount(unique.ravel(), minlength=mesh.n_nodes)
    is_corner = degree != 2

    before = previous_corners(loops)[loops >= 0]
    here, after = sides.T
    arriving, leaving = mesh.nodes[here] - mesh.nodes[before], mesh.nodes[after] - mesh.nodes[here]
    cross = np.abs(cross_2d(arriving, leaving))
    bends = cross > _STRAIGHT * np.linalg.norm(arriving, axis=1) * np.linalg.norm(leaving, axis=1)
    is_corner[here[bends]] = True

    return is_corner | _name_changes(mesh)


def _name_changes(mesh: Mesh) -> Array:
    """Return True for each node (N,) between two boundary edges with different names."""
    arriving = np.full(mesh.n_nodes, "", dtype=object)
    leaving = arriving.copy()
    leaving[mesh.boundary_edges[:, 0]] = mesh.boundary_kind
    arriving[mesh.boundary_edges[:, 1]] = mesh.boundary_kind
    return np.asarray(arriving != leaving)


def _squeezed(loops: Array) -> Array:
    """Move the nodes of each row (groups, k) to its beginning, and drop columns without nodes."""
    order = np.argsort(loops < 0, axis=1, kind="stable")
    rows = np.take_along_axis(loops, order, axis=1)
    return rows[:, : int((rows >= 0).sum(axis=1).max())]


def _boundaries(mesh: Mesh, groups: Array, loops: Array) -> dict[str, Array]:
    """Boundaries of the polygons: each side has the name of the boundary edge that begins at the same node."""
    table = edge_table(loops, mesh.n_nodes)
    edges, owner = table.nodes[table.single], table.faces[table.single]
    known = groups[mesh.boundary_faces] * np.int64(mesh.n_nodes) + mesh.boundary_edges[:, 0]
    order = np.argsort(known)
    found = order[np.searchsorted(known[order], owner * np.int64(mesh.n_nodes) + edges[:, 0])]
    kinds = mesh.boundary_kind[found]

    return {name: edges[kinds == name] for name in mesh.boundaries}

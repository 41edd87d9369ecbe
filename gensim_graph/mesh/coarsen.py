"""A coarser mesh of the same domain: neighbouring faces united to polygons.

Nothing moves: the polygons have the corners of their faces, the coast stays where it is, areas add up, and fields go
from one mesh to the other without loss of their integral. On a grid blocks of 2 x 2 cells are united, on other meshes
faces are paired with the neighbour across their longest side, and the pairs once more.
"""

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import edge_table, half_edges, undirected_keys
from gensim_graph.typing import Array

_STRAIGHT = 1e-3  # radians: where an outline bends by less, it goes straight on; what is cut off is 1e-7 of an area


def coarsen_mesh(mesh: Mesh, levels: int = 1) -> Mesh:
    """Unite about four faces to one, ``levels`` times.

    Groups are connected, so no face reaches across land. Polygons need not be convex. What cannot be united stays.

    Args:
        mesh: the mesh.
        levels: how often; each about doubles the spacing.

    Raises:
        InputError: fewer than one level, or a mesh that cannot get coarser.
    """
    if levels < 1:
        raise InputError(f"coarsening by {levels} levels: expected 1 or more; each about doubles the spacing")

    steps = [2**levels] if mesh.grid_shape is not None else [2] * levels
    for step in steps:
        groups = _blocks(mesh, step) if mesh.grid_shape is not None else _fours(mesh)
        coarse = united(mesh, groups)
        if coarse.n_faces == mesh.n_faces:
            raise InputError(f"the mesh of {mesh.n_faces} faces cannot get any coarser; choose fewer levels")
        mesh = coarse

    return mesh


def _blocks(mesh: Mesh, size: int) -> Array:
    """Group (F,) of every cell of a grid: its block of ``size`` x ``size`` cells, or the connected part of it."""
    assert mesh.grid_shape is not None
    assert mesh.grid_index is not None
    row, column = np.divmod(mesh.grid_index, mesh.grid_shape[1])
    block = (row // size) * mesh.grid_shape[1] + column // size
    pairs = mesh.adjacency.faces
    inside = pairs[block[pairs[:, 0]] == block[pairs[:, 1]]]
    links = coo_array((np.ones(len(inside)), inside.T), shape=(mesh.n_faces, mesh.n_faces))

    return np.asarray(connected_components(links, directed=False)[1])


def _fours(mesh: Mesh) -> Array:
    """Group (F,) of every face: a pair of pairs."""
    pairs, lengths = mesh.adjacency.faces, mesh.adjacency.lengths
    first = _joined(_paired(pairs, lengths, mesh.areas), pairs, mesh.areas)
    between, shared = _between(first[pairs], lengths)
    return _paired(between, shared, np.bincount(first, mesh.areas))[first]


def _paired(pairs: Array, lengths: Array, areas: Array) -> Array:
    """Match neighbours (A, 2) across long sides: the number (n,) of the pair of each, alone where all are taken.

    Of the sides left, those that are the best of both their ends are taken together, until there are none.
    """
    number, free = np.arange(len(areas)), np.ones(len(areas), dtype=bool)
    pairs = pairs[np.argsort(-lengths / np.sqrt(areas[pairs].sum(axis=1)), kind="stable")]

    while len(pairs):
        rank = np.arange(len(pairs))
        best = np.full(len(areas), len(pairs))
        np.minimum.at(best, pairs.ravel(), np.repeat(rank, 2))
        taken = pairs[(best[pairs] == rank[:, None]).all(axis=1)]
        number[taken[:, 1]] = taken[:, 0]
        free[taken] = False
        pairs = pairs[free[pairs].all(axis=1)]

    return np.unique(number, return_inverse=True)[1]


def _joined(number: Array, pairs: Array, areas: Array) -> Array:
    """What stayed alone joins the smallest pair beside it."""
    alone = np.bincount(number)[number] == 1
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[alone[both[:, 0]]]
    total = np.bincount(number, areas)[number]
    both = both[np.lexsort([total[both[:, 1]], both[:, 0]])]
    who, first = np.unique(both[:, 0], return_index=True)
    number = number.copy()
    number[who] = number[both[first, 1]]

    return np.unique(number, return_inverse=True)[1]


def _between(pairs: Array, lengths: Array) -> tuple[Array, Array]:
    """Sides between different groups, those of the same two merged."""
    across = pairs[:, 0] != pairs[:, 1]
    unique, inverse = np.unique(np.sort(pairs[across], axis=1), axis=0, return_inverse=True)
    return unique.reshape(-1, 2), np.bincount(inverse.ravel(), lengths[across], minlength=len(unique))


def united(mesh: Mesh, groups: Array) -> Mesh:
    """One polygon for each group of faces, in the order of the numbers.

    Groups whose outline is not one simple loop (with a hole, or pinched at a node) stay the faces that they are.
    """
    groups = _simple(mesh, groups)
    start, end, owner = _outline(mesh, groups)
    loops = _loops(start, end, owner, int(groups.max()) + 1)
    needed = _needed(mesh, loops)
    loops = _squeezed(np.where((loops >= 0) & needed[np.maximum(loops, 0)], loops, -1))

    return Mesh.from_faces(mesh.nodes, loops, mesh.crs, _names(mesh, groups, loops), defects="raise")


def _names(mesh: Mesh, groups: Array, loops: Array) -> dict[str, Array]:
    """Boundaries of the polygons: a side has the name of the edge that begins where it begins."""
    table = edge_table(loops, mesh.n_nodes)
    edges, owner = table.nodes[table.single], table.faces[table.single]
    known = groups[mesh.boundary_faces] * np.int64(mesh.n_nodes) + mesh.boundary_edges[:, 0]
    order = np.argsort(known)
    place = order[np.searchsorted(known[order], owner * np.int64(mesh.n_nodes) + edges[:, 0])]
    kinds = mesh.boundary_kind[place]

    return {name: edges[kinds == name] for name in mesh.boundaries}


def _outline(mesh: Mesh, groups: Array) -> tuple[Array, Array, Array]:
    """Half-edges that have no other of their group behind them: start, end, group."""
    pairs, faces = half_edges(mesh.faces)
    owner = groups[faces]
    keys = undirected_keys(pairs, mesh.n_nodes)
    order = np.lexsort([owner, keys])
    same = (np.diff(keys[order]) == 0) & (np.diff(owner[order]) == 0)
    inner = np.zeros(len(keys), dtype=bool)
    inner[order[1:][same]] = inner[order[:-1][same]] = True

    return pairs[~inner, 0], pairs[~inner, 1], owner[~inner]


def _simple(mesh: Mesh, groups: Array) -> Array:
    """Groups, those with an outline that is not one simple loop dissolved into their faces."""
    start, end, owner = _outline(mesh, groups)
    count = int(groups.max()) + 1
    visits = np.unique(np.stack([owner, start], axis=1), axis=0, return_counts=True)
    bad = np.zeros(count, dtype=bool)
    bad[visits[0][visits[1] > 1, 0]] = True  # pinched
    bad |= _loop_lengths(start, end, owner, count, ~bad) != np.bincount(owner, minlength=count)
    apart = bad[groups]

    return np.unique(np.where(apart, count + np.arange(len(groups)), groups), return_inverse=True)[1]


def _loop_lengths(start: Array, end: Array, owner: Array, count: int, some: Array) -> Array:
    """Length of the loop through the first half-edge of each of some groups; 0 for the others: the rest is holes."""
    following, first = _following(start, end, owner, count)
    lengths = np.zeros(count, dtype=np.int64)
    alive = np.flatnonzero(some)
    here = first[alive].copy()

    while len(alive):
        lengths[alive] += 1
        here = following[here]
        going = (here != first[alive]) & (lengths[alive] <= len(start))
        alive, here = alive[going], here[going]

    return lengths


def _following(start: Array, end: Array, owner: Array, count: int) -> tuple[Array, Array]:
    """Half-edge that begins where each ends, in the same group, and the first of every group."""
    keys = owner * (np.int64(start.max()) + 1) + start
    order = np.argsort(keys, kind="stable")
    wanted = owner * (np.int64(start.max()) + 1) + end
    following = order[np.minimum(np.searchsorted(keys[order], wanted), len(order) - 1)]
    by_owner = np.argsort(owner, kind="stable")

    return following, by_owner[np.searchsorted(owner[by_owner], np.arange(count))]


def _loops(start: Array, end: Array, owner: Array, count: int) -> Array:
    """Corners of every group around its outline: (groups, k), padded with -1."""
    following, first = _following(start, end, owner, count)
    lengths = np.bincount(owner, minlength=count)
    loops = np.full((count, int(lengths.max())), -1, dtype=np.int64)
    here = first.copy()

    for corner in range(loops.shape[1]):
        going = corner < lengths
        loops[going, corner] = start[here[going]]
        here = following[here]

    return loops


def _needed(mesh: Mesh, loops: Array) -> Array:
    """Which nodes are corners: those where more than two outlines or boundaries meet, or where one bends."""
    used = loops >= 0
    last = np.take_along_axis(loops, used.sum(axis=1, keepdims=True) - 1, axis=1)
    before = np.concatenate([last, loops[:, :-1]], axis=1)
    after = np.where(np.roll(used, -1, axis=1), np.roll(loops, -1, axis=1), loops[:, :1])
    after[:, -1] = loops[:, 0]
    sides = np.stack([loops[used], after[used]], axis=1)
    unique = np.unique(np.sort(sides, axis=1), axis=0)
    degree = np.bincount(unique.ravel(), minlength=mesh.n_nodes)
    one, two = (mesh.nodes[loops[used]] - mesh.nodes[before[used]], mesh.nodes[after[used]] - mesh.nodes[loops[used]])
    cross = np.abs(one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0])
    bends = cross > _STRAIGHT * np.linalg.norm(one, axis=1) * np.linalg.norm(two, axis=1)
    needed = degree != 2
    needed[loops[used][bends]] = True
    kinds = mesh.boundary_kind

    for end in (0, 1):  # a node at which the name of the boundary changes
        here = np.full(mesh.n_nodes, "", dtype=object)
        here[mesh.boundary_edges[:, end]] = kinds
        other = np.full(mesh.n_nodes, "", dtype=object)
        other[mesh.boundary_edges[:, 1 - end]] = kinds
        needed |= here != other

    return needed


def _squeezed(loops: Array) -> Array:
    order = np.argsort(loops < 0, axis=1, kind="stable")
    rows = np.take_along_axis(loops, order, axis=1)
    return rows[:, : int((rows >= 0).sum(axis=1).max())]

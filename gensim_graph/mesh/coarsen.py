"""Coarser meshes of the same domain: neighbouring faces are merged to polygons.

No node moves. Polygons keep the corners of their faces, so the coast stays where it is, the total area is conserved,
and fields can be remapped between both meshes without loss of their integral. On a grid, blocks of 2 x 2 cells are
merged. On other meshes, faces are paired with the neighbour across their longest side, and then the pairs are paired
once more.

This module chooses the groups of faces; :mod:`~gensim_graph.mesh.merge` builds the polygons.
"""

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.mesh.merge import merge_faces
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import connected_groups
from gensim_graph.typing import Array


def coarsen_mesh(mesh: Mesh, levels: int = 1) -> Mesh:
    """Merge about four faces to one, ``levels`` times.

    Only connected faces are merged, so no polygon reaches across land. Polygons need not be convex. Faces that cannot
    be merged stay as they are.

    Args:
        mesh: the mesh.
        levels: number of times; each time about doubles the spacing.

    Raises:
        InputError: ``levels`` is less than 1, or the mesh cannot become coarser.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.mesh import coarsen_mesh
        >>> axis = np.arange(8) * 1000.0
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> coarse = coarsen_mesh(mesh)
        >>> mesh.n_faces, coarse.n_faces
        (64, 16)
        >>> float(coarse.spacing[0]), float(coarse.areas.sum())
        (2000.0, 64000000.0)
    """
    if levels < 1:
        raise InputError(f"coarsening by {levels} levels: expected 1 or more; each about doubles the spacing")

    steps = [2**levels] if mesh.grid_shape is not None else [2] * levels
    for step in steps:
        groups = _blocks(mesh, step) if mesh.grid_shape is not None else _fours(mesh)
        coarse = merge_faces(mesh, groups)
        if coarse.n_faces == mesh.n_faces:
            raise InputError(f"the mesh of {mesh.n_faces} faces cannot get any coarser; choose fewer levels")
        mesh = coarse

    return mesh


def _blocks(mesh: Mesh, size: int) -> Array:
    """Group (F,) of each cell of a grid: the connected part of its block of ``size`` x ``size`` cells."""
    assert mesh.grid_shape is not None
    assert mesh.grid_index is not None

    row, column = np.divmod(mesh.grid_index, mesh.grid_shape[1])
    block = (row // size) * mesh.grid_shape[1] + column // size
    pairs = mesh.adjacency.faces
    inside = pairs[block[pairs[:, 0]] == block[pairs[:, 1]]]

    return connected_groups(inside, mesh.n_faces)


def _fours(mesh: Mesh) -> Array:
    """Group (F,) of each face: pairs of faces, paired once more."""
    pairs, lengths = mesh.adjacency.faces, mesh.adjacency.lengths
    first = _joined(_paired(pairs, lengths, mesh.areas), pairs, mesh.areas)
    between, shared = _between(first[pairs], lengths)
    return _paired(between, shared, np.bincount(first, mesh.areas))[first]


def _paired(pairs: Array, lengths: Array, areas: Array) -> Array:
    """Match neighbours across long sides.

    Sides are ranked by their length over the square root of the area on both sides. In each round, all sides are chosen
    that are the best one left for both of their faces.

    Args:
        pairs: (A, 2) neighbours.
        lengths: (A,) length of their common side, m.
        areas: (n,) area of each face, m2.

    Returns:
        (n,) number of the pair of each face; a face that finds no partner has a number of its own.
    """
    number, free = np.arange(len(areas)), np.ones(len(areas), dtype=bool)
    pairs = pairs[np.argsort(-lengths / np.sqrt(areas[pairs].sum(axis=1)), kind="stable")]

    while len(pairs):
        rank = np.arange(len(pairs))
        best = np.full(len(areas), len(pairs))
        np.minimum.at(best, pairs.ravel(), np.repeat(rank, 2))
        chosen = pairs[(best[pairs] == rank[:, None]).all(axis=1)]
        number[chosen[:, 1]] = chosen[:, 0]
        free[chosen] = False
        pairs = pairs[free[pairs].all(axis=1)]

    return np.unique(number, return_inverse=True)[1]


def _joined(number: Array, pairs: Array, areas: Array) -> Array:
    """Add each face without a partner to the smallest pair beside it.

    Args:
        number: (F,) number of the pair of each face.
        pairs: (A, 2) neighbours.
        areas: (F,) area of each face, m2.

    Returns:
        (F,) number of the group of each face.
    """
    is_single = np.bincount(number)[number] == 1
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[is_single[both[:, 0]]]
    total = np.bincount(number, areas)[number]
    both = both[np.lexsort([total[both[:, 1]], both[:, 0]])]
    single, first = np.unique(both[:, 0], return_index=True)
    number = number.copy()
    number[single] = number[both[first, 1]]

    return np.unique(number, return_inverse=True)[1]


def _between(pairs: Array, lengths: Array) -> tuple[Array, Array]:
    """Pairs of different groups that touch (B, 2), and the total length (B,) of the sides between them.

    Args:
        pairs: (A, 2) groups on both sides of each interior edge.
        lengths: (A,) m.
    """
    across = pairs[:, 0] != pairs[:, 1]
    unique, inverse = np.unique(np.sort(pairs[across], axis=1), axis=0, return_inverse=True)
    return unique.reshape(-1, 2), np.bincount(inverse.ravel(), lengths[across], minlength=len(unique))

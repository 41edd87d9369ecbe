"""Meshes of cells that each have corners of their own.

Cells are rows of node numbers, and several numbers may stand for the same point: in files that store four corners for
each cell, in grids that close around the globe, in rings of cells that meet at a pole. Corners at the same point become
one node, so that neighbours share their nodes. Land cells are left out.
"""

import logging
from dataclasses import dataclass

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays, assemble, named_boundaries
from gensim_graph.mesh.geometry import close_pairs, signed_areas
from gensim_graph.mesh.planes import drawable, project
from gensim_graph.mesh.topology import (
    connected_groups,
    corner_counts,
    edge_table,
    half_edges,
    next_corners,
    undirected_keys,
)
from gensim_graph.mesh.validity import first_few, reversed_faces
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CornerCells:
    """Cells of a file, before they become a mesh.

    Attributes:
        nodes: (N, 3) unit vectors, or (N, 2) m in the plane; NaN where the file has no coordinates.
        faces: (F, k) node numbers, padded with -1; any winding.
        ocean: (F,) True for the cells of the model. The other cells are land; next to them a boundary is a coast.
        tolerance: nodes closer than this are merged, in the unit of ``nodes``.
    """

    nodes: Array
    faces: Array
    ocean: Array
    tolerance: float


def arrays_of_cells(cells: CornerCells, crs: CRS | None) -> tuple[MeshArrays, Array]:
    """Build a mesh of the ocean cells in the plane of ``crs``.

    Cells that the plane cannot show (around the point opposite its centre) are left out, which is logged.

    Boundary edges next to land are named ``coast``, the others ``open``. If there is no land, edges next to cells that
    were left out are ``open`` and the others ``coast``. With neither, edges have no names.

    Args:
        cells: the cells.
        crs: the plane; may be None for nodes that are in a plane already.

    Returns:
        The mesh, and the row (F',) of ``cells.faces`` for each face of the mesh.

    Raises:
        InputError: nodes are on the globe and ``crs`` is None, no ocean cell is left, or the cells overlap.
    """
    faces = merge_close_nodes(cells.nodes, cells.faces, cells.tolerance)
    whole = (corner_counts(faces) >= 3) & _finite(cells.nodes, faces)
    shown = whole & cells.ocean
    plane = cells.nodes

    if cells.nodes.shape[1] == 3:
        if crs is None:
            raise InputError("coordinates in degrees need a plane: crs=")
        plane = project(cells.nodes, crs)
        shown[shown] = drawable(cells.nodes, plane, faces[shown])

    lost = whole & cells.ocean & ~shown
    if lost.any():
        log.warning("left out %d cells that the plane cannot show: %s", lost.sum(), first_few(np.flatnonzero(lost)))

    rows = np.flatnonzero(shown)
    if len(rows) == 0:
        raise InputError("no ocean cell with coordinates is left; check the mask (1 = ocean) and the crs")

    boundaries = _boundaries(faces[rows], faces[~cells.ocean], faces[lost], len(plane))
    plane = np.where(np.isfinite(plane), plane, 0.0)  # only nodes that no face uses are not finite
    table = faces[rows]

    if np.median(signed_areas(plane, table)) < 0:
        table = reversed_faces(table)

    return assemble(plane, table, crs, boundaries, defects="refuse"), rows


def _boundaries(water: Array, land: Array, lost: Array, n_nodes: int) -> dict[str, Array]:
    """Name the boundary edges of the ocean cells as :func:`arrays_of_cells` describes."""
    if len(land) == 0 and len(lost) == 0:
        return {}

    table = edge_table(water, n_nodes)
    edges = table.nodes[table.single]
    keys = undirected_keys(edges, n_nodes)
    is_coast = np.isin(keys, _edge_keys(land, n_nodes)) if len(land) else ~np.isin(keys, _edge_keys(lost, n_nodes))

    return named_boundaries(edges, is_coast, ~is_coast)


def _edge_keys(faces: Array, n_nodes: int) -> Array:
    """Keys of all edges of some faces (F, k)."""
    return undirected_keys(half_edges(faces)[0], n_nodes)


def merge_close_nodes(nodes: Array, faces: Array, tolerance: float) -> Array:
    """Merge nodes at the same point, and return the faces with the new node numbers.

    If two corners of a face that follow each other become the same node, one of them is dropped.

    Args:
        nodes: (N, d) coordinates in any unit, NaN where unknown.
        faces: (F, k) node numbers, padded with -1.
        tolerance: nodes closer than this are merged, in the unit of ``nodes``.

    Returns:
        (F, k) node numbers, padded with -1: of merged nodes the lowest number.
    """
    known = np.flatnonzero(np.isfinite(nodes).all(axis=1))
    pairs = close_pairs(nodes[known], tolerance)
    if len(pairs) == 0:
        return faces

    group = connected_groups(pairs, len(known))
    number = np.arange(len(nodes))
    number[known] = known[np.unique(group, return_index=True)[1][group]]

    return _without_repeats(np.where(faces >= 0, number[faces], -1))


def _without_repeats(faces: Array) -> Array:
    """Drop corners (F, k) that are the same node as the next corner of their face."""
    keep = (faces >= 0) & (faces != next_corners(faces))
    if np.array_equal(keep, faces >= 0):
        return faces

    order = np.argsort(~keep, axis=1, kind="stable")
    return np.take_along_axis(np.where(keep, faces, -1), order, axis=1)


def _finite(nodes: Array, faces: Array) -> Array:
    """Return True for each face (F,) if all of its corners have coordinates."""
    finite = np.isfinite(nodes).all(axis=1)
    return np.asarray(np.where(faces >= 0, finite[faces], True).all(axis=1))

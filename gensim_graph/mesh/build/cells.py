"""From cells with corners of their own to a mesh: corners that coincide become one node, seams close, land goes.

CornerCells come as rows of node numbers, several of which may name the same place: files with four corners for every cell,
grids that close in a ring, rings of cells that meet in a pole.
"""

import logging
from dataclasses import dataclass

import numpy as np
from pyproj import CRS
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays, assemble
from gensim_graph.mesh.geometry import signed_areas
from gensim_graph.mesh.planes import drawable, project
from gensim_graph.mesh.topology import corner_counts, edge_table, half_edges, next_corners, undirected_keys
from gensim_graph.mesh.validity import first_few, reversed_faces
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CornerCells:
    """CornerCells of a file before they are a mesh.

    Attributes:
        nodes: (N, 3) unit vectors, or (N, 2) m in the plane; NaN where the file has none.
        faces: (F, k) node numbers, padded with -1; any winding.
        ocean: (F,) which cells the model has; the others, land, tell a coast from the rim of the data.
        tolerance: nodes closer than this are one, in the unit of ``nodes``.
    """

    nodes: Array
    faces: Array
    ocean: Array
    tolerance: float


def arrays_of_cells(cells: CornerCells, crs: CRS | None) -> tuple[MeshArrays, Array]:
    """The ocean cells as a mesh in the plane of ``crs``, and the row (F',) of ``cells.faces`` of each of its faces.

    CornerCells that the plane cannot show (around the point opposite its centre) are left out, which is logged. Where there
    is land, boundary edges are ``coast`` next to it and ``open`` where the data end; without land they have no names,
    unless cells were left out: there they are ``open``, elsewhere ``coast``.

    Raises:
        InputError: no ocean cell is left, or the cells overlap.
    """
    faces = welded(cells.nodes, cells.faces, cells.tolerance)
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

    boundaries = _boundaries(faces[rows], faces[whole & ~cells.ocean], faces[lost], len(plane))
    plane = np.where(np.isfinite(plane), plane, 0.0)  # of nodes that no face uses
    table = faces[rows]

    if np.median(signed_areas(plane, table)) < 0:
        table = reversed_faces(table)

    return assemble(plane, table, crs, boundaries, defects="raise"), rows


def _boundaries(water: Array, land: Array, lost: Array, n_nodes: int) -> dict[str, Array]:
    """Boundary edges of the water: ``coast`` next to land, else ``open``; without land only where cells were lost."""
    if len(land) == 0 and len(lost) == 0:
        return {}

    table = edge_table(water, n_nodes)
    edges = table.nodes[table.single]
    touches = [np.isin(undirected_keys(edges, n_nodes), _edge_keys(faces, n_nodes)) for faces in (land, lost)]
    is_coast = touches[0] if len(land) else ~touches[1]
    found = {"coast": edges[is_coast], "open": edges[~is_coast]}

    return {name: pairs for name, pairs in found.items() if len(pairs)}


def _edge_keys(faces: Array, n_nodes: int) -> Array:
    return undirected_keys(half_edges(faces)[0], n_nodes)


def welded(nodes: Array, faces: Array, tolerance: float) -> Array:
    """Faces over one node for each place; corners that fall together are dropped: (F, k) -> (F, k), padded with -1."""
    known = np.flatnonzero(np.isfinite(nodes).all(axis=1))
    pairs = cKDTree(nodes[known]).query_pairs(tolerance, output_type="ndarray")
    if len(pairs) == 0:
        return faces

    links = coo_array((np.ones(len(pairs)), pairs.T), shape=(len(known), len(known)))
    group = connected_components(links, directed=False)[1]
    number = np.arange(len(nodes))
    number[known] = known[np.unique(group, return_index=True)[1][group]]

    return _without_repeats(np.where(faces >= 0, number[faces], -1))


def _without_repeats(faces: Array) -> Array:
    keep = (faces >= 0) & (faces != next_corners(faces))
    if np.array_equal(keep, faces >= 0):
        return faces
    order = np.argsort(~keep, axis=1, kind="stable")
    return np.take_along_axis(np.where(keep, faces, -1), order, axis=1)


def _finite(nodes: Array, faces: Array) -> Array:
    finite = np.isfinite(nodes).all(axis=1)
    return np.asarray(np.where(faces >= 0, finite[faces], True).all(axis=1))

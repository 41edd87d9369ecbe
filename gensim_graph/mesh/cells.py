"""From cells with corners of their own to a mesh: corners that coincide become one node, seams close, land goes.

Cells come as rows of node numbers, several of which may name the same place: files with four corners for every cell,
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
from gensim_graph.mesh.geometry import signed_areas
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.plane import drawable, project
from gensim_graph.mesh.topology import corner_counts, edge_table, next_corners, undirected_keys
from gensim_graph.mesh.validity import first_few, reversed_faces
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cells:
    """Cells of a file before they are a mesh.

    Attributes:
        nodes: (N, 3) unit vectors, or (N, 2) m in the plane; NaN where the file has none.
        faces: (F, k) node numbers, padded with -1; any winding.
        ocean: (F,) which cells the model has; the others tell a coast from the rim of the data.
        tolerance: nodes closer than this are one, in the unit of ``nodes``.
    """

    nodes: Array
    faces: Array
    ocean: Array
    tolerance: float


def mesh_of_cells(cells: Cells, crs: CRS | None) -> tuple[Mesh, Array]:
    """The ocean cells as a mesh in the plane of ``crs``, and the row (F',) of ``cells.faces`` of each of its faces.

    Cells that the plane cannot show (around the point opposite its centre) are left out, which is logged. Where there
    is land, boundary edges are ``coast`` next to it and ``open`` where the data end.

    Raises:
        InputError: no ocean cell is left, or the cells overlap.
    """
    round_earth = cells.nodes.shape[1] == 3
    faces = welded(cells.nodes, cells.faces, cells.tolerance)
    whole = corner_counts(faces) >= 3
    plane = cells.nodes
    if round_earth:
        if crs is None:
            raise InputError("coordinates in degrees need a plane: crs=")
        plane = project(cells.nodes, crs)
        shown = np.zeros(len(faces), dtype=bool)
        shown[whole] = drawable(cells.nodes, plane, faces[whole])
        lost = np.flatnonzero(whole & ~shown & cells.ocean)
        if len(lost):
            log.warning("left out %d cells that the plane cannot show: %s", len(lost), first_few(lost))
        whole &= shown
    whole &= _finite(plane, faces)
    rows = np.flatnonzero(whole & cells.ocean)
    if len(rows) == 0:
        raise InputError("no ocean cell with coordinates is left; check the mask (1 = ocean) and the crs")
    boundaries = coast_and_rim(faces, whole, cells.ocean, len(plane))
    table = faces[rows]
    plane = np.where(np.isfinite(plane), plane, 0.0)  # of nodes that no face uses
    if np.median(signed_areas(plane, table)) < 0:
        table = reversed_faces(table)
    return Mesh.from_faces(plane, table, crs, boundaries, defects="raise"), rows


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
    return np.where(faces >= 0, finite[faces], True).all(axis=1)


def coast_and_rim(faces: Array, whole: Array, ocean: Array, n_nodes: int) -> dict[str, Array]:
    """Boundary edges of the ocean: ``coast`` where land lies beyond, ``open`` where nothing does; none without land."""
    if ocean[whole].all():
        return {}
    everything = edge_table(faces[whole], n_nodes)
    water = edge_table(faces[whole & ocean], n_nodes)
    edges = water.nodes[water.single]
    rim = np.isin(undirected_keys(edges, n_nodes), undirected_keys(everything.nodes[everything.single], n_nodes))
    named = {"coast": edges[~rim], "open": edges[rim]}
    return {name: pairs for name, pairs in named.items() if len(pairs)}

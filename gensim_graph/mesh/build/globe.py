"""Meshes that are given by nodes and the faces over them, on the globe or in a plane: FESOM, MPAS, UGRID."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyproj import CRS

from gensim_graph.mesh.build.arrays import MeshArrays, assemble
from gensim_graph.mesh.planes import choose_plane, drawable, project
from gensim_graph.mesh.topology import edge_table, undirected_keys
from gensim_graph.mesh.validity import Defects, checked_faces, first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawing:
    """Nodes and faces of a file in a plane.

    Attributes:
        points: (N, 2) m, 0 where the plane does not reach.
        faces: (F, k) node numbers counted from 0, padded with -1.
        plane: the plane, or None for an idealised one.
        shown: (F,) which faces it shows as they are.
        vectors: (N, 3) directions of the nodes, where the file has longitude and latitude.
    """

    points: Array
    faces: Array
    plane: CRS | None
    shown: Array
    vectors: Array | None = None


def on_plane(points: Array, faces: Array, plane: CRS | None) -> Drawing:
    """Nodes (N, 2) that are in a plane already.

    Raises:
        InputError: faces that are no table of node numbers.
    """
    faces = checked_faces(faces, len(points))
    return Drawing(points, faces, plane, np.ones(len(faces), dtype=bool))


def from_globe(vectors: Array, faces: Array, crs: CRS | None) -> Drawing:
    """Nodes in directions (N, 3) in a plane, which is chosen from the extent if ``crs`` is None.

    Faces that it cannot show are logged: a globe loses the one opposite the centre of the plane.

    Raises:
        InputError: faces that are no table of node numbers, or ``crs`` is no projection in metres.
    """
    faces = checked_faces(faces, len(vectors))
    plane = crs or choose_plane(vectors[np.unique(faces[faces >= 0])])
    points = project(vectors, plane)
    shown = drawable(vectors, points, faces)
    lost = np.flatnonzero(~shown)

    if len(lost):
        log.warning("left out %d faces that the plane cannot show: %s", len(lost), first_few(lost))

    return Drawing(np.where(np.isfinite(points), points, 0.0), faces, plane, shown, vectors)


def arrays_of_drawing(
    drawing: Drawing, defects: Defects = "raise", boundaries: Mapping[str, Array] | None = None
) -> MeshArrays:
    """The mesh of a drawing.

    Args:
        drawing: nodes and faces.
        defects: see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.
        boundaries: name -> (E, 2) pairs of the file's nodes. By default there are no names, unless faces were left out:
            there the boundary is ``open``, elsewhere ``coast``.

    Raises:
        InputError: what is not a mesh.
    """
    if boundaries is None and not drawing.shown.all():
        edges, goes_on = rim(drawing)
        boundaries = named_boundaries(edges, ~goes_on, goes_on)
    return assemble(drawing.points, drawing.faces[drawing.shown], drawing.plane, boundaries, defects)


def rim(drawing: Drawing) -> tuple[Array, Array]:
    """Boundary edges (E, 2), pairs of the file's nodes, and at which of them (E,) a face was left out."""
    n_nodes = len(drawing.points)
    table = edge_table(drawing.faces[drawing.shown], n_nodes)
    edges = table.nodes[table.single]
    beyond = edge_table(drawing.faces[~drawing.shown], n_nodes).nodes
    return edges, np.isin(undirected_keys(edges, n_nodes), undirected_keys(beyond, n_nodes))


def named_boundaries(edges: Array, is_coast: Array, is_open: Array) -> dict[str, Array]:
    """Boundaries from edges (E, 2) and which of them (E,) are what; a name without edges is left out."""
    found = {"coast": edges[is_coast], "open": edges[is_open]}
    return {name: pairs for name, pairs in found.items() if len(pairs)}

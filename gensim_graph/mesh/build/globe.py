"""Meshes given by nodes and the faces over them, on the globe or in a plane: FESOM, MPAS, UGRID.

A :class:`Drawing` holds such nodes and faces in a plane, with a mark on the faces that the plane cannot show.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from pyproj import CRS

from gensim_graph.mesh.build.arrays import MeshArrays, assemble, named_boundaries
from gensim_graph.mesh.planes import choose_plane, drawable, project
from gensim_graph.mesh.topology import edge_table, half_edges, undirected_keys
from gensim_graph.mesh.validity import Defects, checked_faces, first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Drawing:
    """Nodes and faces of a file in a plane.

    Attributes:
        points: (N, 2) m, 0 where the projection is not defined.
        faces: (F, k) node numbers counted from 0, padded with -1.
        plane: the plane, or None for an idealised one.
        shown: (F,) True for faces that the plane shows correctly.
        vectors: (N, 3) directions of the nodes if the file has longitude and latitude, else None.
    """

    points: Array
    faces: Array
    plane: CRS | None
    shown: Array
    vectors: Array | None = None


def on_plane(points: Array, faces: Array, plane: CRS | None) -> Drawing:
    """Build a drawing of nodes that are in a plane already.

    Args:
        points: (N, 2) m.
        faces: (F, k) node numbers counted from 0, padded with -1.
        plane: the plane, or None for an idealised one.

    Raises:
        InputError: faces are not a table of node numbers.
    """
    faces = checked_faces(faces, len(points))
    return Drawing(points, faces, plane, np.ones(len(faces), dtype=bool))


def from_globe(vectors: Array, faces: Array, crs: CRS | None) -> Drawing:
    """Project nodes on the globe to a plane.

    Faces that the plane cannot show are logged. In a mesh of the whole globe, this is the face opposite the centre of
    the plane.

    Args:
        vectors: (N, 3) directions of the nodes.
        faces: (F, k) node numbers counted from 0, padded with -1.
        crs: the plane; None chooses one from the extent of the faces.

    Raises:
        InputError: faces are not a table of node numbers, or ``crs`` is not a projection in metres.
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
    """Build a mesh of the faces of a drawing that its plane shows.

    Args:
        drawing: nodes and faces.
        defects: treatment of defects, see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.
        boundaries: name -> (E, 2) pairs of node numbers of the file. By default, edges next to faces that the plane
            cannot show are ``open`` and the others ``coast``; without such faces, edges have no names.

    Raises:
        InputError: the arrays do not form a mesh.
    """
    if boundaries is None and not drawing.shown.all():
        edges, is_open = rim(drawing)
        boundaries = named_boundaries(edges, ~is_open, is_open)

    return assemble(drawing.points, drawing.faces[drawing.shown], drawing.plane, boundaries, defects)


def rim(drawing: Drawing) -> tuple[Array, Array]:
    """Find the boundary edges of the faces that are shown.

    Returns:
        (E, 2) pairs of node numbers of the file, and (E,) True for edges next to a face that is left out.
    """
    n_nodes = len(drawing.points)
    table = edge_table(drawing.faces[drawing.shown], n_nodes)
    edges = table.nodes[table.single]
    left_out = half_edges(drawing.faces[~drawing.shown])[0]

    return edges, np.isin(undirected_keys(edges, n_nodes), undirected_keys(left_out, n_nodes))

"""How a mesh relates to the file that it was read from: where its faces and nodes lie, and what vectors mean there."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.build import Drawing
from gensim_graph.mesh.planes import Frame, east_north, east_north_at, lonlat, plane_axes
from gensim_graph.typing import Array


@dataclass(frozen=True)
class FilePlaces:
    """The faces of a mesh, or its nodes, in a file.

    Attributes:
        dims: dimensions of the file along which they lie.
        index: (P,) flat position of each along these dimensions.
        axes: axes of vectors of which the file does not say more than x and y.
        compass: east and north, or None where the plane of the mesh is unknown.
    """

    dims: tuple[str, ...]
    index: Array
    axes: Frame
    compass: Frame | None


@dataclass(frozen=True)
class FileMesh:
    """A mesh and where the file keeps what lies on it.

    Attributes:
        mesh: the mesh.
        faces: its faces, one for each.
        nodes: its nodes, or None where the file has values of cells only.
    """

    mesh: Mesh
    faces: FilePlaces
    nodes: FilePlaces | None = None


def place_in_file(mesh: Mesh, drawing: Drawing, dims: tuple[str, str]) -> FileMesh:
    """A mesh, read with ``defects="raise"``, and where its faces and nodes lie in the file; they keep their order.

    Vectors of a file in longitude and latitude lie along east and north, others along the axes of the plane.

    Args:
        mesh: the mesh of the drawing.
        drawing: what was read.
        dims: dimensions of faces and nodes in the file.
    """
    corners = drawing.faces[drawing.shown]
    nodes = np.unique(corners[corners >= 0])
    at_faces = at_nodes = None

    if mesh.crs is not None:
        at_faces, at_nodes = east_north(mesh.centres, mesh.crs), east_north(mesh.nodes, mesh.crs)
        if drawing.vectors is not None:  # a node on a pole has a longitude there
            at_nodes = east_north_at(*lonlat(drawing.vectors[nodes]), mesh.crs)

    geographic = drawing.vectors is not None
    face_axes = at_faces if geographic and at_faces else plane_axes(mesh.n_faces)
    node_axes = at_nodes if geographic and at_nodes else plane_axes(mesh.n_nodes)

    return FileMesh(
        mesh,
        FilePlaces((dims[0],), np.flatnonzero(drawing.shown), face_axes, at_faces),
        FilePlaces((dims[1],), nodes, node_axes, at_nodes),
    )

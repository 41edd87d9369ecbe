"""A mesh together with the layout of the file that it was read from.

Readers of fields need more than the mesh: where the value of each face and node lies in the arrays of the file, and
along which directions the file gives the two components of a vector. :class:`FileMesh` keeps both.
"""

from dataclasses import dataclass

import numpy as np

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.build import Drawing
from gensim_graph.mesh.planes import Frame, east_north, east_north_at, lonlat, plane_axes
from gensim_graph.typing import Array


@dataclass(frozen=True)
class FilePositions:
    """Positions of the faces of a mesh, or of its nodes, in the arrays of a file, and the directions of vectors there.

    Attributes:
        dims: dimensions of the file that hold the faces (or nodes).
        index: (P,) flat index of each face (or node) along ``dims``.
        axes: directions of the two components of a vector whose attributes do not name them.
        east_north: directions of the two components of a vector that is given as eastward and northward; None where
            the plane of the mesh is not known.
    """

    dims: tuple[str, ...]
    index: Array
    axes: Frame
    east_north: Frame | None


@dataclass(frozen=True)
class OffCentre:
    """A field of a staggered grid, whose values lie on the sides or corners of the cells.

    Attributes:
        name: its name in the file.
        dims: its dimensions of rows and columns.
        cell_dims: dimensions of the rows and columns of the cells.
        cells: number of rows and columns of the cells.
        shift: position of a value relative to the cell with the same numbers, in rows and columns: -0.5, 0 or 0.5.
        shared: number of columns at the end that repeat those at the start, if the grid closes around the globe; None
            if it does not.
    """

    name: str
    dims: tuple[str, str]
    cell_dims: tuple[str, str]
    cells: tuple[int, int]
    shift: tuple[float, float]
    shared: int | None = None


@dataclass(frozen=True)
class FileMesh:
    """A mesh and the positions of its faces and nodes in the file.

    Attributes:
        mesh: the mesh.
        faces: positions of its faces.
        nodes: positions of its nodes; None where the file has values of cells only.
        off_centre: fields that are averaged to the cells when they are read.
    """

    mesh: Mesh
    faces: FilePositions
    nodes: FilePositions | None = None
    off_centre: tuple[OffCentre, ...] = ()


def locate_in_file(mesh: Mesh, drawing: Drawing, face_dim: str, node_dim: str) -> FileMesh:
    """Find the faces and nodes of a mesh in its file.

    The mesh must have been built with ``defects="refuse"``, so that its faces and nodes are in the order of the file.
    Vectors of a file in longitude and latitude point east and north, those of other files along the axes of the plane.

    Args:
        mesh: mesh built from the drawing.
        drawing: nodes and faces as read from the file.
        face_dim: dimension of the faces in the file.
        node_dim: dimension of the nodes in the file.
    """
    corners = drawing.faces[drawing.shown]
    nodes = np.unique(corners[corners >= 0])
    face_east_north = node_east_north = None

    if mesh.crs is not None:
        face_east_north = east_north(mesh.centres, mesh.crs)
        node_east_north = east_north(mesh.nodes, mesh.crs)
        if drawing.vectors is not None:  # a node on a pole has a longitude in the file, but not in the plane
            node_east_north = east_north_at(*lonlat(drawing.vectors[nodes]), mesh.crs)

    is_geographic = drawing.vectors is not None
    face_axes = face_east_north if is_geographic and face_east_north else plane_axes(mesh.n_faces)
    node_axes = node_east_north if is_geographic and node_east_north else plane_axes(mesh.n_nodes)

    return FileMesh(
        mesh,
        FilePositions((face_dim,), np.flatnonzero(drawing.shown), face_axes, face_east_north),
        FilePositions((node_dim,), nodes, node_axes, node_east_north),
    )

"""How a mesh relates to the file that it was read from: where its faces and nodes lie, and what vectors mean there."""

from dataclasses import dataclass

from gensim_graph.mesh.frame import Frame
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Places:
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
    faces: Places
    nodes: Places | None = None

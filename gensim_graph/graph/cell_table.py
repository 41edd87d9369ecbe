"""Table of cells: the part of a mesh that the graph needs, namely centres, areas, shared edges and the boundary.

Four cells that form a token at one coarsening level become one cell of the next level: its area is their sum, its
centre their area-weighted mean, and its edges are those shared with other groups. A coarse level is therefore again a
table of cells, and all later steps treat every resolution in the same way.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


@dataclass(frozen=True)
class CellTable:
    """Centres and areas of F cells, and the A edges between them.

    Attributes:
        centres: (F, 2) m, in the frame of the mesh.
        areas: (F,) m2.
        pairs: (A, 2) cells that share an edge; each pair is listed once.
        edge_lengths: (A,) m, length of the shared edge.
        boundary: (F, 4) m, boundary edges of each cell: length of coast, length of open boundary, and x and y component
            of the sum over its coast edges of length times outward normal (a vector in the frame of the mesh).
    """

    centres: Array
    areas: Array
    pairs: Array
    edge_lengths: Array
    boundary: Array

    @classmethod
    def from_mesh(cls, mesh: Mesh) -> "CellTable":
        """Take the faces of a mesh as cells."""
        adjacency = mesh.adjacency
        return cls(mesh.centres, mesh.areas, adjacency.faces, adjacency.lengths, _boundary_edges(mesh))

    @property
    def spacing(self) -> Array:
        """(F,) m, square root of the area."""
        return np.sqrt(self.areas)

    def restriction(self, groups: Array) -> sparse.csr_array:
        """Return the matrix (G, F) that averages over groups, weighted by area; it conserves the integral exactly.

        Args:
            groups: (F,) group of each cell, 0 to G - 1; no group is empty.
        """
        total = np.bincount(groups, self.areas)
        weights = self.areas / total[groups]
        return sparse.csr_array((weights, (groups, np.arange(len(groups)))), shape=(len(total), len(groups)))

    def coarsen(self, groups: Array) -> "CellTable":
        """Merge groups of cells into the cells of the next level.

        Args:
            groups: (F,) coarse cell of each cell, 0 to G - 1; no group is empty.
        """
        centres = self.restriction(groups) @ self.centres
        areas = np.bincount(groups, self.areas)
        pairs, edge_lengths = _edges_between_groups(groups[self.pairs], self.edge_lengths)
        boundary = np.stack([np.bincount(groups, column) for column in self.boundary.T], axis=-1)

        return CellTable(centres, areas, pairs, edge_lengths, boundary)


def _edges_between_groups(pairs: Array, lengths: Array) -> tuple[Array, Array]:
    """Merge the edges between the same two groups and add up their lengths; drop those inside a group."""
    across = pairs[:, 0] != pairs[:, 1]
    ordered = np.sort(pairs[across], axis=1)
    unique, inverse = np.unique(ordered, axis=0, return_inverse=True)
    summed = np.bincount(inverse.ravel(), lengths[across], minlength=len(unique))

    return unique.reshape(-1, 2), summed


def _boundary_edges(mesh: Mesh) -> Array:
    """Sum the boundary edges of each face; columns as :attr:`CellTable.boundary`."""
    start = mesh.nodes[mesh.boundary_edges[:, 0]]
    end = mesh.nodes[mesh.boundary_edges[:, 1]]
    along = end - start

    # The face lies to the left of the edge, so the outward normal points to the right.
    normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    length = np.hypot(*along.T)
    coast = (np.asarray(mesh.boundary_kind) == "coast").astype(float)
    columns = [length * coast, length * (1 - coast), normal[:, 0] * coast, normal[:, 1] * coast]

    return np.stack([np.bincount(mesh.boundary_faces, column, minlength=mesh.n_faces) for column in columns], axis=-1)

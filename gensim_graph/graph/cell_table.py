"""Cells: what the graph needs of a mesh, and nothing else. The coarsening hierarchy is made of them.

A cell of level l is a group of four cells of level l-1 (a token of its order), with their area, their centroid
and the edges that they share with other groups. So a coarse level is again a set of cells with centres, areas
and adjacency: every resolution is the same object.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Cells:
    """Cells with a centre and an area, and the edges between them.

    Attributes:
        centres: (F, 2) m.
        areas: (F,) m2.
        pairs: (A, 2) cells that share an edge, each pair once.
        lengths: (A,) m, length of the shared edge.
        outer: (F, 4) m, boundary edges of each cell: coast length, open length, and the sum over its coast edges of
            length times outward normal (a vector in the axes of the mesh).
    """

    centres: Array
    areas: Array
    pairs: Array
    lengths: Array
    outer: Array

    @classmethod
    def from_mesh(cls, mesh: Mesh) -> "Cells":
        """The faces of a mesh as cells."""
        adjacency = mesh.adjacency
        return cls(mesh.centres, mesh.areas, adjacency.faces, adjacency.lengths, _outer_edges(mesh))

    @property
    def spacing(self) -> Array:
        """(F,) m, square root of the area."""
        return np.sqrt(self.areas)

    def restriction(self, groups: Array) -> sparse.csr_array:
        """Area-weighted mean over groups, as a sparse matrix (G, F): it keeps the integral exactly."""
        total = np.bincount(groups, self.areas)
        weights = self.areas / total[groups]
        return sparse.csr_array((weights, (groups, np.arange(len(groups)))), shape=(len(total), len(groups)))

    def coarsen(self, groups: Array) -> "Cells":
        """Cells of the next level. ``groups`` (F,) gives the coarse cell, 0..G-1, of each cell."""
        restriction = self.restriction(groups)
        pairs, lengths = _quotient(groups[self.pairs], self.lengths)
        outer = np.stack([np.bincount(groups, column) for column in self.outer.T], axis=-1)
        return Cells(restriction @ self.centres, np.bincount(groups, self.areas), pairs, lengths, outer)


def _quotient(pairs: Array, lengths: Array) -> tuple[Array, Array]:
    """Edges between different groups, merged, with their summed lengths."""
    across = pairs[:, 0] != pairs[:, 1]
    ordered, kept = np.sort(pairs[across], axis=1), lengths[across]
    unique, inverse = np.unique(ordered, axis=0, return_inverse=True)
    return unique.reshape(-1, 2), np.bincount(inverse.ravel(), kept, minlength=len(unique))


def _outer_edges(mesh: Mesh) -> Array:
    start, end = mesh.nodes[mesh.boundary_edges[:, 0]], mesh.nodes[mesh.boundary_edges[:, 1]]
    along = end - start
    # The face lies left of the edge, so the outward normal points right of it.
    normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)
    length = np.hypot(*along.T)
    coast = (np.asarray(mesh.boundary_kind) == "coast").astype(float)
    columns = [length * coast, length * (1 - coast), normal[:, 0] * coast, normal[:, 1] * coast]

    return np.stack([np.bincount(mesh.boundary_faces, column, minlength=mesh.n_faces) for column in columns], axis=-1)

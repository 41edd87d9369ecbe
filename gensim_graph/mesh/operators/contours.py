"""Lines of equal value on any mesh, such as the ice edge: straight pieces in triangles of nodes.

Values on faces are first brought to the nodes with :func:`~gensim_graph.mesh.operators.nodal.node_operator`, which is
exact for linear fields. With the plain mean of the faces around a node, lines would zigzag, and a smooth ice edge would
become 2 % too long. Polygons are cut into triangles around their first corner. A line ends at the boundary of the mesh:
ice that touches a coast has no edge there.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.nodal import node_operator
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Contour:
    """A line of equal value.

    Attributes:
        pieces: (S, 2, 2) m, the two ends of each straight piece.
    """

    pieces: Array

    @property
    def lengths(self) -> Array:
        """Length of each piece, (S,) m."""
        return np.linalg.norm(self.pieces[:, 1] - self.pieces[:, 0], axis=1)

    @property
    def length(self) -> float:
        """Total length of the line, m."""
        return float(self.lengths.sum())

    def mean_distance(self, other: "Contour") -> float:
        """Mean distance from the points of this line to the nearest point of another line, m; NaN if one is empty."""
        lengths = self.lengths
        if len(other.pieces) == 0 or lengths.sum() == 0:
            return float("nan")

        middles = shapely.points(self.pieces.mean(axis=1))
        _, distance = other._tree.query_nearest(middles, return_distance=True, all_matches=False)

        return float(np.average(distance, weights=lengths))

    @cached_property
    def _tree(self) -> shapely.STRtree:
        return shapely.STRtree(shapely.linestrings(self.pieces))


class ContourFinder:
    """Finder of lines of equal value of many fields on one mesh.

    Args:
        mesh: the mesh.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._triangles, _ = fan_triangles(mesh.faces)
        self._operator = node_operator(mesh)

    def to_nodes(self, fields: Array) -> Array:
        """Bring fields from the faces (M, F) to the nodes (M, N)."""
        return (self._operator @ fields.T).T

    def __call__(self, values: Array, level: float) -> Contour:
        """Find the line on which a field has the value ``level``.

        Args:
            values: (N,) field at the nodes.
            level: value of the line, in the unit of the field.
        """
        above = values >= level
        corners = above[self._triangles]
        count = corners.sum(axis=1, dtype=np.int8)
        crossed = np.flatnonzero((count == 1) | (count == 2))
        triangles, corners = self._triangles[crossed], corners[crossed]

        # One corner is alone on its side of the line; the line crosses the two triangle sides that meet in it.
        alone = np.argmax(corners == (count[crossed] == 1)[:, None], axis=1)
        rows = np.arange(len(crossed))
        tip, second, third = (triangles[rows, (alone + turn) % 3] for turn in range(3))
        ends = [self._crossing(values, level, tip, other) for other in (second, third)]

        return Contour(np.stack(ends, axis=1))

    def _crossing(self, values: Array, level: float, tip: Array, other: Array) -> Array:
        """Points (S, 2) with the value ``level`` between the nodes ``tip`` and ``other`` (S,)."""
        share = (level - values[tip]) / (values[other] - values[tip])
        return self._mesh.nodes[tip] + share[:, None] * (self._mesh.nodes[other] - self._mesh.nodes[tip])

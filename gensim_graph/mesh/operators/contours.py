"""Lines of equal value on any mesh: straight pieces in the triangles of its nodes.

Values on faces are brought to the nodes, exactly where they are linear: the plain mean of the faces around makes lines
wriggle, and a smooth ice edge 2 % too long. Polygons are cut into fans of triangles. A line ends at the boundary of the
mesh: where ice lies against a coast, there is no edge.
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
        pieces: (S, 2, 2) m, ends of its straight pieces.
    """

    pieces: Array

    @property
    def lengths(self) -> Array:
        """Length of each piece, (S,) m."""
        return np.linalg.norm(self.pieces[:, 1] - self.pieces[:, 0], axis=1)

    @property
    def length(self) -> float:
        """Length of the line, m."""
        return float(self.lengths.sum())

    def mean_distance(self, other: "Contour") -> float:
        """Mean distance, along this line, to the nearest point of another one, m; NaN where one of them is empty."""
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
    """Finds lines of equal value of many fields on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._triangles, _ = fan_triangles(mesh.faces)
        self._operator = node_operator(mesh)

    def to_nodes(self, fields: Array) -> Array:
        """Fields on the faces (M, F) at the nodes, (M, N)."""
        return (self._operator @ fields.T).T

    def __call__(self, values: Array, level: float) -> Contour:
        """Line where a field at the nodes, (N), has a value."""
        above = values >= level
        corners = above[self._triangles]
        count = corners.sum(axis=1, dtype=np.int8)
        crossed = np.flatnonzero((count == 1) | (count == 2))
        triangles, corners = self._triangles[crossed], corners[crossed]
        # The corner that is alone on its side; the line crosses the two sides that meet there.
        alone = np.argmax(corners == (count[crossed] == 1)[:, None], axis=1)
        rows = np.arange(len(crossed))
        tip, *others = (triangles[rows, (alone + turn) % 3] for turn in range(3))
        ends = [self._crossing(values, level, tip, other) for other in others]

        return Contour(np.stack(ends, axis=1))

    def _crossing(self, values: Array, level: float, tip: Array, other: Array) -> Array:
        share = (level - values[tip]) / (values[other] - values[tip])
        return self._mesh.nodes[tip] + share[:, None] * (self._mesh.nodes[other] - self._mesh.nodes[tip])

"""Points that drift through a mesh: where they are, and where a drift takes them.

Velocities are linear in the triangles of the nodes (polygons are cut into fans) and linear in time between two
instants. A point is found by walking from triangle to triangle towards it, which takes a step or two where it has not
moved far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import edge_table, fan_triangles
from gensim_graph.typing import Array

_LONGEST_WALK = 200
"""Triangles: with a step of less than a few cells at a time, more is a walk in circles."""


@dataclass(frozen=True)
class PointLocations:
    """Where points are in the triangles of a mesh.

    Attributes:
        triangles: (P,) triangle of each point, the last one on its way where it is outside.
        shares: (P, 3) barycentric coordinates there, none of them negative; outside, those of a point on its rim.
        inside: (P,) whether the point is in the mesh.
    """

    triangles: Array
    shares: Array
    inside: Array


class Locator:
    """Finds points in a mesh.

    Attributes:
        triangles: (T, 3) nodes.
        faces: (T,) the face that each triangle is part of.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.triangles, self.faces = fan_triangles(mesh.faces)
        self._corners = mesh.nodes[self.triangles]
        self._across = _triangles_across(self.triangles, mesh.n_nodes)
        self._tree = cKDTree(self._corners.mean(axis=1))

    def nearest(self, points: Array) -> Array:
        """A triangle near each point (P, 2), from which to walk: (P,)."""
        return self._tree.query(points)[1]

    def locate(self, points: Array, triangles: Array) -> PointLocations:
        """Walk to points (P, 2) from triangles (P,) near them."""
        triangles = triangles.copy()
        shares = np.empty((len(points), 3))
        inside = np.zeros(len(points), dtype=bool)
        walking = np.arange(len(points))

        for _ in range(_LONGEST_WALK):
            found = self._shares(points[walking], triangles[walking])
            shares[walking] = found
            lowest = found.argmin(axis=1)
            arrived = found[np.arange(len(found)), lowest] >= -1e-9
            onward = self._across[triangles[walking], lowest]
            inside[walking[arrived]] = True
            goes = ~arrived & (onward >= 0)
            walking, onward = walking[goes], onward[goes]

            if len(walking) == 0:
                break

            triangles[walking] = onward

        shares = np.maximum(shares, 0.0)
        return PointLocations(triangles, shares / shares.sum(axis=1, keepdims=True), inside)

    def _shares(self, points: Array, triangles: Array) -> Array:
        a, b, c = (self._corners[triangles, corner] - points for corner in range(3))
        parts = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], axis=1)
        return parts / parts.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class Drift:
    """Node velocities at two instants, linear in between.

    Attributes:
        before, after: (M, N, 2) m/s.
        seconds: between them.
    """

    before: Array
    after: Array
    seconds: float

    def at(self, moment: float, members: Array, nodes: Array, shares: Array) -> Array:
        """Velocity (P, 2) of members (P,) at places, at a moment in [0, 1]."""
        now, then = (
            np.einsum("pc,pcx->px", shares, field[members[:, None], nodes]) for field in (self.before, self.after)
        )
        return (1 - moment) * now + moment * then


def advect(
    locator: Locator,
    points: Array,
    triangles: Array,
    members: Array,
    drift: Drift,
    steps: int = 4,
    backward: bool = False,
) -> tuple[Array, PointLocations]:
    """Where a drift takes points: Runge-Kutta of fourth order.

    Args:
        locator: of the mesh.
        points: (P, 2) m.
        triangles: (P,) where they are, or near them.
        members: (P,) which member of the drift carries them.
        drift: the drift.
        steps: of the integration.
        backward: from the later instant to the earlier one: where the points came from.

    Returns:
        Points (P, 2) and their places. A point that leaves the mesh goes on with the velocity at its rim; it is not
        ``inside`` any more.
    """
    direction = -1.0 if backward else 1.0
    length = direction * drift.seconds / steps

    def velocity(where: Array, near: Array, moment: float) -> tuple[Array, Array]:
        places = locator.locate(where, near)
        nodes = locator.triangles[places.triangles]
        time = 1 - moment if backward else moment
        return drift.at(time, members, nodes, places.shares), places.triangles

    for number in range(steps):
        begin, middle, end = number / steps, (number + 0.5) / steps, (number + 1) / steps
        first, triangles = velocity(points, triangles, begin)
        second, _ = velocity(points + 0.5 * length * first, triangles, middle)
        third, _ = velocity(points + 0.5 * length * second, triangles, middle)
        fourth, _ = velocity(points + length * third, triangles, end)
        points = points + length / 6 * (first + 2 * second + 2 * third + fourth)

    return points, locator.locate(points, triangles)


def _triangles_across(triangles: Array, n_nodes: int) -> Array:
    """Triangle across the side opposite to each corner, (T, 3), -1 on the boundary."""
    table = edge_table(triangles, n_nodes)
    across = np.full(len(table.nodes), -1)
    across[table.pairs[:, 0]] = table.faces[table.pairs[:, 1]]
    across[table.pairs[:, 1]] = table.faces[table.pairs[:, 0]]

    # Half-edges come in face order: corner c, then c + 1; the side opposite to c begins at c + 1.
    return across.reshape(-1, 3)[:, [1, 2, 0]]


def _cross(a: Array, b: Array) -> Array:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]

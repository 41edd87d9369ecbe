"""Trajectories of points that drift with the ice.

Velocities are linear within triangles of nodes (polygons are cut into triangles around their first corner), and linear
in time between two instants. The triangle of a point is found by a walk from triangle to triangle towards the point;
this takes one or two steps if the point has not moved far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.mesh.geometry import barycentric
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import edge_table, fan_triangles
from gensim_graph.typing import Array

_LONGEST_WALK = 200
"""Largest number of triangles of a walk. Points move by a few cells at a time, so a longer walk goes in circles."""


@dataclass(frozen=True)
class PointLocations:
    """Positions of points in the triangles of a mesh.

    Attributes:
        triangles: (P,) triangle of each point; for a point outside the mesh, the last triangle of the walk.
        shares: (P, 3) barycentric coordinates in this triangle, never negative. For a point outside the mesh, they are
            those of a point on the side of the triangle.
        inside: (P,) True if the point is in the mesh.
    """

    triangles: Array
    shares: Array
    inside: Array


class Locator:
    """Finder of the triangles that contain points.

    Args:
        mesh: the mesh.

    Attributes:
        triangles: (T, 3) nodes of each triangle.
        faces: (T,) face of each triangle.
    """

    def __init__(self, mesh: Mesh) -> None:
        self.triangles, self.faces = fan_triangles(mesh.faces)
        self._corners = mesh.nodes[self.triangles]
        self._across = _triangles_across(self.triangles, mesh.n_nodes)
        self._tree = cKDTree(self._corners.mean(axis=1))

    def nearest(self, points: Array) -> Array:
        """Triangle near each point (P, 2), to start a walk from: (P,)."""
        return self._tree.query(points)[1]

    def locate(self, points: Array, triangles: Array) -> PointLocations:
        """Walk to points from triangles near them.

        Args:
            points: (P, 2) m.
            triangles: (P,) triangle in which each walk starts.
        """
        triangles = triangles.copy()
        shares = np.empty((len(points), 3))
        inside = np.zeros(len(points), dtype=bool)
        walking = np.arange(len(points))

        for _ in range(_LONGEST_WALK):
            current = barycentric(self._corners[triangles[walking]], points[walking])
            shares[walking] = current
            lowest = current.argmin(axis=1)
            arrived = current[np.arange(len(current)), lowest] >= -1e-9
            inside[walking[arrived]] = True

            # The point lies beyond the side opposite the corner with the lowest share.
            neighbour = self._across[triangles[walking], lowest]
            continues = ~arrived & (neighbour >= 0)
            walking, neighbour = walking[continues], neighbour[continues]
            if len(walking) == 0:
                break

            triangles[walking] = neighbour

        shares = np.maximum(shares, 0.0)
        return PointLocations(triangles, shares / shares.sum(axis=1, keepdims=True), inside)


@dataclass(frozen=True)
class Drift:
    """Velocities at the nodes at two instants, linear in time between them.

    Attributes:
        before: (M, N, 2) m/s at the first instant, along the axes of the plane.
        after: (M, N, 2) m/s at the second instant.
        seconds: time between the two instants, s.
    """

    before: Array
    after: Array
    seconds: float

    def at(self, moment: float, members: Array, nodes: Array, shares: Array) -> Array:
        """Velocity at points in triangles.

        Args:
            moment: time in [0, 1], 0 = first instant, 1 = second instant.
            members: (P,) member of the ensemble for each point.
            nodes: (P, 3) nodes of the triangle of each point.
            shares: (P, 3) barycentric coordinates of each point.

        Returns:
            (P, 2) m/s.
        """
        first, second = (
            np.einsum("pc,pcx->px", shares, field[members[:, None], nodes]) for field in (self.before, self.after)
        )
        return (1 - moment) * first + moment * second


def advect(
    locator: Locator,
    points: Array,
    triangles: Array,
    members: Array,
    drift: Drift,
    steps: int = 4,
    backward: bool = False,
) -> tuple[Array, PointLocations]:
    """Move points with a drift, by the Runge-Kutta method of fourth order.

    Args:
        locator: finder of triangles of the mesh.
        points: (P, 2) m, positions at the first instant of the drift.
        triangles: (P,) triangle at or near each point.
        members: (P,) member of the drift that moves each point.
        drift: velocities at the nodes.
        steps: number of time steps between the two instants.
        backward: go back in time, from positions at the second instant to those at the first.

    Returns:
        Positions (P, 2) in m at the other instant, and their triangles. A point that leaves the mesh continues with the
        velocity on the boundary, and is not ``inside``.
    """
    direction = -1.0 if backward else 1.0
    length = direction * drift.seconds / steps

    def velocity(positions: Array, near: Array, moment: float) -> tuple[Array, Array]:
        found = locator.locate(positions, near)
        nodes = locator.triangles[found.triangles]
        time = 1 - moment if backward else moment
        return drift.at(time, members, nodes, found.shares), found.triangles

    for number in range(steps):
        begin, middle, end = number / steps, (number + 0.5) / steps, (number + 1) / steps
        first, triangles = velocity(points, triangles, begin)
        second, _ = velocity(points + 0.5 * length * first, triangles, middle)
        third, _ = velocity(points + 0.5 * length * second, triangles, middle)
        fourth, _ = velocity(points + length * third, triangles, end)
        points = points + length / 6 * (first + 2 * second + 2 * third + fourth)

    return points, locator.locate(points, triangles)


def _triangles_across(triangles: Array, n_nodes: int) -> Array:
    """Neighbour of each triangle across the side opposite to each of its corners: (T, 3), -1 on the boundary."""
    table = edge_table(triangles, n_nodes)
    across = np.full(len(table.nodes), -1)
    across[table.pairs[:, 0]] = table.faces[table.pairs[:, 1]]
    across[table.pairs[:, 1]] = table.faces[table.pairs[:, 0]]

    # Half-edge c of a triangle begins at its corner c; the side opposite to corner c begins at corner c + 1.
    return across.reshape(-1, 3)[:, [1, 2, 0]]

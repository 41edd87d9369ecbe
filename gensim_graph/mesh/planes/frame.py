"""Rotation of vectors between the axes of a file and the axes of the plane of a mesh.

Inside the package, the components of a vector are along the x and y axes of the plane. Files hold components along east
and north, or along the axes of their grid. Only the direction is converted: the speed stays as in the file, in true
metres per second.
"""

from dataclasses import dataclass

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.planes.plane import local_directions, local_jacobian, unit_vectors, unproject
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Frame:
    """Two orthogonal axes at each of P points of a plane.

    Attributes:
        first: (P, 2) unit vectors of the first axis (east, or the x axis of a grid), along the axes of the plane.
        second: (P, 2) unit vectors of the second axis (north, or the y axis of a grid), at right angles to the first.
    """

    first: Array
    second: Array

    def to_plane(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Turn components along these axes into components along the axes of the plane.

        Args:
            u: (..., P) components along the first axis, any unit.
            v: (..., P) components along the second axis.

        Returns:
            x and y components in the plane, (..., P) each.

        Raises:
            InputError: the shapes do not fit the frame.
        """
        self._check(u, v)
        return u * self.first[:, 0] + v * self.second[:, 0], u * self.first[:, 1] + v * self.second[:, 1]

    def from_plane(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Turn components along the axes of the plane into components along these axes.

        Args:
            u: (..., P) x components in the plane, any unit.
            v: (..., P) y components in the plane.

        Returns:
            Components along the first and the second axis, (..., P) each.

        Raises:
            InputError: the shapes do not fit the frame.
        """
        self._check(u, v)
        return u * self.first[:, 0] + v * self.first[:, 1], u * self.second[:, 0] + v * self.second[:, 1]

    def to_plane_of(self, other: "Frame") -> "Frame":
        """Combine two rotations: express a frame with components along these axes along the axes of the plane."""
        first = np.stack(self.to_plane(*other.first.T), axis=1)
        second = np.stack(self.to_plane(*other.second.T), axis=1)
        return Frame(first, second)

    def __getitem__(self, points: Array) -> "Frame":
        """Return the frame at some of the points."""
        return Frame(self.first[points], self.second[points])

    @property
    def angle(self) -> Array:
        """Angle from the x axis of the plane to the first axis, counter-clockwise: (P,) radians."""
        return np.arctan2(self.first[:, 1], self.first[:, 0])

    def _check(self, u: Array, v: Array) -> None:
        if u.shape != v.shape or u.shape[-1:] != (len(self.first),):
            raise InputError(f"vectors need two components (..., {len(self.first)}); got u {u.shape} and v {v.shape}")


def plane_axes(count: int) -> Frame:
    """Frame of vectors that are along the axes of the plane already, for ``count`` points."""
    return Frame(np.tile([1.0, 0.0], (count, 1)), np.tile([0.0, 1.0], (count, 1)))


def east_north(points: Array, crs: CRS | None) -> Frame:
    """East and north at points of a plane.

    In a plane that is not conformal, east and north are not at right angles; the closest orthogonal axes are taken.
    Exactly at a pole, east and north are those of the longitude that the inverse projection returns for it.

    Args:
        points: (P, 2) m.
        crs: the plane.

    Raises:
        InputError: ``crs`` is None, so the direction of north is unknown.
    """
    if crs is None:
        raise InputError("vectors along east and north need a mesh with a crs; load it with crs=")

    return frame_of(local_jacobian(unproject(points, crs), crs))


def east_north_at(longitude: Array, latitude: Array, crs: CRS) -> Frame:
    """East and north at longitudes and latitudes; at a pole they are those of the given longitude.

    Args:
        longitude: (P,) degrees east.
        latitude: (P,) degrees north.
        crs: the plane of the frame.
    """
    # The cosine of 90 degrees is not exactly 0 in floating point: the unit vector keeps its longitude at the pole.
    return frame_of(local_jacobian(unit_vectors(longitude, latitude), crs))


def axes_of_plane(points: Array, crs: CRS, other: CRS) -> Frame:
    """Axes of the plane ``other``, along the axes of the plane ``crs``.

    If both planes are conformal, this is the exact rotation between the two projections. It is also defined at a pole,
    because the direction of north cancels.

    Args:
        points: (P, 2) m in the plane ``crs``.
        crs: the plane of the frame.
        other: the plane with the axes.
    """
    if crs == other:
        return plane_axes(len(points))

    vectors = unproject(points, crs)
    here, there = (frame_of(local_jacobian(vectors, plane)) for plane in (crs, other))
    x = np.stack(here.to_plane(there.first[:, 0], there.second[:, 0]), axis=1)
    y = np.stack(here.to_plane(there.first[:, 1], there.second[:, 1]), axis=1)

    return Frame(x, y)


def grid_axes(corners: Array) -> Frame:
    """Axes of a grid from the corners of its cells.

    The first axis points from the middle of the side (3, 0) to that of (1, 2), the second from (0, 1) to (2, 3). If
    they are not at right angles, the closest orthogonal axes are taken. Axes of a left-handed grid stay left-handed.

    Args:
        corners: (P, 4, 2) m in the plane: corners of each cell at (x, y) = (-, -), (+, -), (+, +), (-, +) of the grid.
    """
    a, b, c, d = np.moveaxis(corners, 1, 0)
    along = np.stack([b + c - a - d, c + d - a - b], axis=-1)
    return frame_of(along / np.linalg.norm(along, axis=1, keepdims=True))


def axes_on_globe(vectors: Array, first: Array, second: Array, crs: CRS) -> Frame:
    """Project two axes on the globe to a plane; the closest orthogonal axes are taken.

    Args:
        vectors: (P, 3) directions of the points.
        first: (P, 3) steps along the first axis, of any length.
        second: (P, 3) steps along the second axis, of any length.
        crs: the plane.
    """
    east, north = local_directions(vectors)
    components = [np.stack([(step * east).sum(axis=1), (step * north).sum(axis=1)], axis=1) for step in (first, second)]
    along = np.stack(components, axis=-1)
    along /= np.linalg.norm(along, axis=1, keepdims=True)

    return frame_of(local_jacobian(vectors, crs) @ along)


def frame_of(jacobian: Array) -> Frame:
    """Orthonormal axes closest to the columns of matrices (P, 2, 2), by polar decomposition; handedness is kept."""
    handed = np.where(np.linalg.det(jacobian) < 0.0, -1.0, 1.0)
    second = jacobian[:, :, 1] * handed[:, None]
    angle = np.arctan2(jacobian[:, 1, 0] - second[:, 0], jacobian[:, 0, 0] + second[:, 1])
    cosine, sine = np.cos(angle), np.sin(angle)

    return Frame(np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1) * handed[:, None])

"""Vectors in the axes they come in, and in those of the mesh.

Inside the package vectors lie along the axes of the plane. Files hold them along east and north, or along the axes of
their grid. Only their direction changes: the speed stays what the file says, in true metres a second.
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
        second: (P, 2) unit vectors of the second one (north, y), at right angles.
    """

    first: Array
    second: Array

    def to_plane(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Components along these axes, (..., P), to components along the axes of the plane."""
        self._check(u, v)
        return u * self.first[:, 0] + v * self.second[:, 0], u * self.first[:, 1] + v * self.second[:, 1]

    def from_plane(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Components along the axes of the plane, (..., P), to components along these axes."""
        self._check(u, v)
        return u * self.first[:, 0] + v * self.first[:, 1], u * self.second[:, 0] + v * self.second[:, 1]

    def to_plane_of(self, other: "Frame") -> "Frame":
        """Axes given along these axes, as axes along those of the plane."""
        return Frame(*(np.stack(self.to_plane(*axis.T), axis=1) for axis in (other.first, other.second)))

    def __getitem__(self, points: Array) -> "Frame":
        """The frame at some of the points."""
        return Frame(self.first[points], self.second[points])

    @property
    def angle(self) -> Array:
        """From the x axis of the plane to the first axis, counter-clockwise: (P,) radians."""
        return np.arctan2(self.first[:, 1], self.first[:, 0])

    def _check(self, u: Array, v: Array) -> None:
        if u.shape != v.shape or u.shape[-1:] != (len(self.first),):
            raise InputError(f"vectors need two components (..., {len(self.first)}); got u {u.shape} and v {v.shape}")


def plane_axes(count: int) -> Frame:
    """The axes of the plane themselves, at ``count`` points."""
    return Frame(np.tile([1.0, 0.0], (count, 1)), np.tile([0.0, 1.0], (count, 1)))


def east_north(points: Array, crs: CRS | None) -> Frame:
    """East and north at points (P, 2) of a plane.

    Where the plane is not conformal, east and north are not at right angles in it; the rotation closest to the
    projection is taken. Exactly at a pole, east and north are those of the longitude that the projection gives it.

    Raises:
        InputError: there is no ``crs``: nobody knows where north is.
    """
    if crs is None:
        raise InputError("vectors along east and north need a mesh with a crs; load it with crs=")
    return frame_of(local_jacobian(unproject(points, crs), crs))


def east_north_at(longitude: Array, latitude: Array, crs: CRS) -> Frame:
    """East and north at longitudes and latitudes (P,) in degrees; at a pole those of the longitude given."""
    # The cosine of 90 degrees is not quite 0 in floating point: the vector still knows its longitude at the pole.
    return frame_of(local_jacobian(unit_vectors(longitude, latitude), crs))


def axes_of_plane(points: Array, crs: CRS, other: CRS) -> Frame:
    """Axes of the plane ``other`` at points (P, 2) m of the plane ``crs``, along the axes of that one.

    Where both are conformal they turn exactly as PROJ draws them; also at a pole, where no north is needed.
    """
    if crs == other:
        return plane_axes(len(points))

    vectors = unproject(points, crs)
    here, there = (frame_of(local_jacobian(vectors, plane)) for plane in (crs, other))
    x = np.stack(here.to_plane(there.first[:, 0], there.second[:, 0]), axis=1)
    y = np.stack(here.to_plane(there.first[:, 1], there.second[:, 1]), axis=1)

    return Frame(x, y)


def grid_axes(corners: Array) -> Frame:
    """Axes of a grid from the corners of its cells: (P, 4, 2) m in the plane -> frame.

    The first axis points from the middle of the side (3, 0) to that of (1, 2), the second from (0, 1) to (2, 3); where
    they are not at right angles, the closest pair that is. Axes of a left-handed grid stay left-handed.

    Args:
        corners: corners of each cell at (x, y) = (-, -), (+, -), (+, +), (-, +) of the grid.
    """
    a, b, c, d = np.moveaxis(corners, 1, 0)
    along = np.stack([b + c - a - d, c + d - a - b], axis=-1)
    return frame_of(along / np.linalg.norm(along, axis=1, keepdims=True))


def axes_on_globe(vectors: Array, first: Array, second: Array, crs: CRS) -> Frame:
    """Two axes on the globe in the plane of ``crs``, the closest at right angles.

    Args:
        vectors: (P, 3) directions of the points.
        first, second: (P, 3) steps along the axes, of any length.
        crs: the plane.
    """
    east, north = local_directions(vectors)
    along = np.stack(
        [np.stack([(step * east).sum(axis=1), (step * north).sum(axis=1)], axis=1) for step in (first, second)], axis=-1
    )
    along /= np.linalg.norm(along, axis=1, keepdims=True)

    return frame_of(local_jacobian(vectors, crs) @ along)


def frame_of(jacobian: Array) -> Frame:
    """The orthonormal axes closest to the columns of matrices (P, 2, 2), by polar decomposition, handedness kept."""
    handed = np.where(np.linalg.det(jacobian) < 0.0, -1.0, 1.0)
    second = jacobian[:, :, 1] * handed[:, None]
    angle = np.arctan2(jacobian[:, 1, 0] - second[:, 0], jacobian[:, 0, 0] + second[:, 1])
    cosine, sine = np.cos(angle), np.sin(angle)
    return Frame(np.stack([cosine, sine], axis=1), np.stack([-sine, cosine], axis=1) * handed[:, None])

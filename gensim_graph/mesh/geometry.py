"""Areas, centroids, angles and derivatives on padded polygons in a plane.

Everything is vectorised over faces. Polygons are (F, k) node indices, counter-clockwise, padded with -1 at the end.
Coordinates are taken relative to the first corner of each face: on a plane of thousands of kilometres the plain
shoelace formula loses the area of a small cell to rounding.
"""

import numpy as np

from gensim_graph.mesh.topology import next_corners
from gensim_graph.typing import Array


def corner_points(nodes: Array, faces: Array) -> tuple[Array, Array]:
    """Corners relative to the first one, and the corner that follows each.

    Padding repeats the first corner, so that it adds nothing to sums around the face.

    Returns:
        here, following: (F, k, 2) m.
    """
    first = faces[:, :1]
    here = np.where(faces >= 0, faces, first)
    following = next_corners(faces)
    following = np.where(following >= 0, following, first)
    origin = nodes[first]
    return nodes[here] - origin, nodes[following] - origin


def signed_areas(nodes: Array, faces: Array) -> Array:
    """Area of each face by the shoelace formula, negative where it is clockwise: (F,) m2."""
    here, following = corner_points(nodes, faces)
    return 0.5 * _cross(here, following).sum(axis=1)


def centroids(nodes: Array, faces: Array) -> Array:
    """Centre of mass of each face: (F, 2) m. Faces must have an area."""
    here, following = corner_points(nodes, faces)
    cross = _cross(here, following)
    moment = ((here + following) * cross[..., None]).sum(axis=1)
    return nodes[faces[:, 0]] + moment / (3.0 * cross.sum(axis=1))[:, None]


def smallest_angles(nodes: Array, faces: Array) -> Array:
    """Smallest interior angle of each face: (F,) degrees, in (0, 180); reflex corners count with more than 180."""
    here, following = corner_points(nodes, faces)
    forward = following - here
    valid = faces >= 0
    rows, last = np.arange(len(faces)), np.count_nonzero(valid, axis=1) - 1
    backward = -np.roll(forward, 1, axis=1)
    backward[:, 0] = -forward[rows, last]
    dot = (forward * backward).sum(axis=-1)
    angle = np.degrees(np.arctan2(_cross(forward, backward), dot)) % 360.0
    return np.where(valid, angle, np.inf).min(axis=1)


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

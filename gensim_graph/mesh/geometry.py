"""Areas, centroids, angles and derivatives of polygons in a plane.

All functions work on all faces at once. Faces are (F, k) node numbers, counter-clockwise, padded with -1 at the end.
Coordinates are taken relative to the first corner of each face: in a plane of thousands of kilometres, the plain
shoelace formula loses the area of a small cell to rounding.
"""

import numpy as np
from scipy.spatial import cKDTree

from gensim_graph.mesh.topology import corner_counts, next_corners
from gensim_graph.typing import Array


def cross_2d(a: Array, b: Array) -> Array:
    """Cross product of vectors in the plane, ``a_x b_y - a_y b_x``: positive if b points to the left of a.

    Args:
        a: (..., 2) vectors.
        b: (..., 2) vectors; shapes broadcast.

    Returns:
        (...), in the product of both units.
    """
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def barycentric(corners: Array, points: Array) -> Array:
    """Barycentric coordinates of points in triangles; they add up to 1, and are negative outside.

    Args:
        corners: (P, 3, 2) m.
        points: (P, 2) m.

    Returns:
        (P, 3), no unit.
    """
    a, b, c = (corners[:, corner] - points for corner in range(3))
    parts = np.stack([cross_2d(b, c), cross_2d(c, a), cross_2d(a, b)], axis=1)
    return parts / parts.sum(axis=1, keepdims=True)


def close_pairs(points: Array, tolerance: float) -> Array:
    """Pairs of points that are no further apart than a tolerance.

    Args:
        points: (P, d) finite coordinates.
        tolerance: distance in the unit of the points.

    Returns:
        (L, 2) point numbers, the lower one first.
    """
    return np.asarray(cKDTree(points).query_pairs(tolerance, output_type="ndarray"))


def corner_points(nodes: Array, faces: Array) -> tuple[Array, Array]:
    """Corners of each face relative to its first one, and the corner that follows each of them.

    In the padding both are the first corner, so that padding adds nothing to sums around a face.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.

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
    """Area of each face by the shoelace formula; negative for clockwise faces.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F,) m2.
    """
    here, following = corner_points(nodes, faces)
    return 0.5 * cross_2d(here, following).sum(axis=1)


def centroids(nodes: Array, faces: Array) -> Array:
    """Centre of mass of each face; every face must have an area.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F, 2) m.
    """
    here, following = corner_points(nodes, faces)
    cross = cross_2d(here, following)
    moment = ((here + following) * cross[..., None]).sum(axis=1)
    return nodes[faces[:, 0]] + moment / (3.0 * cross.sum(axis=1))[:, None]


def smallest_angles(nodes: Array, faces: Array) -> Array:
    """Smallest interior angle of each face. A reflex corner has an angle of more than 180 degrees.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F,) degrees, in (0, 180).
    """
    here, following = corner_points(nodes, faces)
    forward = following - here
    backward = -_at_previous_corner(forward, faces)
    dot = (forward * backward).sum(axis=-1)
    angle = np.degrees(np.arctan2(cross_2d(forward, backward), dot)) % 360.0

    return np.where(faces >= 0, angle, np.inf).min(axis=1)


def _at_previous_corner(values: Array, faces: Array) -> Array:
    """Values (F, k, 2) of the corners, each moved to the corner that follows; not defined in the padding."""
    previous = np.roll(values, 1, axis=1)
    rows = np.arange(len(faces))
    previous[:, 0] = values[rows, corner_counts(faces) - 1]
    return previous


def gradient_weights(nodes: Array, faces: Array) -> Array:
    r"""Weights of the corners in the mean gradient over each face.

    Green's theorem with the trapezoidal rule on the sides; exact for linear fields on every polygon. On triangles it
    is the gradient of linear (P1) finite elements:

    .. math:: \frac{1}{A} \oint f\, n\, ds = \frac{1}{2A} \sum_c f_c\, (y_{c+1} - y_{c-1},\ x_{c-1} - x_{c+1})

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F, k, 2) 1/m, along the axes of the plane; 0 in the padding.
    """
    here, following = corner_points(nodes, faces)
    across = following - _at_previous_corner(here, faces)
    normal = np.stack([across[..., 1], -across[..., 0]], axis=-1)
    weights = normal / (2.0 * signed_areas(nodes, faces))[:, None, None]

    return np.where((faces >= 0)[..., None], weights, 0.0)


def face_gradient(nodes: Array, faces: Array, node_values: Array) -> Array:
    """Mean gradient over each face of a field given at the nodes; exact for linear fields (:func:`gradient_weights`).

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.
        node_values: (..., N), any unit.

    Returns:
        (..., F, 2) in units of the field per m, along the axes of the plane.
    """
    weights = gradient_weights(nodes, faces)
    first = node_values[..., faces[:, 0]]
    gradient = np.zeros((*first.shape, 2))

    for corner, weight in zip(faces.T[1:], weights.transpose(1, 0, 2)[1:], strict=True):
        # Weights add up to zero: subtracting the first corner changes nothing but the rounding of a large mean.
        gradient += (node_values[..., np.maximum(corner, 0)] - first)[..., None] * weight

    return gradient

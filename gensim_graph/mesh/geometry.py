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


def gradient_weights(nodes: Array, faces: Array) -> Array:
    r"""Weights of the corners in the mean gradient over each face: (F, k, 2) 1/m, 0 in the padding.

    Green's theorem with the trapezoidal rule on the sides, exact for linear fields on every polygon; on triangles it
    is the P1 gradient:

    .. math:: \frac{1}{A} \oint f\, n\, ds = \frac{1}{2A} \sum_c f_c\, (y_{c+1} - y_{c-1},\ x_{c-1} - x_{c+1})
    """
    here, following = corner_points(nodes, faces)
    valid = faces >= 0
    previous = np.roll(here, 1, axis=1)
    rows, last = np.arange(len(faces)), np.count_nonzero(valid, axis=1) - 1
    previous[:, 0] = here[rows, last]
    across = following - previous
    normal = np.stack([across[..., 1], -across[..., 0]], axis=-1)

    return np.where(valid[..., None], normal / (2.0 * signed_areas(nodes, faces))[:, None, None], 0.0)


def face_gradient(mesh_nodes: Array, faces: Array, node_values: Array) -> Array:
    """Mean gradient over each face of a field given at the nodes: (..., N) -> (..., F, 2), units of the field per m.

    Exact for linear fields, see :func:`gradient_weights`.
    """
    weights = gradient_weights(mesh_nodes, faces)
    first = node_values[..., faces[:, 0]]
    gradient = np.zeros((*first.shape, 2))

    for corner, weight in zip(faces.T[1:], weights.transpose(1, 0, 2)[1:], strict=True):
        # Relative to the first corner: weights add up to zero, so a large mean would only bring rounding.
        gradient += (node_values[..., np.maximum(corner, 0)] - first)[..., None] * weight

    return gradient

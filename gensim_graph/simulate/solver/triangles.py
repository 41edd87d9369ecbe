"""Faces of any number of corners as triangles: what the solver computes on."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, signed_areas
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Triangles:
    """The faces of a mesh, split.

    Attributes:
        nodes: (N + M, 2) m, those of the mesh, then a centre for each of the M faces with five or more corners.
        corners: (E, 3) nodes, counter-clockwise.
        faces: (E,) face that each triangle is a part of.
    """

    nodes: Array
    corners: Array
    faces: Array


def split_faces(mesh: Mesh) -> Triangles:
    """Triangles as they are, quadrilaterals along a diagonal, larger faces around their centre.

    The shorter diagonal, unless it leaves the face; where the two are equal, as on a regular grid, either, at random
    (but always the same), so that no direction of the plane is preferred.

    Raises:
        InputError: a face that these cuts cannot split, named.
    """
    counts = mesh.corner_counts
    small, quads, large = (np.flatnonzero(kind) for kind in (counts == 3, counts == 4, counts >= 5))
    nodes = np.concatenate([mesh.nodes, mesh.centres[large]])
    parts = [(mesh.faces[small, :3], small)]
    parts += [_halves(mesh, quads)] if len(quads) else []
    parts += [_fans(mesh, large)] if len(large) else []
    corners, faces = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    bad = np.unique(faces[signed_areas(nodes, corners) <= 0.0])

    if len(bad):
        raise InputError(
            f"{len(bad)} faces are too far from convex to be split into triangles, first {bad[:5].tolist()}; split "
            "them in the mesh, or simulate on a mesh of triangles"
        )

    order = np.argsort(faces, kind="stable")  # the parts of a face stay together
    return Triangles(nodes, corners[order].astype(np.int64), faces[order])


def _halves(mesh: Mesh, quads: Array) -> tuple[Array, Array]:
    a, b, c, d = mesh.faces[quads, :4].T
    first, second = np.stack([[a, b, c], [a, c, d]]), np.stack([[a, b, d], [b, c, d]])  # (2, 3, Q)
    inside, other = (_all_positive(mesh, both) for both in (first, second))
    along, across = (np.linalg.norm(mesh.nodes[start] - mesh.nodes[end], axis=1) for start, end in ((a, c), (b, d)))
    either = np.random.default_rng(0).random(len(quads)) < 0.5
    shorter = np.where(np.isclose(along, across, rtol=1e-3), either, along < across)
    chosen = np.where(inside & (shorter | ~other), first, second)

    return chosen.transpose(0, 2, 1).reshape(-1, 3), np.tile(quads, 2)


def _all_positive(mesh: Mesh, both: Array) -> Array:
    """Whether both halves (2, 3, Q) of each face lie inside of it."""
    areas = signed_areas(mesh.nodes, both.transpose(0, 2, 1).reshape(-1, 3)).reshape(2, -1)
    return np.min(areas, axis=0) > 0.0


def _fans(mesh: Mesh, large: Array) -> tuple[Array, Array]:
    """A triangle over each side of faces with their centre as third corner."""
    faces = mesh.faces[large]
    valid = faces >= 0
    following = np.roll(faces, -1, axis=1)
    last = mesh.corner_counts[large] - 1
    following[np.arange(len(large)), last] = faces[:, 0]
    rows, _ = np.nonzero(valid)
    centre = mesh.n_nodes + rows

    return np.stack([faces[valid], following[valid], centre], axis=1), large[rows]

"""Triangles of a mesh: the solver computes on triangles, so faces with more corners are split into them."""

from dataclasses import dataclass

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, signed_areas
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Triangles:
    """The faces of a mesh, split into triangles.

    Attributes:
        nodes: (N + M, 2) m, the nodes of the mesh, then the centres of the M faces with five or more corners.
        corners: (E, 3) nodes of each triangle, counter-clockwise.
        faces: (E,) face that each triangle is a part of, ascending.
    """

    nodes: Array
    corners: Array
    faces: Array


def split_faces(mesh: Mesh) -> Triangles:
    """Split the faces of a mesh into triangles.

    Triangles stay as they are, quadrilaterals are cut along a diagonal, and larger faces are cut from their centre to
    their corners. A quadrilateral is cut along its shorter diagonal, or along the other one if the shorter one leaves
    the face. Where both have the same length, as on a regular grid, a random one is taken (always the same), so that no
    direction of the plane is preferred.

    Raises:
        InputError: names the faces that these cuts cannot split.
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

    order = np.argsort(faces, kind="stable")  # the triangles of a face follow each other
    return Triangles(nodes, corners[order].astype(np.int64), faces[order])


def _halves(mesh: Mesh, quads: Array) -> tuple[Array, Array]:
    """Cut quadrilaterals along a diagonal: corners (2 Q, 3) and faces (2 Q,) of the triangles."""
    a, b, c, d = mesh.faces[quads, :4].T
    cut_ac = np.stack([[a, b, c], [a, c, d]])  # (2, 3, Q)
    cut_bd = np.stack([[a, b, d], [b, c, d]])
    ac_inside = _both_positive(mesh, cut_ac)
    bd_inside = _both_positive(mesh, cut_bd)

    length_ac = np.linalg.norm(mesh.nodes[a] - mesh.nodes[c], axis=1)
    length_bd = np.linalg.norm(mesh.nodes[b] - mesh.nodes[d], axis=1)
    random = np.random.default_rng(0).random(len(quads)) < 0.5
    ac_shorter = np.where(np.isclose(length_ac, length_bd, rtol=1e-3), random, length_ac < length_bd)
    chosen = np.where(ac_inside & (ac_shorter | ~bd_inside), cut_ac, cut_bd)

    return chosen.transpose(0, 2, 1).reshape(-1, 3), np.tile(quads, 2)


def _both_positive(mesh: Mesh, halves: Array) -> Array:
    """Return True for each face if both halves, (2, 3, Q), have a positive area: the cut lies inside the face."""
    areas = signed_areas(mesh.nodes, halves.transpose(0, 2, 1).reshape(-1, 3)).reshape(2, -1)
    return np.min(areas, axis=0) > 0.0


def _fans(mesh: Mesh, large: Array) -> tuple[Array, Array]:
    """Cut faces from their centre to their corners: corners and faces of the triangles, one over each side."""
    faces = mesh.faces[large]
    valid = faces >= 0
    following = np.roll(faces, -1, axis=1)
    last = mesh.corner_counts[large] - 1
    following[np.arange(len(large)), last] = faces[:, 0]
    rows, _ = np.nonzero(valid)
    centre = mesh.n_nodes + rows

    return np.stack([faces[valid], following[valid], centre], axis=1), large[rows]

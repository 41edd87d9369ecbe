"""Deformation of the ice on each face: divergence, shear and vorticity of the drift."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.mesh.geometry import face_gradient
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.gradients import centre_gradient
from gensim_graph.typing import Array


@dataclass(frozen=True)
class Deformation:
    """Invariants of the velocity gradient, (..., F) each, 1/s.

    Attributes:
        divergence: u_x + v_y, positive where leads open.
        shear: sqrt((u_x - v_y)^2 + (u_y + v_x)^2), never negative.
        vorticity: v_x - u_y, positive counter-clockwise.
    """

    divergence: Array
    shear: Array
    vorticity: Array

    @property
    def total(self) -> Array:
        """Total deformation sqrt(divergence^2 + shear^2), 1/s."""
        return np.hypot(self.divergence, self.shear)


def compute_deformation(mesh: Mesh, u: Array, v: Array, location: Literal["node", "face"] = "face") -> Deformation:
    """Compute the deformation rates of a velocity field.

    Args:
        mesh: the mesh.
        u: x component along the axes of the plane in m/s, (..., N) at the nodes or (..., F) on the faces.
        v: y component in m/s, of the same shape.
        location: position of the velocity, see :func:`velocity_gradient`.

    Raises:
        InputError: the shapes do not fit the mesh.
    """
    return invariants(velocity_gradient(mesh, u, v, location))


def invariants(gradient: Array) -> Deformation:
    """Invariants of velocity gradients (2, 2, ..., F): [[u_x, u_y], [v_x, v_y]], 1/s."""
    (u_x, u_y), (v_x, v_y) = gradient
    return Deformation(u_x + v_y, np.hypot(u_x - v_y, u_y + v_x), v_x - u_y)


def velocity_gradient(mesh: Mesh, u: Array, v: Array, location: Literal["node", "face"] = "face") -> Array:
    """Compute the gradient of a velocity field on each face.

    Args:
        mesh: the mesh.
        u: x component along the axes of the plane in m/s, (..., N) at the nodes or (..., F) on the faces.
        v: y component in m/s, of the same shape.
        location: position of the velocity. ``node``: the gradient is that of linear finite elements. ``face``: it is a
            least-squares fit over the neighbours, which spans about two faces and is smoother.

    Returns:
        (2, 2, ..., F): [[u_x, u_y], [v_x, v_y]], 1/s.

    Raises:
        InputError: the shapes do not fit the mesh.
    """
    expected = mesh.n_nodes if location == "node" else mesh.n_faces
    if u.shape != v.shape or u.shape[-1:] != (expected,):
        raise InputError(f"velocity on {location}s needs shape (..., {expected}); got u {u.shape} and v {v.shape}")

    both = np.stack([u, v])
    at_nodes = location == "node"
    gradient = face_gradient(mesh.nodes, mesh.faces, both) if at_nodes else centre_gradient(mesh, both)

    return np.moveaxis(gradient, -1, 1)

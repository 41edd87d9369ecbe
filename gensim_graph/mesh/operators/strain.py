"""Deformation of the ice: how the drift stretches, shears and turns, per face."""

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
    """Invariants of the velocity gradient, (..., F) 1/s.

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
    """Deformation of a velocity field along the axes of the plane; arguments as of :func:`velocity_gradient`."""
    return invariants(velocity_gradient(mesh, u, v, location))


def invariants(gradient: Array) -> Deformation:
    """Invariants of velocity gradients (2, 2, ..., F): [[u_x, u_y], [v_x, v_y]], 1/s."""
    (u_x, u_y), (v_x, v_y) = gradient
    return Deformation(u_x + v_y, np.hypot(u_x - v_y, u_y + v_x), v_x - u_y)


def velocity_gradient(mesh: Mesh, u: Array, v: Array, location: Literal["node", "face"] = "face") -> Array:
    """Gradient of a velocity field along the axes of the plane, per face.

    Args:
        mesh: the mesh.
        u: x component in m/s, (..., N) at the nodes or (..., F) on the faces.
        v: y component in m/s, of the same shape.
        location: where the velocity is. At nodes the gradient is the one of linear finite elements; on faces a least
            squares fit over the neighbours, which spans about two faces and is smoother.

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

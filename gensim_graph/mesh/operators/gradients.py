"""Gradients of fields given on faces, by least squares over the neighbouring faces.

For each face, a plane is fitted to the values at the centres of its neighbours, with weights of inverse squared
distance. An interior face uses the neighbours across its sides, which smooths least. A face on the boundary uses all
faces that share a node with it. The gradient is exact for linear fields if a face has two neighbours in different
directions; if all neighbours lie on one line, the component across this line is 0.
"""

from functools import cached_property

import numpy as np
from scipy.sparse import csr_array, vstack

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array

_IN_LINE = 1e-6  # neighbours lie on one line if the ratio of the eigenvalues of the normal matrix is smaller than this


class GradientOperator:
    """Least-squares gradients of many fields on one mesh; its sparse matrices are computed once, at the first call.

    Args:
        mesh: the mesh.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh

    @cached_property
    def _double(self) -> csr_array:
        """Matrix (2 F, F) of both derivatives in double precision."""
        return vstack(centre_gradient_operators(self._mesh), format="csr")

    @cached_property
    def _single(self) -> csr_array:
        return self._double.astype(np.float32)

    def __call__(self, *fields: Array) -> Array:
        """Compute the gradients of fields on the faces, in single precision if all fields are float32.

        Args:
            *fields: (M, F) each, M members.

        Returns:
            (fields, 2, M, F) in units of the field per m: derivatives along x and y of the plane.
        """
        operator = self._single if np.result_type(*fields) == np.float32 else self._double
        members, faces = fields[0].shape
        columns = np.concatenate([field.T for field in fields], axis=1)  # the product reads one row for each face
        gradient = (operator @ columns).reshape(2, faces, len(fields), members)
        return gradient.transpose(2, 0, 3, 1)


def centre_gradient(mesh: Mesh, face_values: Array) -> Array:
    """Gradient at the centres of the faces, in double precision; for many fields use :class:`GradientOperator`.

    Args:
        mesh: the mesh.
        face_values: (..., F), any unit.

    Returns:
        (..., F, 2) in units of the field per m, along the axes of the plane.
    """
    flat = face_values.reshape(-1, mesh.n_faces).astype(np.float64)
    along_x, along_y = GradientOperator(mesh)(flat)[0]
    shape = face_values.shape
    return np.stack([along_x.reshape(shape), along_y.reshape(shape)], axis=-1)


def centre_gradient_operators(mesh: Mesh) -> tuple[csr_array, csr_array]:
    """Sparse matrices (F, F) that give the derivatives along x and y of values on faces, 1/m."""
    pairs = neighbour_pairs(mesh)
    step = mesh.centres[pairs[:, 1]] - mesh.centres[pairs[:, 0]]
    weighted = step / (step**2).sum(axis=1, keepdims=True)
    products = weighted[:, :, None] * step[:, None, :]

    normal = np.zeros((mesh.n_faces, 2, 2))
    np.add.at(normal, pairs[:, 0], products)
    inverse = np.linalg.pinv(normal, rcond=_IN_LINE, hermitian=True)
    slope = np.einsum("pij,pj->pi", inverse[pairs[:, 0]], weighted)

    return _differences(pairs, slope[:, 0], mesh.n_faces), _differences(pairs, slope[:, 1], mesh.n_faces)


def neighbour_pairs(mesh: Mesh) -> Array:
    """Pairs (P, 2) of each face and the neighbours that its gradient uses."""
    across = mesh.adjacency.faces
    both = np.concatenate([across, across[:, ::-1]])
    on_boundary = np.zeros(mesh.n_faces, dtype=bool)
    on_boundary[mesh.boundary_faces] = True
    interior = both[~on_boundary[both[:, 0]]]

    return np.concatenate([interior, _sharing_a_node(mesh, np.flatnonzero(on_boundary))])


def _sharing_a_node(mesh: Mesh, some: Array) -> Array:
    """Pairs (P, 2) of some faces and all other faces that share a node with them."""
    valid = mesh.faces >= 0
    owners = np.repeat(np.arange(mesh.n_faces), mesh.corner_counts)
    has = csr_array((np.ones(len(owners)), (owners, mesh.faces[valid])), shape=(mesh.n_faces, mesh.n_nodes))
    shared = (has[some] @ has.T).tocoo()
    pairs = np.stack([some[shared.coords[0]], shared.coords[1]], axis=1)

    return pairs[pairs[:, 0] != pairs[:, 1]]


def _differences(pairs: Array, weight: Array, n_faces: int) -> csr_array:
    """Matrix (F, F) of sum_j w_ij (f_j - f_i) over the pairs (i, j)."""
    itself = np.arange(n_faces)
    rows = np.concatenate([pairs[:, 0], itself])
    columns = np.concatenate([pairs[:, 1], itself])
    diagonal = -np.bincount(pairs[:, 0], weight, minlength=n_faces)
    return csr_array((np.concatenate([weight, diagonal]), (rows, columns)), shape=(n_faces, n_faces))

"""Gradients of fields given on faces, by least squares over the neighbouring faces.

The plane through the values at the centres, weighted by inverse squared distance. Interior faces use the neighbours
across their sides, which smooths least; faces on the boundary all faces that share a node. Exact for linear fields
wherever a face has two neighbours that are not in line with it; otherwise the component across is 0.
"""

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array

_IN_LINE = 1e-6  # smallest eigenvalue of the normal matrix, of its largest, that counts as a second direction


def neighbour_pairs(mesh: Mesh) -> Array:
    """Pairs (face, neighbour) that the gradient uses, (P, 2)."""
    across = mesh.adjacency.faces
    both = np.concatenate([across, across[:, ::-1]])
    on_rim = np.zeros(mesh.n_faces, dtype=bool)
    on_rim[mesh.boundary_faces] = True
    return np.concatenate([both[~on_rim[both[:, 0]]], _sharing_a_node(mesh, np.flatnonzero(on_rim))])


def _sharing_a_node(mesh: Mesh, some: Array) -> Array:
    valid = mesh.faces >= 0
    owners = np.repeat(np.arange(mesh.n_faces), mesh.corner_counts)
    has = csr_array((np.ones(len(owners)), (owners, mesh.faces[valid])), shape=(mesh.n_faces, mesh.n_nodes))
    shared = (has[some] @ has.T).tocoo()
    pairs = np.stack([some[shared.coords[0]], shared.coords[1]], axis=1)

    return pairs[pairs[:, 0] != pairs[:, 1]]


def centre_gradient_operators(mesh: Mesh) -> tuple[csr_array, csr_array]:
    """Sparse matrices (F, F) that turn values on faces into their x and y derivative, 1/m."""
    pairs = neighbour_pairs(mesh)
    step = mesh.centres[pairs[:, 1]] - mesh.centres[pairs[:, 0]]
    weighted = step / (step**2).sum(axis=1, keepdims=True)
    products = weighted[:, :, None] * step[:, None, :]
    normal = np.zeros((mesh.n_faces, 2, 2))
    np.add.at(normal, pairs[:, 0], products)
    inverse = np.linalg.pinv(normal, rcond=_IN_LINE, hermitian=True)
    slope = np.einsum("pij,pj->pi", inverse[pairs[:, 0]], weighted)

    return _differences(pairs, slope[:, 0], mesh.n_faces), _differences(pairs, slope[:, 1], mesh.n_faces)


def _differences(pairs: Array, weight: Array, n_faces: int) -> csr_array:
    """Matrix of sum_j w_ij (f_j - f_i)."""
    itself = np.arange(n_faces)
    rows = np.concatenate([pairs[:, 0], itself])
    columns = np.concatenate([pairs[:, 1], itself])
    diagonal = -np.bincount(pairs[:, 0], weight, minlength=n_faces)
    return csr_array((np.concatenate([weight, diagonal]), (rows, columns)), shape=(n_faces, n_faces))


def centre_gradient(mesh: Mesh, face_values: Array) -> Array:
    """Gradient at the centres of a field given on faces: (..., F) -> (..., F, 2), units of the field per m."""
    flat = face_values.reshape(-1, mesh.n_faces).T
    parts = [(operator @ flat).T.reshape(face_values.shape) for operator in centre_gradient_operators(mesh)]
    return np.stack(parts, axis=-1)

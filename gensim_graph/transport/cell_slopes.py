"""Weights on each mesh: slopes of fields in the cells, and drift at the sides from the drift at the cells."""

import numpy as np
from scipy.sparse import csr_array, diags_array, eye_array

from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import centre_gradient_operators
from gensim_graph.transport.sides import Sides
from gensim_graph.typing import Array

_IN_LINE = 1e-6  # neighbours lie on one line if the ratio of the eigenvalues of the normal matrix is smaller than this


def slope_weights(mesh: Mesh, sides: Sides) -> Array:
    r"""Weights of the differences to the neighbours in the slope of a field in each cell.

    A plane through the value of the cell is fitted to the values at the centres of the neighbours across its sides,
    with weights of inverse squared distance. With the vectors :math:`r_j` to these centres:

    .. math:: \nabla q_i = \sum_j w_{ij}\, (q_j - q_i), \quad
        w_{ij} = \Big( \sum_j \frac{r_j r_j^T}{|r_j|^2} \Big)^{-1} \frac{r_j}{|r_j|^2}

    It is exact for linear fields if there are two neighbours in different directions. If all neighbours lie on one
    line, the slope across this line is 0.

    Args:
        mesh: the mesh.
        sides: its sides.

    Returns:
        (2, place, cell) 1/m, along x and y of the plane; 0 on open boundaries and in gaps.
    """
    neighbours = sides.neighbours.cpu().numpy()
    step = mesh.centres[neighbours] - mesh.centres
    squared = (step**2).sum(axis=-1, keepdims=True)
    scaled = np.divide(step, squared, out=np.zeros_like(step), where=squared > 0.0)

    normal = np.einsum("pci,pcj->cij", scaled, step)
    inverse = np.linalg.pinv(normal, rcond=_IN_LINE, hermitian=True)

    return np.einsum("cij,pcj->ipc", inverse, scaled)


def side_offsets(mesh: Mesh, sides: Sides) -> tuple[Array, Array]:
    """Vectors from the centres of the left and of the right cell to the middle of each side: (2, side) m each.

    Args:
        mesh: the mesh.
        sides: its sides.
    """
    middle = mesh.nodes[sides.ends.cpu().numpy()].mean(axis=0)
    from_left, from_right = (middle - mesh.centres[cells.cpu().numpy()] for cells in (sides.left, sides.right))
    return from_left.T, from_right.T


def drift_terms(mesh: Mesh, sides: Sides) -> tuple[Array, Array]:
    r"""Weights of the cells in the drift at the middle of each side.

    The drift on a side is the mean of what linear fits of both cells give there, so that a linear drift is exact on any
    mesh: its net outflow from each cell is the area times the divergence.

    .. math:: u_s = \tfrac{1}{2} (u_l + \nabla u_l \cdot (x_s - x_l) + u_r + \nabla u_r \cdot (x_s - x_r))

    Cells on the boundary use all cells that share a node with them
    (:func:`~gensim_graph.mesh.operators.centre_gradient_operators`).

    Args:
        mesh: the mesh.
        sides: its sides.

    Returns:
        cells: (term, side) numbers of the cells that count; 0 in gaps.
        weights: (term, side) their weights; 0 in gaps.
    """
    along_x, along_y = centre_gradient_operators(mesh)
    values = eye_array(mesh.n_faces, format="csr")
    total = csr_array((len(sides.left), mesh.n_faces))

    for cells, (x, y) in zip((sides.left, sides.right), side_offsets(mesh, sides), strict=True):
        cell = cells.cpu().numpy()
        total += 0.5 * (values[cell] + diags_array(x) @ along_x[cell] + diags_array(y) @ along_y[cell])

    return _padded_rows(total)


def _padded_rows(matrix: csr_array) -> tuple[Array, Array]:
    """Columns and values of the rows of a sparse matrix, both (largest number of values, rows), 0 in gaps."""
    matrix = csr_array(matrix)
    matrix.sum_duplicates()
    counts = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(len(row)) - matrix.indptr[row]

    columns = np.zeros((counts.max(), len(counts)), dtype=np.int64)
    values = np.zeros(columns.shape)
    columns[place, row] = matrix.indices
    values[place, row] = matrix.data

    return columns, values

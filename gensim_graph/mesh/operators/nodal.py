"""Averages of fields from faces to nodes that are exact for linear fields.

:meth:`Mesh.to_nodes <gensim_graph.mesh.Mesh.to_nodes>` takes the mean over the faces around a node. On an irregular
mesh and on the boundary, the mean of their centres is not the node, so a linear field is not kept. Here the value of
each face is first extrapolated to the node with the gradient in the face. The result can lie outside the range of the
values around the node: use it for drift and fluxes, not for variables with bounds.
"""

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.gradients import centre_gradient_operators


def node_operator(mesh: Mesh) -> csr_array:
    """Sparse matrix (N, F) from faces to nodes: area-weighted mean of the values extrapolated from the faces around."""
    valid = mesh.faces >= 0
    nodes = mesh.faces[valid]
    faces = np.repeat(np.arange(mesh.n_faces), mesh.corner_counts)
    area = np.bincount(nodes, mesh.areas[faces], minlength=mesh.n_nodes)
    weight = mesh.areas[faces] / area[nodes]
    step = mesh.nodes[nodes] - mesh.centres[faces]

    shape = (mesh.n_nodes, mesh.n_faces)
    mean, along_x, along_y = (
        csr_array((part, (nodes, faces)), shape=shape) for part in (weight, weight * step[:, 0], weight * step[:, 1])
    )
    slope_x, slope_y = centre_gradient_operators(mesh)

    return csr_array(mean + along_x @ slope_x + along_y @ slope_y)

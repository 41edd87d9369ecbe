"""Fields on faces brought to the nodes, exactly where they are linear.

:meth:`Mesh.to_nodes <gensim_graph.mesh.Mesh.to_nodes>` takes the mean over the faces around a node, whose middle is not
the node on an irregular mesh, nor at its rim. Here each face is extended to the node with its gradient first. That may
leave the range of the faces around: for drifts and fluxes, not for what has bounds.
"""

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.gradients import centre_gradient_operators


def node_operator(mesh: Mesh) -> csr_array:
    """Matrix (N, F) from faces to nodes: mean over the faces around, each extended linearly, weighted with area."""
    valid = mesh.faces >= 0
    nodes, faces = mesh.faces[valid], np.repeat(np.arange(mesh.n_faces), mesh.corner_counts)
    weight = mesh.areas[faces] / np.bincount(nodes, mesh.areas[faces], minlength=mesh.n_nodes)[nodes]
    step = mesh.nodes[nodes] - mesh.centres[faces]
    shape = (mesh.n_nodes, mesh.n_faces)
    mean, along_x, along_y = (
        csr_array((part, (nodes, faces)), shape=shape) for part in (weight, weight * step[:, 0], weight * step[:, 1])
    )
    slope_x, slope_y = centre_gradient_operators(mesh)

    return csr_array(mean + along_x @ slope_x + along_y @ slope_y)

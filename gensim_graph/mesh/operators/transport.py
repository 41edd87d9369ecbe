r"""What a drift carries: transport through the sides of the faces, exactly conserved.

Fields on faces are brought to the nodes (:mod:`~gensim_graph.mesh.operators.nodal`), are linear along every side there, and
the flux through it is their exact integral:

.. math:: \int_{side} q\, u \cdot n\, ds = \frac{L}{6} (2 q_1 u_1 + q_1 u_2 + q_2 u_1 + 2 q_2 u_2) \cdot n

What leaves a face enters its neighbour. Nothing passes the coast; through an open boundary the drift there carries what
is there. Exact where the field or the drift is constant and the other one linear; else the error falls with the square
of the spacing on a grid, and with the spacing on an irregular mesh.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.nodal import node_operator
from gensim_graph.typing import Array


class Transport:
    """Divergence of fluxes on one mesh."""

    def __init__(self, mesh: Mesh) -> None:
        self._to_nodes = node_operator(mesh)
        first, second = mesh.adjacency.faces.T
        across = mesh.boundary_kind != "coast"
        rim, beside = mesh.boundary_edges[across], mesh.boundary_faces[across]
        self._ends = np.concatenate([mesh.adjacency.edges, rim])
        along = mesh.nodes[self._ends[:, 1]] - mesh.nodes[self._ends[:, 0]]
        self._normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)  # away from the face on the left, as long as L
        inner, sides = np.arange(len(first)), len(self._ends)
        rows = np.concatenate([first, second, beside])
        columns = np.concatenate([inner, inner, np.arange(len(first), sides)])
        signs = np.concatenate([np.ones(len(first)), -np.ones(len(first)), np.ones(len(rim))])
        self._out = csr_array((signs / mesh.areas[rows], (rows, columns)), shape=(mesh.n_faces, sides))

    def terms(self, u: Array, v: Array, fields: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Divergence of the drift, and of what it carries.

        Args:
            u, v: drift on the faces (M, F), m/s.
            fields: (M, F) each.

        Returns:
            div u (F, M) in 1/s, and div(q u) (F, M) of every field in its units per s, members last.
        """
        precision = np.result_type(u, v, *fields)
        to_nodes, out, normal = (part.astype(precision) for part in (self._to_nodes, self._out, self._normal))
        x, y = to_nodes @ u.T, to_nodes @ v.T
        # Drift times length out of the face on the left, at both ends of every side.
        first, second = (normal[:, :1] * x[end] + normal[:, 1:] * y[end] for end in self._ends.T)
        weights = (2 * first + second) / 6, (first + 2 * second) / 6
        carried = []

        for field in fields:
            at_nodes = to_nodes @ field.T
            flux = sum(at_nodes[end] * weight for end, weight in zip(self._ends.T, weights, strict=True))
            carried.append(np.asarray(out @ flux))

        return np.asarray(out @ (weights[0] + weights[1])), carried

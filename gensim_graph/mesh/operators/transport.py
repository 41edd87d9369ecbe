r"""Transport by the drift through the sides of the faces; it conserves the total exactly.

Fields on faces are brought to the nodes (:mod:`~gensim_graph.mesh.operators.nodal`). Field and drift are linear along
each side, and the flux through the side is the exact integral of their product:

.. math:: \int_{side} q\, u \cdot n\, ds = \frac{L}{6} (2 q_1 u_1 + q_1 u_2 + q_2 u_1 + 2 q_2 u_2) \cdot n

with the field q, the drift u, the normal n and the length L of the side, and its two end nodes 1 and 2. What leaves a
face enters its neighbour. The flux through a coast is 0; through an open boundary it is computed from the field and the
drift on the boundary. The divergence is exact if one of field and drift is constant and the other linear. Otherwise the
error decreases with the square of the spacing on a grid, and with the spacing on an irregular mesh.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.nodal import node_operator
from gensim_graph.typing import Array


class Transport:
    """Divergence of fluxes on one mesh.

    Args:
        mesh: the mesh.
    """

    def __init__(self, mesh: Mesh) -> None:
        self._to_nodes = node_operator(mesh)
        first, second = mesh.adjacency.faces.T
        is_open = mesh.boundary_kind != "coast"
        open_edges, open_faces = mesh.boundary_edges[is_open], mesh.boundary_faces[is_open]

        self._ends = np.concatenate([mesh.adjacency.edges, open_edges])
        along = mesh.nodes[self._ends[:, 1]] - mesh.nodes[self._ends[:, 0]]
        self._normal = np.stack([along[:, 1], -along[:, 0]], axis=-1)  # L n, out of the face on the left

        inner, sides = np.arange(len(first)), len(self._ends)
        rows = np.concatenate([first, second, open_faces])
        columns = np.concatenate([inner, inner, np.arange(len(first), sides)])
        signs = np.concatenate([np.ones(len(first)), -np.ones(len(first)), np.ones(len(open_edges))])
        self._out = csr_array((signs / mesh.areas[rows], (rows, columns)), shape=(mesh.n_faces, sides))

    def terms(self, u: Array, v: Array, fields: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Compute the divergence of the drift and of the fluxes of fields.

        Args:
            u: (M, F) x component of the drift on the faces along the axes of the plane, m/s.
            v: (M, F) y component, m/s.
            fields: (M, F) each, fields q that the drift transports.

        Returns:
            div u (F, M) in 1/s, and for each field div(q u) (F, M) in units of the field per s. Members are last.
        """
        precision = np.result_type(u, v, *fields)
        to_nodes, out, normal = (part.astype(precision) for part in (self._to_nodes, self._out, self._normal))
        x, y = to_nodes @ u.T, to_nodes @ v.T

        # L u . n at both ends of each side.
        first, second = (normal[:, :1] * x[end] + normal[:, 1:] * y[end] for end in self._ends.T)
        weights = (2 * first + second) / 6, (first + 2 * second) / 6
        carried = []

        for field in fields:
            at_nodes = to_nodes @ field.T
            flux = sum(at_nodes[end] * weight for end, weight in zip(self._ends.T, weights, strict=True))
            carried.append(np.asarray(out @ flux))

        return np.asarray(out @ (weights[0] + weights[1])), carried

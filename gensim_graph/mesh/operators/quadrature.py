"""Points that are spread evenly over each face of a mesh, for means over the faces of fields that vary within them."""

import numpy as np
from scipy.sparse import csr_array, diags_array

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


def points_in_faces(mesh: Mesh, cuts: int) -> tuple[Array, csr_array]:
    """Spread points over the faces.

    Polygons are cut into triangles around their first corner, and each triangle into ``cuts`` squared equal parts. The
    points are the centres of the parts.

    Args:
        mesh: the mesh.
        cuts: number of parts of each side of a triangle.

    Returns:
        Points (P, 2) in m, and the matrix (F, P) of the means over each face. They are exact for linear fields.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.mesh.operators import points_in_faces
        >>> mesh = gg.Mesh.from_grid(np.array([500.0, 1500.0]), np.array([500.0, 1500.0]))
        >>> points, means = points_in_faces(mesh, cuts=3)
        >>> (means @ points[:, 0]).round(6).tolist()
        [500.0, 1500.0, 500.0, 1500.0]
    """
    triangles, owners = fan_triangles(mesh.faces)
    corners = mesh.nodes[triangles]
    shares = _centres_of_parts(cuts)
    points = np.einsum("qc,tcd->tqd", shares, corners).reshape(-1, 2)

    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = 0.5 * np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])
    rows = np.repeat(owners, len(shares))
    sums = csr_array((np.repeat(areas, len(shares)), (rows, np.arange(len(rows)))), shape=(mesh.n_faces, len(rows)))

    return points, (diags_array(1.0 / np.asarray(sums.sum(axis=1)).ravel()) @ sums).tocsr()


def _centres_of_parts(cuts: int) -> Array:
    """Barycentric coordinates (cuts**2, 3) of the centres of the equal parts of a triangle with sides cut evenly."""
    upright = [(i + 1 / 3, j + 1 / 3) for i in range(cuts) for j in range(cuts - i)]
    inverted = [(i + 2 / 3, j + 2 / 3) for i in range(cuts) for j in range(cuts - i - 1)]
    second, third = np.array(upright + inverted).T / cuts
    return np.stack([1.0 - second - third, second, third], axis=1)

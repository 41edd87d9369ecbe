"""A part of a mesh as a mesh of its own: some of its faces, whose new rim is an open boundary."""

import numpy as np

from gensim_graph.mesh.build import MeshArrays, named_boundaries
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import edge_table, find_pairs
from gensim_graph.typing import Array


def cut_out(mesh: Mesh, faces: Array) -> Mesh:
    """Return some faces of a mesh as a mesh of its own.

    Edges on the coast stay coast; where the part was connected with the rest, its boundary is open.

    Args:
        mesh: the whole mesh.
        faces: (n,) numbers of the faces, in the order that they shall have.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.mesh import cut_out
        >>> axis = np.arange(4) * 10e3
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> part = cut_out(mesh, np.array([0, 1, 4, 5]))
        >>> part.n_faces, sorted(part.boundary_kind.tolist())
        (4, ['coast', 'coast', 'coast', 'coast', 'open', 'open', 'open', 'open'])
    """
    chosen = mesh.faces[faces]
    edges = edge_table(chosen, mesh.n_nodes)
    rim = edges.nodes[edges.single]
    coast = mesh.boundary_edges[mesh.boundary_kind == "coast"]
    is_coast = find_pairs(rim, coast, mesh.n_nodes) >= 0

    nodes, number = np.unique(chosen[chosen >= 0], return_inverse=True)
    table = np.full_like(chosen, -1)
    table[chosen >= 0] = number
    renumbered = np.searchsorted(nodes, rim)

    return Mesh.from_arrays(
        MeshArrays(mesh.nodes[nodes], table, named_boundaries(renumbered, is_coast, ~is_coast), mesh.crs)
    )

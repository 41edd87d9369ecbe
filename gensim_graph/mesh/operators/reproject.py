"""Projection of a mesh to another plane."""

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.planes import drawable, plane_name, project, unproject
from gensim_graph.mesh.validity import first_few


def in_plane(mesh: Mesh, crs: CRS) -> Mesh:
    """Project the nodes of a mesh to another plane; faces keep their order.

    Sides are straight lines in both planes, so faces change slightly: by about the square of their size over the radius
    of the Earth.

    Args:
        mesh: the mesh.
        crs: the other plane.

    Raises:
        InputError: the mesh has no plane, or the other plane cannot show some of its faces.
    """
    if mesh.crs is None:
        raise InputError(f"a mesh without crs cannot be drawn in '{plane_name(crs)}'; load it with crs=")

    if mesh.crs == crs:
        return mesh

    vectors = unproject(mesh.nodes, mesh.crs)
    nodes = project(vectors, crs)
    lost = np.flatnonzero(~drawable(vectors, nodes, mesh.faces))

    if len(lost):
        raise InputError(
            f"the plane '{plane_name(crs)}' cannot show faces {first_few(lost)}; choose one around the data"
        )

    return Mesh(nodes, mesh.faces, mesh.boundaries, crs, mesh.grid_shape, mesh.grid_index)

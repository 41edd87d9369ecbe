"""A mesh drawn in another plane."""

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.planes import drawable, plane_name, project, unproject
from gensim_graph.mesh.validity import first_few


def in_plane(mesh: Mesh, crs: CRS) -> Mesh:
    """The same faces, in the same order, with the nodes in the plane of ``crs``.

    Sides are straight in either plane, so faces change a little where they are large: by their size over the radius of
    the Earth, squared.

    Raises:
        InputError: the mesh has no plane, or some of its faces cannot be shown in the other one.
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

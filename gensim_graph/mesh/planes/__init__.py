"""Planes: projections between the globe and the plane of a mesh, and directions of vectors in both.

Every mesh lies in a plane with coordinates in metres. Points in longitude and latitude are projected once, when a file
is read. Directions on the globe are unit vectors (..., 3).

Read :mod:`~gensim_graph.mesh.planes.plane` first (choice of a plane, projection, local scale and rotation), then
:mod:`~gensim_graph.mesh.planes.frame` (rotation of vectors from east and north, or from the axes of a grid, to the axes
of the plane). :mod:`~gensim_graph.mesh.planes.nextsim_plane` is the projection of neXtSIM.
"""

from gensim_graph.mesh.planes.crs import as_crs, plane_name, semi_axes
from gensim_graph.mesh.planes.frame import (
    Frame,
    axes_of_plane,
    axes_on_globe,
    east_north,
    east_north_at,
    grid_axes,
    plane_axes,
)
from gensim_graph.mesh.planes.nextsim_plane import NEXTSIM_CRS, lonlat_to_plane, on_sphere, sphere_to_plane
from gensim_graph.mesh.planes.plane import (
    choose_plane,
    degrees_to_vectors,
    drawable,
    local_directions,
    local_jacobian,
    lonlat,
    project,
    unit_vectors,
    unproject,
)

__all__ = [
    "NEXTSIM_CRS",
    "Frame",
    "as_crs",
    "axes_of_plane",
    "axes_on_globe",
    "choose_plane",
    "degrees_to_vectors",
    "drawable",
    "east_north",
    "east_north_at",
    "grid_axes",
    "local_directions",
    "local_jacobian",
    "lonlat",
    "lonlat_to_plane",
    "on_sphere",
    "plane_axes",
    "plane_name",
    "project",
    "semi_axes",
    "sphere_to_plane",
    "unit_vectors",
    "unproject",
]

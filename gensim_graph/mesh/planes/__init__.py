"""TODO gensim_graph.mesh.planes."""

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
    plane_name,
    project,
    semi_axes,
    unit_vectors,
    unproject,
)

__all__ = [
    "NEXTSIM_CRS",
    "Frame",
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

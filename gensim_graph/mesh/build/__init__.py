"""TODO gensim_graph.mesh.build."""

from gensim_graph.mesh.build.arrays import MeshArrays, assemble
from gensim_graph.mesh.build.cells import CornerCells, arrays_of_cells
from gensim_graph.mesh.build.degrees import axis_lattice, degree_grid, globe_cells, known_degrees, straight_axes
from gensim_graph.mesh.build.globe import Drawing, arrays_of_drawing, from_globe, named_boundaries, on_plane, rim
from gensim_graph.mesh.build.grid import coast_and_rim, corners, ocean_mask, plane_grid, quadrilaterals
from gensim_graph.mesh.build.lattice import corners_from_centres, with_first
from gensim_graph.mesh.build.points import point_cells

__all__ = [
    "CornerCells",
    "Drawing",
    "MeshArrays",
    "arrays_of_cells",
    "arrays_of_drawing",
    "assemble",
    "axis_lattice",
    "coast_and_rim",
    "corners",
    "corners_from_centres",
    "degree_grid",
    "from_globe",
    "globe_cells",
    "known_degrees",
    "named_boundaries",
    "ocean_mask",
    "on_plane",
    "plane_grid",
    "point_cells",
    "quadrilaterals",
    "rim",
    "straight_axes",
    "with_first",
]

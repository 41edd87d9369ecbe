"""Builders: from faces, grids, cells with corners or scattered points to the checked arrays of a mesh.

Builders return :class:`MeshArrays`; the class :class:`~gensim_graph.mesh.Mesh` wraps them. Users call
:meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`, ``from_grid`` or ``from_points``; readers of files call the
builders.

Read :mod:`~gensim_graph.mesh.build.arrays` first (all builders end there), and
:mod:`~gensim_graph.mesh.build.lengths`, which warns of coordinates that are hardly metres. Then read, for data in a
plane, :mod:`~gensim_graph.mesh.build.grid` and :mod:`~gensim_graph.mesh.build.points`; for data on the globe,
:mod:`~gensim_graph.mesh.build.globe` (nodes and faces), :mod:`~gensim_graph.mesh.build.cells` (cells with corners of
their own), :mod:`~gensim_graph.mesh.build.lattice`, :mod:`~gensim_graph.mesh.build.tiles` with
:mod:`~gensim_graph.mesh.build.tile_sides`, and :mod:`~gensim_graph.mesh.build.degrees` (grids).
"""

from gensim_graph.mesh.build.arrays import MeshArrays, assemble, named_boundaries
from gensim_graph.mesh.build.cells import CornerCells, arrays_of_cells
from gensim_graph.mesh.build.degrees import axis_lattice, degree_grid, globe_cells, known_degrees, straight_axes
from gensim_graph.mesh.build.globe import Drawing, arrays_of_drawing, from_globe, on_plane, rim
from gensim_graph.mesh.build.grid import coast_and_rim, corners, ocean_mask, plane_grid, quadrilaterals
from gensim_graph.mesh.build.lattice import corners_from_centres, shared_columns, with_first
from gensim_graph.mesh.build.lengths import in_metres, problem_with_lengths
from gensim_graph.mesh.build.points import point_cells
from gensim_graph.mesh.build.tile_sides import open_sides
from gensim_graph.mesh.build.tiles import completed_corners, tile_corners, tile_quadrilaterals

__all__ = [
    "CornerCells",
    "Drawing",
    "MeshArrays",
    "arrays_of_cells",
    "arrays_of_drawing",
    "assemble",
    "axis_lattice",
    "coast_and_rim",
    "completed_corners",
    "corners",
    "corners_from_centres",
    "degree_grid",
    "from_globe",
    "globe_cells",
    "in_metres",
    "known_degrees",
    "named_boundaries",
    "ocean_mask",
    "on_plane",
    "open_sides",
    "plane_grid",
    "point_cells",
    "problem_with_lengths",
    "quadrilaterals",
    "rim",
    "shared_columns",
    "straight_axes",
    "tile_corners",
    "tile_quadrilaterals",
    "with_first",
]

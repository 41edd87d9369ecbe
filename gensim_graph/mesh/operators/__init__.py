"""Operators on fields of a mesh: derivatives, averages, remapping, trajectories, contours.

Fields are on faces (..., F) or at nodes (..., N). Vectors are along the axes of the plane of the mesh.

Read :mod:`~gensim_graph.mesh.operators.gradients` and :mod:`~gensim_graph.mesh.operators.nodal` first: several others
use them. Then, independent of each other:

- deformation and transport by a drift: :mod:`~gensim_graph.mesh.operators.strain`,
  :mod:`~gensim_graph.mesh.operators.transport`;
- points that drift, and maps as pixels: :mod:`~gensim_graph.mesh.operators.paths`,
  :mod:`~gensim_graph.mesh.operators.rasterise`;
- points within faces, for means over them: :mod:`~gensim_graph.mesh.operators.quadrature`;
- lines of equal value: :mod:`~gensim_graph.mesh.operators.contours`;
- from one mesh to another: :mod:`~gensim_graph.mesh.operators.overlap`,
  :mod:`~gensim_graph.mesh.operators.remap`, :mod:`~gensim_graph.mesh.operators.reproject`;
- true areas and lengths on the Earth: :mod:`~gensim_graph.mesh.operators.sphere`.
"""

from gensim_graph.mesh.operators.contours import Contour, ContourFinder
from gensim_graph.mesh.operators.gradients import GradientOperator, centre_gradient_operators
from gensim_graph.mesh.operators.nodal import node_operator
from gensim_graph.mesh.operators.overlap import overlaps, polygons
from gensim_graph.mesh.operators.paths import Drift, Locator, advect
from gensim_graph.mesh.operators.quadrature import points_in_faces
from gensim_graph.mesh.operators.rasterise import raster
from gensim_graph.mesh.operators.remap import (
    areal_scale,
    conservative_weights,
    covered,
    linear_weights,
    points_in_plane,
    remap_faces,
    rotation,
)
from gensim_graph.mesh.operators.reproject import in_plane
from gensim_graph.mesh.operators.sphere import scale_factors, true_areas
from gensim_graph.mesh.operators.strain import Deformation, compute_deformation, invariants, velocity_gradient
from gensim_graph.mesh.operators.transport import Transport

__all__ = [
    "Contour",
    "ContourFinder",
    "Deformation",
    "Drift",
    "GradientOperator",
    "Locator",
    "Transport",
    "advect",
    "areal_scale",
    "centre_gradient_operators",
    "compute_deformation",
    "conservative_weights",
    "covered",
    "in_plane",
    "invariants",
    "linear_weights",
    "node_operator",
    "overlaps",
    "points_in_faces",
    "points_in_plane",
    "polygons",
    "raster",
    "remap_faces",
    "rotation",
    "scale_factors",
    "true_areas",
    "velocity_gradient",
]

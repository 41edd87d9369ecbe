"""TODO gensim_graph.mesh.operators."""

from gensim_graph.mesh.operators.contours import Contour, ContourFinder
from gensim_graph.mesh.operators.gradient_operator import GradientOperator
from gensim_graph.mesh.operators.nodal import node_operator
from gensim_graph.mesh.operators.overlap import overlaps, polygons
from gensim_graph.mesh.operators.paths import Drift, Locator, advect
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
    "compute_deformation",
    "conservative_weights",
    "covered",
    "in_plane",
    "invariants",
    "linear_weights",
    "node_operator",
    "overlaps",
    "points_in_plane",
    "polygons",
    "raster",
    "remap_faces",
    "rotation",
    "scale_factors",
    "true_areas",
    "velocity_gradient",
]

"""Meshes: faces over nodes in a plane, with named boundaries, and operators on fields that lie on them.

Reading order: :mod:`~gensim_graph.mesh.mesh` (the class :class:`Mesh`), :mod:`~gensim_graph.mesh.topology` (half-edges
and neighbours) and :mod:`~gensim_graph.mesh.geometry` (areas, angles, gradients). Then, as needed:

- :mod:`~gensim_graph.mesh.validity` and :mod:`~gensim_graph.mesh.build`: meshes from arrays, grids or points;
- :mod:`~gensim_graph.mesh.planes`: projections, and directions of vectors;
- :mod:`~gensim_graph.mesh.operators`: derivatives, remapping, trajectories, contours;
- :mod:`~gensim_graph.mesh.coarsen` and :mod:`~gensim_graph.mesh.quality`: coarser meshes, and the quality report;
- :mod:`~gensim_graph.mesh.part`: a part of a mesh.

Files of meshes are read by :mod:`gensim_graph.io.load` and written by :mod:`gensim_graph.io.write`.
"""

from gensim_graph.mesh.coarsen import coarsen_mesh
from gensim_graph.mesh.geometry import gradient_weights, signed_areas
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.part import cut_out
from gensim_graph.mesh.planes import as_crs
from gensim_graph.mesh.quality import MeshQuality, quality_report
from gensim_graph.mesh.topology import edge_table, find_pairs
from gensim_graph.mesh.validity import REPAIR_ADVICE, Defects, first_few, reversed_faces
from gensim_graph.moved import moved_names

__all__ = [
    "REPAIR_ADVICE",
    "Defects",
    "Mesh",
    "MeshQuality",
    "as_crs",
    "coarsen_mesh",
    "cut_out",
    "edge_table",
    "find_pairs",
    "first_few",
    "gradient_weights",
    "quality_report",
    "reversed_faces",
    "signed_areas",
]

__getattr__ = moved_names(__name__)

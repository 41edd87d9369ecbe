"""Meshes: what a face, a node and a boundary are, and how to read them from files and write them.

Read :mod:`~gensim_graph.mesh.mesh` first, then :mod:`~gensim_graph.io.load` and :mod:`~gensim_graph.io.write`.
"""

from gensim_graph.mesh.coarsen import coarsen_mesh
from gensim_graph.mesh.geometry import gradient_weights, signed_areas
from gensim_graph.mesh.mesh import Mesh, as_crs
from gensim_graph.mesh.quality import MeshQuality, quality_report
from gensim_graph.mesh.topology import edge_table
from gensim_graph.mesh.validity import Defects, first_few, reversed_faces
from gensim_graph.moved import moved_names

__all__ = [
    "Defects",
    "Mesh",
    "MeshQuality",
    "as_crs",
    "coarsen_mesh",
    "edge_table",
    "first_few",
    "gradient_weights",
    "quality_report",
    "reversed_faces",
    "signed_areas",
]

__getattr__ = moved_names(__name__)

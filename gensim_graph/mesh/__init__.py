"""Meshes: what a face, a node and a boundary are, and how to read them from files.

Read :mod:`~gensim_graph.mesh.mesh` first, then :mod:`~gensim_graph.mesh.load`.
"""

from gensim_graph.mesh.load import load_mesh
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.quality import MeshQuality, quality_report

__all__ = ["Mesh", "MeshQuality", "load_mesh", "quality_report"]

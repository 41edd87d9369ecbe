"""Meshes: what a face, a node and a boundary are, and how to read them from files and write them.

Read :mod:`~gensim_graph.mesh.mesh` first, then :mod:`~gensim_graph.mesh.load` and :mod:`~gensim_graph.mesh.write`.
"""

from gensim_graph.mesh.coarsen import coarsen_mesh
from gensim_graph.mesh.load import load_mesh
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.quality import MeshQuality, quality_report
from gensim_graph.mesh.write import write_mesh

__all__ = ["Mesh", "MeshQuality", "coarsen_mesh", "load_mesh", "quality_report", "write_mesh"]

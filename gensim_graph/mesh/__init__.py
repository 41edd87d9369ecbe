"""Meshes: what a face, a node and a boundary are, and how to read them from files.

Read :mod:`~gensim_graph.mesh.mesh` first, then :mod:`~gensim_graph.mesh.load`.
"""

from gensim_graph.mesh.load import load_mesh
from gensim_graph.mesh.mesh import Mesh

__all__ = ["Mesh", "load_mesh"]

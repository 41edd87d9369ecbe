"""Meshes: what a face, a node and a boundary are, and how to read them from files."""

from gensim_graph.mesh.mesh import Mesh

__all__ = ["Mesh"]

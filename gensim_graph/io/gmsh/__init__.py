"""Meshes from files of gmsh, and from all others that meshio reads.

Read :mod:`~gensim_graph.io.gmsh.gmsh_mesh` first. :mod:`~gensim_graph.io.gmsh.msh_file` has the sections of a file of
gmsh, :mod:`~gensim_graph.io.gmsh.gmsh_boundaries` the names of boundaries.
"""

from gensim_graph.io.gmsh.gmsh_mesh import MESHIO_SUFFIXES, read_gmsh

__all__ = ["MESHIO_SUFFIXES", "read_gmsh"]

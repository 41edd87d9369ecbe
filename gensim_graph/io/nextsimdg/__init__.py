"""TODO gensim_graph.io.nextsimdg."""

from gensim_graph.io.nextsimdg.nextsimdg_mesh import is_nextsimdg, mesh_of_geometry, read_geometry
from gensim_graph.io.nextsimdg.nextsimdg_output import read_nextsimdg
from gensim_graph.io.nextsimdg.smesh import read_smesh

__all__ = ["is_nextsimdg", "mesh_of_geometry", "read_geometry", "read_nextsimdg", "read_smesh"]

"""TODO gensim_graph.io.moorings."""

from gensim_graph.io.moorings.moorings_mesh import is_moorings, read_moorings_mesh
from gensim_graph.io.moorings.moorings_output import read_moorings

__all__ = ["is_moorings", "read_moorings", "read_moorings_mesh"]

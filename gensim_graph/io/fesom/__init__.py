"""TODO gensim_graph.io.fesom."""

from gensim_graph.io.fesom.fesom_mesh import is_fesom, read_fesom
from gensim_graph.io.fesom.fesom_output import is_fesom_output, read_fesom_output

__all__ = ["is_fesom", "is_fesom_output", "read_fesom", "read_fesom_output"]

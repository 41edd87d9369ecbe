"""FESOM 2: read its mesh folders and its output files.

Read :mod:`~gensim_graph.io.fesom.fesom_mesh` first (two text files), then
:mod:`~gensim_graph.io.fesom.fesom_diagnostics` (the mesh in netCDF) and :mod:`~gensim_graph.io.fesom.fesom_output`
(fields at the nodes, and the search for the mesh that belongs to them).
"""

from gensim_graph.io.fesom.fesom_diagnostics import is_diagnostics, read_diagnostics_mesh
from gensim_graph.io.fesom.fesom_mesh import is_fesom, read_fesom
from gensim_graph.io.fesom.fesom_output import is_fesom_output, read_fesom_output

__all__ = [
    "is_diagnostics",
    "is_fesom",
    "is_fesom_output",
    "read_diagnostics_mesh",
    "read_fesom",
    "read_fesom_output",
]

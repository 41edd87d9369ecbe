"""Moorings of neXtSIM: read the output that neXtSIM samples on a regular grid, in netCDF.

Read :mod:`~gensim_graph.io.moorings.moorings_mesh` first (the grid), then
:mod:`~gensim_graph.io.moorings.moorings_output` (the fields on it).
"""

from gensim_graph.io.moorings.moorings_mesh import is_moorings, read_moorings_mesh
from gensim_graph.io.moorings.moorings_output import read_moorings

__all__ = ["is_moorings", "read_moorings", "read_moorings_mesh"]

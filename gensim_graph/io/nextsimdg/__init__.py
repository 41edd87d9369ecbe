"""neXtSIM-DG: read its netCDF files (restarts, init and diagnostic files) and its ``.smesh`` meshes.

Read :mod:`~gensim_graph.io.nextsimdg.nextsimdg_mesh` first (the grid of a netCDF file), then
:mod:`~gensim_graph.io.nextsimdg.nextsimdg_output` (the fields on it). :mod:`~gensim_graph.io.nextsimdg.smesh` reads the
text format and needs neither.
"""

from gensim_graph.io.nextsimdg.nextsimdg_mesh import is_nextsimdg, mesh_of_geometry, read_geometry
from gensim_graph.io.nextsimdg.nextsimdg_output import read_nextsimdg
from gensim_graph.io.nextsimdg.smesh import read_smesh

__all__ = ["is_nextsimdg", "mesh_of_geometry", "read_geometry", "read_nextsimdg", "read_smesh"]

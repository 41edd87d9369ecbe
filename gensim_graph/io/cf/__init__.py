"""Data of other programs that follow the CF conventions: grids of any shape, UGRID and MPAS, as fields on a mesh.

Read :mod:`~gensim_graph.io.cf.gridded` first: it turns a dataset into fields on a mesh. It uses
:mod:`~gensim_graph.io.cf.grids`, which turns a grid into a mesh. That uses :mod:`~gensim_graph.io.cf.masks`, which
finds the ocean cells of a grid, :mod:`~gensim_graph.io.cf.stored_corners`, which finds the corners that it stores, and
:mod:`~gensim_graph.io.cf.stored_angles`. :mod:`~gensim_graph.io.cf.staggered` brings drift from the sides and corners
of cells to their centres. :mod:`~gensim_graph.io.cf.unsupported` says how to convert files of kinds that are not read,
:mod:`~gensim_graph.io.cf.stacked_faces` grids of tiles in one array.

Grids of longitude and latitude much larger than the mesh that they drive are interpolated to it without a mesh of their
own: :mod:`~gensim_graph.io.cf.lonlat_axes`, then :mod:`~gensim_graph.io.cf.bilinear`,
:mod:`~gensim_graph.io.cf.lonlat_weights` and :mod:`~gensim_graph.io.cf.lonlat_fields`.
"""

from gensim_graph.io.cf.gridded import (
    is_foreign,
    is_gridded,
    mesh_in_file,
    on_faces,
    on_faces_of,
    on_mesh,
    read_gridded,
)
from gensim_graph.io.cf.grids import read_grid
from gensim_graph.io.cf.lonlat_fields import LonLatFields
from gensim_graph.io.cf.unsupported import refuse_unsupported
from gensim_graph.io.file_mesh import FileMesh
from gensim_graph.io.mpas import is_mpas

__all__ = [
    "FileMesh",
    "LonLatFields",
    "is_foreign",
    "is_gridded",
    "is_mpas",
    "mesh_in_file",
    "on_faces",
    "on_faces_of",
    "on_mesh",
    "read_grid",
    "read_gridded",
    "refuse_unsupported",
]

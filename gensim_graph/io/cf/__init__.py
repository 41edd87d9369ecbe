"""Data of other programs that follow the CF conventions: grids of any shape, UGRID and MPAS, as fields on a mesh.

Read :mod:`~gensim_graph.io.cf.gridded` first: it turns a dataset into fields on a mesh. It uses
:mod:`~gensim_graph.io.cf.grids`, which turns a grid into a mesh. That uses :mod:`~gensim_graph.io.cf.masks`, which
finds the ocean cells of a grid, and :mod:`~gensim_graph.io.cf.stored_corners`, which finds the corners that it stores.
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

__all__ = [
    "is_foreign",
    "is_gridded",
    "mesh_in_file",
    "on_faces",
    "on_faces_of",
    "on_mesh",
    "read_grid",
    "read_gridded",
]

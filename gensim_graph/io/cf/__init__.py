"""TODO gensim_graph.io.cf."""

from gensim_graph.io.cf.gridded import (
    is_foreign,
    is_gridded,
    mesh_in_file,
    on_faces,
    on_faces_of,
    on_mesh,
    read_gridded,
    with_time,
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
    "with_time",
]

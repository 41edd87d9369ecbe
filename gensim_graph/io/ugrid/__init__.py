"""Meshes in xarray datasets by the UGRID conventions: written exactly, read from this package and from others.

Read :mod:`~gensim_graph.io.ugrid.ugrid_writer` first: it shows the variables of a topology. Then
:mod:`~gensim_graph.io.ugrid.ugrid_reader`, and :mod:`~gensim_graph.io.ugrid.mesh_cache`, which spares reading the same
mesh twice. :mod:`~gensim_graph.io.ugrid.topologies` finds the tables of a topology, and chooses among several;
:mod:`~gensim_graph.io.ugrid.mesh_attachment` adds a mesh to a dataset that has none.
"""

from gensim_graph.io.ugrid.mesh_attachment import (
    DATASET_ADVICE,
    MESH_ADVICE,
    attach,
    has_whole_topology,
    is_without_mesh,
)
from gensim_graph.io.ugrid.topologies import face_table, find_topology, with_topology
from gensim_graph.io.ugrid.ugrid_reader import (
    has_topology,
    keep_mesh,
    mesh_from_dataset,
    node_coordinates,
    read_ugrid,
    ugrid_mesh,
)
from gensim_graph.io.ugrid.ugrid_writer import face_coordinates, in_degrees, mesh_to_dataset

__all__ = [
    "DATASET_ADVICE",
    "MESH_ADVICE",
    "attach",
    "face_coordinates",
    "face_table",
    "find_topology",
    "has_topology",
    "has_whole_topology",
    "in_degrees",
    "is_without_mesh",
    "keep_mesh",
    "mesh_from_dataset",
    "mesh_to_dataset",
    "node_coordinates",
    "read_ugrid",
    "ugrid_mesh",
    "with_topology",
]

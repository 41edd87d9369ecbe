"""Meshes in xarray datasets by the UGRID conventions: written exactly, read from this package and from others.

Read :mod:`~gensim_graph.io.ugrid.ugrid_writer` first: it shows the variables of a topology. Then
:mod:`~gensim_graph.io.ugrid.ugrid_reader`, and :mod:`~gensim_graph.io.ugrid.mesh_cache`, which spares reading the same
mesh twice.
"""

from gensim_graph.io.ugrid.ugrid_reader import (
    has_topology,
    keep_mesh,
    mesh_from_dataset,
    node_coordinates,
    read_ugrid,
    ugrid_mesh,
)
from gensim_graph.io.ugrid.ugrid_writer import in_degrees, mesh_to_dataset

__all__ = [
    "has_topology",
    "in_degrees",
    "keep_mesh",
    "mesh_from_dataset",
    "mesh_to_dataset",
    "node_coordinates",
    "read_ugrid",
    "ugrid_mesh",
]

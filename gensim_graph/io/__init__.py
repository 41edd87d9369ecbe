"""TODO gensim_graph.io."""

from gensim_graph.io.export import write_dataset
from gensim_graph.io.fields import RECORDS, Fields, holds_fields, opened_fields
from gensim_graph.io.formats import find_format
from gensim_graph.io.load import load_mesh
from gensim_graph.io.nextsim import drift, open_moving, write_output, write_restart
from gensim_graph.io.records import Records
from gensim_graph.io.store import Source, expand, open_store, open_stores
from gensim_graph.io.ugrid import has_topology, mesh_from_dataset, mesh_to_dataset
from gensim_graph.io.write import write_mesh

__all__ = [
    "RECORDS",
    "Fields",
    "Records",
    "Source",
    "drift",
    "expand",
    "find_format",
    "has_topology",
    "holds_fields",
    "load_mesh",
    "mesh_from_dataset",
    "mesh_to_dataset",
    "open_moving",
    "open_store",
    "open_stores",
    "opened_fields",
    "write_dataset",
    "write_mesh",
    "write_output",
    "write_restart",
]

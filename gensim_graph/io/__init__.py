"""Files: meshes and trajectories of many programs read into one form, checked, and written again.

Read :mod:`~gensim_graph.io.formats` first, the table of all formats. :mod:`~gensim_graph.io.load` reads meshes with it,
:mod:`~gensim_graph.io.sources` and :mod:`~gensim_graph.io.store` fields, :mod:`~gensim_graph.io.state_dataset` a state
that the user holds in memory; :mod:`~gensim_graph.io.ugrid` defines the form that everything is read into: xarray
datasets with a UGRID topology. :mod:`~gensim_graph.io.fields` and :mod:`~gensim_graph.io.records` read large data in
parts. :mod:`~gensim_graph.io.write` and the room ``export`` write meshes and fields.

Each format of a program has a module or a room: ``nextsim``, ``nextsimdg``, ``moorings``, ``fesom``, ``gensim_zarr``,
``gmsh``, ``mpas``, and ``cf`` for grids and UGRID of any program. They rely on ``coordinates``, ``names``, ``checks``,
``file_mesh``, ``times``, and ``safe``, which guards against damaged files.
"""

from gensim_graph.io.archive import ArchiveFile, RecordListing, list_records
from gensim_graph.io.export import write_dataset
from gensim_graph.io.fields import RECORDS, Fields, holds_fields, opened_fields
from gensim_graph.io.formats import find_format
from gensim_graph.io.load import load_mesh
from gensim_graph.io.member_records import MemberRecords
from gensim_graph.io.nextsim import drift, open_moving, write_output, write_restart
from gensim_graph.io.records import Records
from gensim_graph.io.sources import Source, expand, with_given_mesh
from gensim_graph.io.state_dataset import as_state
from gensim_graph.io.store import open_store, open_stores
from gensim_graph.io.times import parse_date, times_of, with_own_time
from gensim_graph.io.ugrid import (
    DATASET_ADVICE,
    MESH_ADVICE,
    attach,
    face_coordinates,
    has_topology,
    mesh_from_dataset,
    mesh_to_dataset,
)
from gensim_graph.io.write import write_mesh

__all__ = [
    "DATASET_ADVICE",
    "MESH_ADVICE",
    "RECORDS",
    "ArchiveFile",
    "Fields",
    "MemberRecords",
    "RecordListing",
    "Records",
    "Source",
    "as_state",
    "attach",
    "drift",
    "expand",
    "face_coordinates",
    "find_format",
    "has_topology",
    "holds_fields",
    "list_records",
    "load_mesh",
    "mesh_from_dataset",
    "mesh_to_dataset",
    "open_moving",
    "open_store",
    "open_stores",
    "opened_fields",
    "parse_date",
    "times_of",
    "with_given_mesh",
    "with_own_time",
    "write_dataset",
    "write_mesh",
    "write_output",
    "write_restart",
]

"""The values of a prepared store on the disk: one array, in files of its own layout, rounded by choice.

``cell_store`` is the array. ``raw_writing`` writes and ``raw_shards`` reads the files of its numbers, ``rounding`` are
the choices of their precision.
"""

from gensim_graph.data.prepared.values.cell_store import CellStore, array_metadata, shard_path, write_metadata
from gensim_graph.data.prepared.values.rounding import StoredPrecision

__all__ = ["CellStore", "StoredPrecision", "array_metadata", "shard_path", "write_metadata"]

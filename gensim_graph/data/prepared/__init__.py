"""Prepared stores: archives of any size in a form from which training samples are read directly.

Read ``prepared_files`` first (what a store consists of), then ``record_layout`` (the place of every record),
``values`` (their array on the disk) and ``record_moments`` (statistics of every record).
``preparation`` writes a store: ``store_plan`` compares it with the sources, which ``source_runs`` lists; ``work_pool``
shares the shards out among processes, ``shard_writer`` writes one with ``segment_reader``.
``prepared_trajectories`` reads a store for the training, ``moved_files`` adds the transport of its ice. ``estimate``
and ``description`` tell a person what a preparation will take and what a store holds.
"""

from gensim_graph.data.prepared.description import StoreDescription, VariableSummary, describe_store
from gensim_graph.data.prepared.estimate import PreparationEstimate, estimate_preparation
from gensim_graph.data.prepared.moved_files import MovedFiles
from gensim_graph.data.prepared.preparation import prepare
from gensim_graph.data.prepared.prepared_files import is_prepared
from gensim_graph.data.prepared.prepared_trajectories import PreparedTrajectories
from gensim_graph.data.prepared.values import StoredPrecision

__all__ = [
    "MovedFiles",
    "PreparationEstimate",
    "PreparedTrajectories",
    "StoreDescription",
    "StoredPrecision",
    "VariableSummary",
    "describe_store",
    "estimate_preparation",
    "is_prepared",
    "prepare",
]

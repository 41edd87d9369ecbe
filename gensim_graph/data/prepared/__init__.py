"""Prepared stores: archives of any size in a form from which training samples are read directly.

Read ``prepared_files`` first (what a store consists of), then ``record_layout`` (the place of every record),
``cell_store`` (the array of values) and ``record_moments`` (statistics of every record). ``preparation`` writes a
store: ``source_runs`` lists the sources, ``work_pool`` shares the shards out among processes, ``shard_writer`` writes
one with ``segment_reader`` and ``rounding``. ``prepared_trajectories`` reads a store for the training, ``description``
tells a person what it holds.
"""

from gensim_graph.data.prepared.description import (
    PreparationEstimate,
    StoreDescription,
    VariableSummary,
    describe_store,
    estimate_preparation,
)
from gensim_graph.data.prepared.preparation import prepare
from gensim_graph.data.prepared.prepared_files import is_prepared
from gensim_graph.data.prepared.prepared_trajectories import PreparedTrajectories
from gensim_graph.data.prepared.rounding import StoredPrecision

__all__ = [
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

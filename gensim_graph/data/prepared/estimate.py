"""Estimate of what a preparation will take: one shard is written to a temporary folder and measured."""

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.data.prepared.prepared_files import StoreFiles
from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.data.prepared.shard_writer import ShardWriter
from gensim_graph.data.prepared.store_plan import plan_store
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Path
from gensim_graph.variables import VariableTable, default_variables


@dataclass(frozen=True)
class PreparationEstimate:
    """Effort of a preparation.

    Attributes:
        layout: the layout that the store will have.
        records: number of records to write.
        values: size of their values in float32, bytes.
        size: size on disk, bytes, estimated from one shard.
        seconds: time, estimated from one shard.
    """

    layout: RecordLayout
    records: int
    values: float
    size: float
    seconds: float


def estimate_preparation(
    sources: Source | Sequence[Source],
    out: Path,
    mesh: Mesh | None = None,
    *,
    variables: VariableTable | None = None,
    precision: str = "float32",
    lead_times: Sequence[np.timedelta64] = (np.timedelta64(12, "h"),),
    skip_gaps: bool = False,
    workers: int = 1,
) -> PreparationEstimate | None:
    """Estimate what :func:`~gensim_graph.data.prepare` will take with the same arguments; ``out`` stays as it is.

    One shard is written to a temporary folder to measure its size and time.

    Args:
        sources: see :func:`~gensim_graph.data.prepare`.
        out: see :func:`~gensim_graph.data.prepare`.
        mesh: see :func:`~gensim_graph.data.prepare`.
        variables: see :func:`~gensim_graph.data.prepare`.
        precision: see :func:`~gensim_graph.data.prepare`.
        lead_times: see :func:`~gensim_graph.data.prepare`.
        skip_gaps: see :func:`~gensim_graph.data.prepare`.
        workers: see :func:`~gensim_graph.data.prepare`.

    Returns:
        The estimate; None if the store holds all of the sources already.

    Raises:
        InputError: see :func:`~gensim_graph.data.prepare`.
    """
    files, table = StoreFiles(FilePath(out)), variables or default_variables()
    layout, listed, chosen = plan_store(sources, files, mesh, table, precision, lead_times, skip_gaps)
    if chosen is None:
        return None

    finished = files.layout(finished=True)
    first = finished.n_shards if finished else 0
    begins = [one for one in layout.segments if one.first >= first * layout.shard_records]
    largest = max(begins, key=lambda one: one.count)
    records = sum(one.count for one in begins)

    with tempfile.TemporaryDirectory() as folder:
        trial = StoreFiles(FilePath(folder) / "trial.zarr")
        trial.create(layout, chosen)
        writer = ShardWriter(trial.values, trial.journal, layout, trial.order(), chosen, listed.sources)
        begin = time.perf_counter()
        list(writer.write([largest.first // layout.shard_records]))
        writer.close()
        seconds = time.perf_counter() - begin
        size = sum(file.stat().st_size for file in trial.values.rglob("*") if file.is_file())

    share = records / min(layout.shard_records, largest.count)
    values = 4.0 * records * layout.cells * len(layout.names)
    return PreparationEstimate(layout, records, values, size * share, seconds * share / workers)

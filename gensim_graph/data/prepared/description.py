"""Descriptions of prepared stores for people: times, variables, and the error of the precision."""

from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.data.prepared.prepared_files import StoreFiles, is_prepared
from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.errors import InputError
from gensim_graph.typing import Array, Path


@dataclass(frozen=True)
class VariableSummary:
    """One variable of a prepared store.

    Attributes:
        name: its name.
        units: its units.
        mean: mean over all records and cells.
        deviation: standard deviation.
        largest_error: largest difference between source and store; 0 for float32.
        rms_error: root mean square of the differences.
    """

    name: str
    units: str
    mean: float
    deviation: float
    largest_error: float
    rms_error: float


@dataclass(frozen=True)
class StoreDescription:
    """Content of a prepared store.

    Attributes:
        layout: its layout.
        trajectories: (first time, last time, records) of each trajectory.
        missing: times of records without values.
        size: size of the files of the values, bytes.
        unfinished: (shards written, all shards) of a preparation that is not finished; None if there is none.
        variables: its variables, empty while the first preparation is not finished.
    """

    layout: RecordLayout
    trajectories: list[tuple[np.datetime64, np.datetime64, int]]
    missing: Array
    size: int
    unfinished: tuple[int, int] | None
    variables: list[VariableSummary]


def describe_store(path: Path) -> StoreDescription:
    """Describe a prepared store.

    Args:
        path: the store, finished or not.

    Raises:
        InputError: no prepared store, one of another version, or a damaged one.
    """
    files = StoreFiles(FilePath(path))
    if not is_prepared(files.path):
        raise InputError(f"{files.path}: is no prepared store; make one with gensim-graph data prepare")

    finished, begun = files.layout(finished=True), files.layout(finished=False)
    layout = finished or begun
    assert layout is not None  # one of the two files is there
    numbers = [layout.records_of(number) for number in range(layout.n_trajectories)]
    spans = [(start, start + (len(records) - 1) * layout.step, len(records)) for records, start in numbers]

    written = len(list(files.journal.glob("*.safetensors")))
    total = begun.n_shards - (finished.n_shards if finished else 0) if begun else 0
    unfinished = (written, total) if begun else None
    if finished is None:
        return StoreDescription(layout, spans, np.array([], "datetime64[ns]"), 0, unfinished, [])

    moments = files.moments(layout)
    files.check_whole(layout, moments.bytes)
    missing = [start + np.flatnonzero(moments.valid[records] == 0) * layout.step for records, start in numbers]

    return StoreDescription(
        layout, spans, np.concatenate(missing), int(moments.bytes.sum()), unfinished, _summaries(files, layout)
    )


def _summaries(files: StoreFiles, layout: RecordLayout) -> list[VariableSummary]:
    moments, table = files.moments(layout), layout.table
    used = moments.valid == 1
    count = used.sum() * layout.cells
    means = moments.mean[used]
    mean = means.mean(axis=0)
    variance = (moments.squared[used] + layout.cells * (means - mean) ** 2).sum(axis=0) / count
    rms = np.sqrt(moments.squared_error[used].sum(axis=0) / count)
    largest = moments.largest_error[used].max(axis=0)

    return [
        VariableSummary(name, table[name].units, *map(float, (mean[i], np.sqrt(variance[i]), largest[i], rms[i])))
        for i, name in enumerate(layout.names)
    ]

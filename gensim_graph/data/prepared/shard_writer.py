"""Work of one process of a preparation: shards of values with the moments of their records, one shard at a time.

The file of a shard appears when it is complete, and after it a file with its moments in the journal. A shard whose
moments are in the journal is done.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from gensim_graph.data.prepared.record_layout import RecordLayout, Segment
from gensim_graph.data.prepared.record_moments import RecordMoments
from gensim_graph.data.prepared.segment_reader import SegmentReader, channel_scales, read_stored, rounded_channels
from gensim_graph.data.prepared.values import CellStore, StoredPrecision, shard_path
from gensim_graph.data.statistics import extent_of
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array


class ShardWriter:
    """Writer of the shards of a store.

    Args:
        values: folder of the array of values.
        journal: folder of the moments of finished shards.
        layout: plan of the store.
        order: (F,) cells of the mesh in the order of the store.
        mesh: the mesh.
        sources: name -> source.
    """

    def __init__(
        self, values: Path, journal: Path, layout: RecordLayout, order: Array, mesh: Mesh, sources: Mapping[str, Source]
    ) -> None:
        self.values, self.journal, self.layout, self.order = values, journal, layout, order
        self._store = CellStore(values, writable=True)
        self._reader = SegmentReader(layout, sources, mesh)
        self._read = np.empty((len(layout.names), layout.shard_records, layout.cells), dtype=np.float32)
        self._row = np.empty((layout.cells, len(layout.names)), dtype=np.float32)
        self._shards = [self._store.empty_shard(), self._store.empty_shard()]
        self._disk = ThreadPoolExecutor(1)

    def write(self, shards: Sequence[int]) -> Iterator[int]:
        """Write consecutive shards of one segment and yield the number of each that is done.

        While the disk writes a shard, the next one is read.

        Args:
            shards: their numbers, ascending.

        Raises:
            InputError: a source cannot be used.
            OSError: the disk is full.
        """
        layout, length = self.layout, self.layout.shard_records
        segment = _segment_with(layout, shards[0])
        before = self._records_before(segment, shards[0] * length - segment.first)
        writing: tuple[int, Future[None]] | None = None

        for shard in shards:
            start = shard * length - segment.first
            values = self._read[:, : min(length, segment.count - start)]
            self._reader.read(segment, start, values)
            stored = rounded_channels(values, layout)
            moments = self._moments(values, stored, before)

            filled = self._in_store_order(stored, self._shards[shard % 2])
            if writing is not None:
                writing[1].result()
                yield writing[0]
            writing = shard, self._disk.submit(self._finish, shard, filled, moments)

            before = np.concatenate([before, stored[: layout.n_state]], axis=1)[:, -before.shape[1] :].copy()

        if writing is not None:
            writing[1].result()
            yield writing[0]

    def _finish(self, shard: int, values: Array, moments: RecordMoments) -> None:
        """Write a shard and, after it, its moments.

        Args:
            shard: its number.
            values: (record, cell, channel).
            moments: of its records.
        """
        self._store.write(shard * self.layout.shard_records, values)
        file = shard_path(self.values, shard)
        moments.bytes[0] = file.stat().st_size if file.exists() else 0
        moments.save(self.journal / journal_name(shard))

    def close(self) -> None:
        """Close the source that is open."""
        self._reader.close()
        self._disk.shutdown()

    def _records_before(self, segment: Segment, start: int) -> Array:
        """State of the records before a shard, for its residuals, (S, records, F); NaN where there are none."""
        layout = self.layout
        count = max(layout.lead_steps)
        state = np.full((layout.n_state, count, layout.cells), np.nan, dtype=np.float32)
        inside = min(count, start)
        if inside:
            read = np.empty((len(layout.names), inside, layout.cells), dtype=np.float32)
            self._reader.read(segment, start - inside, read)
            state[:, count - inside :] = rounded_channels(read, layout)[: layout.n_state]

        records, _ = layout.records_of(segment.trajectory)
        earlier = records[records < segment.first][-(count - inside) :] if inside < count else records[:0]
        if len(earlier):
            position = np.empty_like(self.order)
            position[self.order] = np.arange(len(self.order))
            read = read_stored(CellStore(self.values), layout, earlier, position)
            state[:, count - inside - len(earlier) : count - inside] = read[: layout.n_state]

        return state

    def _in_store_order(self, stored: Array, shard: Array) -> Array:
        """Values (record, cell, channel) in the order and the type of the store.

        Args:
            stored: (channel, record, cell).
            shard: memory for them.
        """
        precision = StoredPrecision(self.layout.precision)
        scale = channel_scales(self.layout)

        for row in range(stored.shape[1]):
            np.copyto(self._row, stored[:, row].T)  # takes whole cells below, four times as fast as single numbers
            if precision.dtype != "float32":
                self._row /= scale
            shard[row, : len(self.order)] = np.take(self._row, self.order, axis=0, mode="clip")

        return shard[: stored.shape[1]]

    def _moments(self, values: Array, stored: Array, before: Array) -> RecordMoments:
        layout = self.layout
        moments = RecordMoments.empty(layout.shard_records, len(layout.names), len(layout.lead_steps), layout.n_state)
        state = [*before.swapaxes(0, 1), *stored[: layout.n_state].swapaxes(0, 1)]  # (S, F) of each record
        exact, variables = stored is values, [layout.table[name] for name in layout.names]

        for row in range(values.shape[1]):
            if np.isnan(stored[0, row, 0]):
                continue
            moments.valid[row] = 1
            for channel in range(len(layout.names)):
                error = None if exact else stored[channel, row] - values[channel, row]
                moments.set_values(row, channel, stored[channel, row], error)
            moments.extent[row] = extent_of(stored[:, row].T, variables)

            for number, lead in enumerate(layout.lead_steps):
                later = before.shape[1] + row
                if np.isnan(state[later - lead][0, 0]):
                    continue
                moments.residual_valid[row, number] = 1
                for channel in range(layout.n_state):
                    moments.set_residual(row, number, channel, state[later][channel] - state[later - lead][channel])

        return moments


def journal_name(shard: int) -> str:
    """Return the name of the file with the moments of a shard."""
    return f"{shard:07}.safetensors"


def _segment_with(layout: RecordLayout, shard: int) -> Segment:
    first = shard * layout.shard_records
    return next(
        one for one in layout.segments if one.first <= first < one.first + layout.shards_of(one) * layout.shard_records
    )

"""Shards whose chunks are not compressed: the bytes of a chunk are the numbers themselves.

A sample needs about fifteen chunks of two records. Read with system calls they cost a third of the time of a general
library, and as no threads take part, a process that was forked may read too.
"""

import os
from collections import OrderedDict
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gensim_graph.data.prepared.values.raw_writing import MISSING, write_raw_shard
from gensim_graph.errors import InputError
from gensim_graph.typing import Array

_OPEN_FILES = 128
"""Most files that stay open; most systems allow a process 1024."""


class _Run(NamedTuple):
    """Consecutive chunks in a file.

    Attributes:
        shard: number of the shard.
        file: its open file.
        place: offset of the first byte.
        begin: position of the first chunk among those that are needed.
        end: position after the last one.
    """

    shard: int
    file: int
    place: int
    begin: int
    end: int


class RawShards:
    """The shards of a zarr array (record, cell, channel) with uncompressed chunks of one record.

    Args:
        path: folder of the array.
        metadata: content of its ``zarr.json``.
    """

    def __init__(self, path: Path, metadata: dict[str, Any]) -> None:
        sharding = metadata["codecs"][0]["configuration"]
        self.path, self.dtype = path, np.dtype(metadata["data_type"]).newbyteorder("<")
        self._cells, self._width = metadata["shape"][1], sharding["chunk_shape"][1]
        self._channels = metadata["shape"][2]
        self._records = metadata["chunk_grid"]["configuration"]["chunk_shape"][0]
        self._chunks = metadata["chunk_grid"]["configuration"]["chunk_shape"][1] // self._width
        self._chunk_bytes = self._width * self._channels * self.dtype.itemsize
        self._open: OrderedDict[int, int] = OrderedDict()
        self._places: dict[int, Array] = {}

    def read(self, records: Array, cells: Array | slice) -> Array:
        """Read some cells of some records, (record, cell, channel).

        Args:
            records: numbers of the records.
            cells: positions of the cells in the array; a slice for all.

        Raises:
            InputError: a file is missing or damaged.
        """
        chosen = np.arange(self._cells) if isinstance(cells, slice) else cells
        needed = self._chunks_of(chosen)

        numbers = np.flatnonzero(needed)
        chunk, cell = np.divmod(chosen, self._width)
        rows = (np.cumsum(needed) - 1)[chunk] * self._width + cell
        buffer = np.empty((len(numbers) * self._width, self._channels), dtype=self.dtype)
        values = np.empty((len(records), len(chosen), self._channels), dtype=self.dtype)

        runs = self._fetch(records, numbers)
        for number, parts in enumerate(runs):
            self._fill(buffer, parts)
            np.take(buffer, rows, axis=0, out=values[number], mode="clip")

        return values

    def expect(self, records: Array, cells: Array) -> None:
        """Let the disk begin to fetch some cells of some records, which :meth:`read` will be asked for.

        Args:
            records: numbers of the records.
            cells: positions of the cells in the array.

        Raises:
            InputError: a file is missing or damaged.
        """
        numbers = np.flatnonzero(self._chunks_of(cells))
        known = [record for record in records.tolist() if record // self._records in self._places]
        self._fetch(np.array(known, dtype=np.int64), numbers)
        for record in set(records.tolist()).difference(known):
            self._expect_unknown(record, numbers)

    def write(self, first: int, values: Array) -> None:
        """Write the first records of a shard, or all of them.

        Args:
            first: number of its first record.
            values: (record, cell, channel), with whole chunks of cells.

        Raises:
            OSError: the disk is full, or the file cannot be written.
        """
        write_raw_shard(self._path(first // self._records), values, self._records, self._width)

    def _chunks_of(self, cells: Array) -> Array:
        """True for each chunk that holds one of some cells."""
        needed = np.zeros(self._chunks, dtype=bool)
        needed[cells // self._width] = True
        return needed

    def _fetch(self, records: Array, numbers: Array) -> list[list[_Run]]:
        """Find the parts of files that hold some chunks of each record; the disk begins to fetch all of them."""
        runs = [self._runs(record, numbers) for record in records.tolist()]
        if hasattr(os, "posix_fadvise"):
            for run in chain(*runs):
                os.posix_fadvise(run.file, run.place, (run.end - run.begin) * self._chunk_bytes, os.POSIX_FADV_WILLNEED)

        return runs

    def _expect_unknown(self, record: int, numbers: Array) -> None:
        """Let the disk fetch chunks of a record, and the index that says where they are.

        Reading the index now would wait for the disk. The chunks lie one after the other if no record before this one
        lacks values.

        Args:
            record: number of the record, in a shard whose index was not read yet.
            numbers: of the chunks.
        """
        if not hasattr(os, "posix_fadvise"):
            return

        shard, row = divmod(record, self._records)
        file = self._file(shard)
        length = 16 * self._records * self._chunks + 4
        os.posix_fadvise(file, max(os.fstat(file).st_size - length, 0), length, os.POSIX_FADV_WILLNEED)
        for run in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            place = (row * self._chunks + int(run[0])) * self._chunk_bytes
            os.posix_fadvise(file, place, len(run) * self._chunk_bytes, os.POSIX_FADV_WILLNEED)

    def _path(self, shard: int) -> Path:
        return self.path / "c" / str(shard) / "0" / "0"

    def _runs(self, record: int, numbers: Array) -> list[_Run]:
        """Parts of a file that hold chunks of a record; neighbours in the file are one part."""
        shard, row = divmod(record, self._records)
        file = self._file(shard)
        places = self._index(shard, file)[row, numbers]
        if (places == MISSING).any():
            raise self._damage(shard, f"record {record} has no values")

        begins = np.flatnonzero(np.diff(places, prepend=MISSING) != self._chunk_bytes).tolist()
        ends = [*begins[1:], len(numbers)]

        return [_Run(shard, file, int(places[begin]), begin, end) for begin, end in zip(begins, ends, strict=True)]

    def _fill(self, buffer: Array, runs: list[_Run]) -> None:
        content = buffer.data.cast("B")
        for run in runs:
            part = content[run.begin * self._chunk_bytes : run.end * self._chunk_bytes]
            if os.preadv(run.file, [part], run.place) != len(part):
                raise self._damage(run.shard, "it is cut off")

    def _file(self, shard: int) -> int:
        """Open file of a shard."""
        if shard in self._open:
            self._open.move_to_end(shard)
            return self._open[shard]

        while len(self._open) >= _OPEN_FILES:
            os.close(self._open.popitem(last=False)[1])

        try:
            file = os.open(self._path(shard), os.O_RDONLY)
        except OSError as error:
            raise self._damage(shard, error.strerror) from None

        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # else the disk reads megabytes beyond each chunk

        self._open[shard] = file
        return file

    def _index(self, shard: int, file: int) -> Array:
        """Offset of each chunk (record, chunk) in a shard; it is read once.

        Args:
            shard: number of the shard.
            file: its open file.
        """
        if shard not in self._places:
            self._places[shard] = self._offsets(shard, file)
        return self._places[shard]

    def _offsets(self, shard: int, file: int) -> Array:
        """Read the index at the end of a shard: offset and size of each chunk, and a checksum of four bytes."""
        size, length = os.fstat(file).st_size, 16 * self._records * self._chunks
        content = os.pread(file, length, max(size - length - 4, 0))
        if len(content) != length:
            raise self._damage(shard, "it is cut off")

        index = np.frombuffer(content, dtype="<u8").reshape(self._records, self._chunks, 2)
        places, sizes = index[..., 0], index[..., 1]
        missing = (places == MISSING) & (sizes == MISSING)
        inside = (sizes == self._chunk_bytes) & (places <= max(size - self._chunk_bytes, 0))

        if not (missing | inside).all():
            raise self._damage(shard, "its index is wrong")

        return places.copy()

    def _damage(self, shard: int, reason: str | None) -> InputError:
        name = self._path(shard).relative_to(self.path.parent)
        return InputError(f"{self.path.parent}: {name} cannot be read, it is damaged ({reason}); is the copy complete?")

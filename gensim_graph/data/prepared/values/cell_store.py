"""The values of a prepared store: one zarr array (record, cell, channel), made for reading a few cells of two records.

A chunk holds all channels of 256 to 1024 cells of one record, in the order of the clusters: as few as fill whole pages
of memory. The chunks of many records are in one file, a *shard*. Missing values (NaN) stand for records without values;
they take no room.

Chunks that are not compressed are written by ``raw_writing`` and read by ``raw_shards``, others with tensorstore, which
reads a sample in a tenth of the time of zarr-python. The threads of tensorstore are lost in a process that is forked
from one that has used it: such a process reads compressed chunks with zarr-python, and says so.
"""

import errno
import json
import logging
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from gensim_graph.data.prepared.values.raw_shards import RawShards
from gensim_graph.data.prepared.values.raw_writing import page_aligned
from gensim_graph.errors import InputError
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_LARGEST_CHUNK = 1024
"""Cells in a chunk of float32 that fill whole pages of memory (4096 bytes), whatever the number of channels."""

_SMALLEST_CHUNK = 256
"""Cells in the smallest chunk: a cluster of the attention."""

CACHE_BYTES = 256 * 2**20
"""Size of the cache of chunks of a process that reads."""


def chunk_cells(channels: int) -> int:
    """Return the number of cells in a chunk: as few as fill whole pages, so that little is read beside the sample.

    Args:
        channels: number of channels.
    """
    return max(_SMALLEST_CHUNK, _LARGEST_CHUNK // math.gcd(_LARGEST_CHUNK, channels))


def array_metadata(shape: tuple[int, int, int], shard_records: int, dtype: str, compressed: bool) -> dict[str, Any]:
    """Return the metadata of the array, as in its ``zarr.json`` (zarr version 3).

    Args:
        shape: number of records, cells and channels.
        shard_records: records in a shard.
        dtype: type of the numbers.
        compressed: compress the chunks (blosc, lz4).
    """
    cells = min(chunk_cells(shape[2]), shape[1])
    width = -(-shape[1] // cells) * cells
    size = np.dtype(dtype).itemsize
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    blosc = {"cname": "lz4", "clevel": 5, "shuffle": "shuffle", "typesize": size, "blocksize": 0}
    sharding = {
        "chunk_shape": [1, cells, shape[2]],
        "codecs": [little, {"name": "blosc", "configuration": blosc}] if compressed else [little],
        "index_codecs": [little, {"name": "crc32c"}],
        "index_location": "end",
    }

    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [shard_records, width, shape[2]]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": "NaN",
        "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        "dimension_names": ["record", "cell", "channel"],
        "attributes": {},
    }


def write_metadata(path: Path, metadata: dict[str, Any]) -> None:
    """Write the ``zarr.json`` of a folder.

    Args:
        path: the folder.
        metadata: its content.
    """
    path.mkdir(parents=True, exist_ok=True)
    write_atomically(path / "zarr.json", lambda part: part.write_text(json.dumps(metadata, indent=1)))


def shard_path(path: Path, shard: int) -> Path:
    """Return the file of a shard.

    Args:
        path: folder of the array.
        shard: its number.
    """
    return path / "c" / str(shard) / "0" / "0"


class CellStore:
    """The array of a prepared store, opened in the process that uses it.

    Args:
        path: folder of the array.
        writable: open it for writing.
    """

    def __init__(self, path: Path, writable: bool = False) -> None:
        self.path, self._writable = path, writable
        self._process, self._array = 0, None

    def __getstate__(self) -> dict[str, Any]:
        """Leave the handle behind: another process opens its own."""
        return self.__dict__ | {"_process": 0, "_array": None}

    def read(self, records: Array, cells: Array | slice) -> Array:
        """Read some cells of some records, (record, cell, channel), in the type of the array.

        Args:
            records: numbers of the records.
            cells: positions of the cells in the array.

        Raises:
            InputError: a shard is damaged or missing.
        """
        try:
            array = self._open()
            if isinstance(array, RawShards):
                return array.read(records, cells)
            if isinstance(array, zarr.Array):
                return np.asarray(array.oindex[records, cells, :])
            return array.oindex[records, cells].read().result()
        except InputError:
            raise
        except (ValueError, OSError) as error:
            raise InputError(f"{self.path.parent}: cannot be read, it is damaged ({_short(error)})") from error

    def expect(self, records: Array, cells: Array) -> None:
        """Let the disk begin to fetch what :meth:`read` will be asked for.

        Args:
            records: numbers of the records.
            cells: positions of the cells in the array.

        Raises:
            InputError: a shard is damaged or missing.
        """
        array = self._open()
        if isinstance(array, RawShards):
            array.expect(records, cells)

    def empty_shard(self) -> Array:
        """Return memory for the values of a shard, (record, cell, channel) of NaN, with room for whole chunks."""
        metadata = json.loads((self.path / "zarr.json").read_text())
        return page_aligned(tuple(metadata["chunk_grid"]["configuration"]["chunk_shape"]), metadata["data_type"])

    def write(self, first: int, values: Array) -> None:
        """Write consecutive records, the whole of a shard or its beginning; its file appears when it is complete.

        Args:
            first: number of the first record.
            values: (record, cell, channel) of :meth:`empty_shard`, or its first records.

        Raises:
            OSError: the disk is full, or the file cannot be written.
        """
        array = self._open()
        if isinstance(array, RawShards):
            array.write(first, values)
            return

        try:
            array[first : first + len(values)].write(values[:, : array.shape[1]]).result()
        except ValueError as error:
            code = errno.ENOSPC if "space" in str(error).lower() else errno.EACCES
            raise OSError(code, os.strerror(code), str(self.path)) from error

    def _open(self) -> Any:
        if self._process != os.getpid():
            self._array = _opened(self.path, self._writable)
            self._process = os.getpid()

        return self._array


_used_in: list[int] = []
"""The process that used tensorstore first, of this one and those that it was forked from."""


def _opened(path: Path, writable: bool) -> Any:
    metadata = json.loads((path / "zarr.json").read_text())
    if len(metadata["codecs"][0]["configuration"]["codecs"]) == 1:
        return RawShards(path, metadata)

    _used_in.append(os.getpid())
    if _used_in[0] != os.getpid():
        log.warning(
            "%s: is read slowly in this process, because it was forked from one that had read a prepared store; start "
            "processes before reading, or with the method 'spawn'",
            path.parent,
        )
        return zarr.open_array(str(path), mode="r")

    import tensorstore

    # Samples are made by several processes, each of which has one core.
    limits = {"cache_pool": {"total_bytes_limit": 0 if writable else CACHE_BYTES}}
    context = tensorstore.Context(limits | {"data_copy_concurrency": {"limit": 1}})
    kvstore = {"driver": "file", "path": str(path), "file_io_locking": {"mode": "none"}}
    spec = {"driver": "zarr3", "kvstore": kvstore, "recheck_cached_data": False, "recheck_cached_metadata": False}

    return tensorstore.open(spec, open=True, read=not writable, write=writable, context=context).result()


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]

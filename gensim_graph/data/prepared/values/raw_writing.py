"""Writing of shards whose chunks are not compressed, past the memory of the operating system where it allows that.

A store is larger than memory and is not read while it is written. Copying it into the page cache takes more time of a
processor than all else that a preparation does, so a shard is written directly to the disk (``O_DIRECT``), from memory
that begins at a page. Its layout is that of zarr's codec ``sharding_indexed``, with the index at the end.
"""

import errno
import mmap
import os
from pathlib import Path

import google_crc32c
import numpy as np

from gensim_graph.system import write_atomically
from gensim_graph.typing import Array

MISSING = np.uint64(2**64 - 1)
"""Offset and size of a chunk without values, in the index of a shard."""


def page_aligned(shape: tuple[int, ...], dtype: str) -> Array:
    """Return an array of NaN that begins at a page of memory.

    Args:
        shape: its shape.
        dtype: type of its numbers.
    """
    count = int(np.prod(shape))
    memory = mmap.mmap(-1, max(1, count * np.dtype(dtype).itemsize))
    values = np.frombuffer(memory, dtype=dtype, count=count).reshape(shape)
    values[:] = np.nan

    return values


def write_raw_shard(path: Path, values: Array, shard_records: int, chunk_cells: int) -> None:
    """Write the file of a shard, completely or not at all; records without values (NaN) take no room in it.

    Args:
        path: the file.
        values: (record, cell, channel) of all records of the shard or of its first ones, with whole chunks of cells.
        shard_records: number of records in a shard.
        chunk_cells: number of cells in a chunk.

    Raises:
        OSError: the disk is full, or the file cannot be written.
    """
    count, width, channels = values.shape
    chunks, chunk_bytes = width // chunk_cells, chunk_cells * channels * values.dtype.itemsize
    present = ~np.isnan(values[:, 0, 0])
    if not present.any():
        return  # a shard without a file has no values

    index = np.full((shard_records, chunks, 2), MISSING, dtype="<u8")
    places = np.arange(present.sum() * chunks, dtype="<u8").reshape(-1, chunks) * np.uint64(chunk_bytes)
    index[:count][present, :, 0] = places
    index[:count][present, :, 1] = chunk_bytes

    content = index.tobytes()
    tail = content + google_crc32c.value(content).to_bytes(4, "little")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda part: _write(part, [values[row] for row in np.flatnonzero(present)], tail))


def _write(path: Path, records: list[Array], tail: bytes) -> None:
    """Write consecutive arrays and the index after them."""
    pages = all(one.nbytes % mmap.PAGESIZE == 0 and one.ctypes.data % mmap.PAGESIZE == 0 for one in records)
    file = _open_direct(path) if pages else None
    if file is None:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    try:
        for record in records:
            _write_all(file, record.data.cast("B"))
    finally:
        os.close(file)

    with open(path, "ab") as end:
        end.write(tail)


def _open_direct(path: Path) -> int | None:
    """Open a file for writing past the page cache; None where the system or the file system has no such way."""
    if not hasattr(os, "O_DIRECT"):
        return None
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_DIRECT, 0o666)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return None
        raise


def _write_all(file: int, content: memoryview) -> None:
    while content:
        content = content[os.write(file, content) :]

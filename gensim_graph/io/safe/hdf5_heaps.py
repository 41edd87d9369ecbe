"""Check of the global heaps of HDF5 files (and so of netCDF-4) before the HDF5 library reads them.

HDF5 stores attributes that are lists in global heaps. A heap is a sequence of objects, each with its size; the last one
is free space. If part of a heap was overwritten with zeros, HDF5 (2.2 and older) finds free space of size zero and
loops for ever. Format: HDF5 File Format Specification, III.E, "Level 1E - Global Heap".
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path as FilePath

from gensim_graph.errors import InputError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_HEADER = 16  # bytes, of a heap and of an object in it
_SEARCHED = 1 << 26  # bytes from the start; attributes lie there, and searching a whole file may take long


def check_heaps(path: FilePath) -> None:
    """Refuse an HDF5 file with a heap on which the library would loop for ever; other files pass.

    Raises:
        InputError: a heap has free space of size zero.
    """
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for start in _heaps(content):
                _check_heap(content, start)


def _heaps(content: mmap.mmap) -> Iterator[int]:
    """First byte of every global heap."""
    start = content.find(_HEAP, 0, _SEARCHED)
    while start >= 0:
        yield start
        start = content.find(_HEAP, start + 1, _SEARCHED)


def _check_heap(content: mmap.mmap, start: int) -> None:
    """Go from object to object as the library does."""
    at = start + _HEADER
    end = min(start + _size(content, start), len(content))

    while at + _HEADER <= end:
        (number,) = struct.unpack_from("<H", content, at)  # 0 for free space
        size = _size(content, at)

        if number == 0 and size < _HEADER:
            raise InputError(f"a heap at byte {start} ends in the middle; the file is damaged")

        at += size if number == 0 else _HEADER + size + -size % 8


def _size(content: mmap.mmap, at: int) -> int:
    """Size in bytes from the second half of a header; 0 beyond the end of the file."""
    return int(struct.unpack_from("<Q", content, at + 8)[0]) if at + _HEADER <= len(content) else 0

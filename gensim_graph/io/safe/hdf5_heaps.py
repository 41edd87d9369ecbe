"""Global heaps of HDF5 files, and with them of netCDF-4, looked through before the library sees them.

Attributes that are lists lie in global heaps: runs of objects, each with its size, the last one free space. If zeros
were written over part of one, HDF5 (2.2 and older) meets free space of size zero and never gets past it. Format: HDF5
File Format Specification, III.E, "Level 1E - Global Heap".
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path as FilePath

from gensim_graph.errors import InputError

_MAGIC = b"\x89HDF\r\n\x1a\n"
_HEAP = b"GCOL\x01\0\0\0"
_HEADER = 16  # bytes, of a heap and of an object in it
_REACH = 1 << 26  # bytes: attributes lie near the start, and a file may have any size


def check_heaps(path: FilePath) -> None:
    """Refuse an HDF5 file with a heap that the library would not get out of; other files pass.

    Raises:
        InputError: free space without size.
    """
    with path.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            for start in _heaps(content):
                _walk(content, start)


def _heaps(content: mmap.mmap) -> Iterator[int]:
    start = content.find(_HEAP, 0, _REACH)
    while start >= 0:
        yield start
        start = content.find(_HEAP, start + 1, _REACH)


def _walk(content: mmap.mmap, start: int) -> None:
    """From object to object, as far as the library goes."""
    at = start + _HEADER
    end = min(start + _size(content, start), len(content))

    while at + _HEADER <= end:
        (number,) = struct.unpack_from("<H", content, at)
        size = _size(content, at)
        if number == 0 and size < _HEADER:
            raise InputError(f"a heap at byte {start} ends in the middle; the file is damaged")
        at += size if number == 0 else _HEADER + size + -size % 8


def _size(content: mmap.mmap, at: int) -> int:
    """The second half of a header."""
    return int(struct.unpack_from("<Q", content, at + 8)[0]) if at + _HEADER <= len(content) else 0

r"""The header of classic netCDF files (``CDF\\x01``, ``\\x02``, ``\\x05``), looked through before the library sees it.

The netCDF library believes the counts in such a header and asks for as much memory as they say, which in a damaged file
may be many GiB. Format: netCDF User's Guide, appendix "NetCDF Classic Format". Files of netCDF-4 are HDF5, of which the
heaps are looked at.
"""

import mmap
import struct
from pathlib import Path as FilePath

from gensim_graph.errors import InputError
from gensim_graph.io.safe.hdf5_heaps import check_heaps

_VERSIONS = {1: (4, 4), 2: (4, 8), 5: (8, 8)}
"""Version -> bytes of a count and of an offset."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Type -> bytes of a value."""

_MOST = 100_000  # dimensions, variables or attributes: more than anyone has, so that a loop over zeros ends


def check_header(path: FilePath) -> None:
    """Refuse a netCDF file on which the library would ask for memory without bound, or loop.

    Raises:
        InputError: a count beyond the end of the file, a type that does not exist, or a damaged heap.
    """
    check_heaps(path)
    with path.open("rb") as stream:
        start = stream.read(4)
        if start[:3] != b"CDF" or start[3:] not in (b"\x01", b"\x02", b"\x05"):
            return
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            _Header(content, *_VERSIONS[start[3]]).check()


class _Header:
    def __init__(self, content: mmap.mmap, count: int, offset: int) -> None:
        self.content, self.at = content, 4
        self.count_size, self.offset_size = count, offset

    def check(self) -> None:
        self.skip(self.count_size)  # records
        for _ in range(self.elements()):  # dimensions
            self.name()
            self.skip(self.count_size)

        self.attributes()
        for _ in range(self.elements()):  # variables
            self.name()
            self.skip(self.count() * self.count_size)
            self.attributes()
            self.skip(4 + self.count_size + self.offset_size)

    def attributes(self) -> None:
        for _ in range(self.elements()):
            self.name()
            kind = self.number(4)
            if kind not in _SIZES:
                raise InputError(f"its header has values of type {kind}, which does not exist; the file is damaged")
            self.padded(self.count() * _SIZES[kind])

    def elements(self) -> int:
        self.skip(4)  # what they are
        count = self.count()
        if count > _MOST:
            raise InputError(f"its header promises {count} dimensions, variables or attributes; the file is damaged")
        return count

    def name(self) -> None:
        self.padded(self.count())

    def padded(self, size: int) -> None:
        self.skip(size + -size % 4)

    def count(self) -> int:
        return self.number(self.count_size)

    def number(self, size: int) -> int:
        self.skip(size)
        return int(struct.unpack_from(">Q" if size == 8 else ">I", self.content, self.at - size)[0])

    def skip(self, size: int) -> None:
        self.at += size
        if self.at > len(self.content):
            raise InputError(f"its header goes on beyond the {len(self.content)} bytes of the file; it is damaged")

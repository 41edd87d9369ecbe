r"""Check of the header of classic netCDF files (``CDF\\x01``, ``\\x02``, ``\\x05``) before the netCDF library reads it.

The netCDF library trusts the counts in such a header and allocates as much memory as they demand, in a damaged file
maybe many GiB. Format: netCDF User's Guide, appendix "NetCDF Classic Format". Files of netCDF-4 are HDF5; their heaps
are checked instead (:mod:`~gensim_graph.io.safe.hdf5_heaps`).
"""

import mmap
import struct
from pathlib import Path as FilePath

from gensim_graph.errors import InputError
from gensim_graph.io.safe.hdf5_heaps import check_heaps

_VERSIONS = {1: (4, 4), 2: (4, 8), 5: (8, 8)}
"""Version of the format -> bytes of a count and of an offset."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Number of a type -> bytes of a value."""

_MOST_ELEMENTS = 100_000  # dimensions, variables or attributes; no file has more, and a loop over zeros must end


def check_header(path: FilePath) -> None:
    """Refuse a netCDF file for which the library would allocate memory without bound, or loop for ever.

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
    """A header that is read from its start to its end; each method reads one part and moves on.

    Args:
        content: the file.
        count_size: bytes of a count.
        offset_size: bytes of an offset.
    """

    def __init__(self, content: mmap.mmap, count_size: int, offset_size: int) -> None:
        self.content = content
        self.at = 4  # bytes, after the magic number
        self.count_size = count_size
        self.offset_size = offset_size

    def check(self) -> None:
        """Read the whole header.

        Raises:
            InputError: see :func:`check_header`.
        """
        self.skip(self.count_size)  # number of records
        for _ in range(self.elements()):  # dimensions
            self.name()
            self.skip(self.count_size)

        self.attributes()
        for _ in range(self.elements()):  # variables
            self.name()
            self.skip(self.count() * self.count_size)  # numbers of their dimensions
            self.attributes()
            self.skip(4 + self.count_size + self.offset_size)  # type, size and offset

    def attributes(self) -> None:
        """Read a list of attributes with their values."""
        for _ in range(self.elements()):
            self.name()
            kind = self.number(4)
            if kind not in _SIZES:
                raise InputError(f"its header has values of type {kind}, which does not exist; the file is damaged")
            self.padded(self.count() * _SIZES[kind])

    def elements(self) -> int:
        """Read the number of elements of a list."""
        self.skip(4)  # tag: dimensions, variables or attributes
        count = self.count()
        if count > _MOST_ELEMENTS:
            raise InputError(f"its header promises {count} dimensions, variables or attributes; the file is damaged")

        return count

    def name(self) -> None:
        """Read a name."""
        self.padded(self.count())

    def padded(self, size: int) -> None:
        """Skip bytes that are filled up to a multiple of 4."""
        self.skip(size + -size % 4)

    def count(self) -> int:
        """Read a count."""
        return self.number(self.count_size)

    def number(self, size: int) -> int:
        """Read an integer of 4 or 8 bytes."""
        self.skip(size)
        return int(struct.unpack_from(">Q" if size == 8 else ">I", self.content, self.at - size)[0])

    def skip(self, size: int) -> None:
        """Move on by some bytes."""
        self.at += size
        if self.at > len(self.content):
            raise InputError(f"its header goes on beyond the {len(self.content)} bytes of the file; it is damaged")

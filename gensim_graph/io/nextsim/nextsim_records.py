"""neXtSIM's binary container: ``NAME.bin`` with the values, and ``NAME.dat`` with a line of text for each record.

The ``.bin`` holds one record after the other, little-endian: the number of values n as int32, then n values. The lines
of the ``.dat`` (:mod:`~gensim_graph.io.nextsim.nextsim_dat`) have the same order. Two records of a genuine file may
have the same name, so a list of records keeps that order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_dat import RECORD_TYPES, DatLine, check_extremes, extreme_texts, read_dat
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array

_COUNT = np.dtype("<i4")


@dataclass(frozen=True, eq=False)
class Record:
    """Named values.

    Attributes:
        name: letters, digits and underscores.
        values: (n,) int32, float32 or float64.
        extremes: minimum and maximum as text in the ``.dat``; if empty, they are computed from the values.
    """

    name: str
    values: Array
    extremes: tuple[str, str] | tuple[()] = ()

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()):
            raise InputError(f"a record cannot have the name {self.name!r}; expected letters, digits and _")
        if self.values.ndim != 1 or self.values.dtype not in RECORD_TYPES.values():
            raise InputError(
                f"record '{self.name}' is {self.values.dtype} {self.values.shape}; expected one dimension of int32, "
                "float32 or float64"
            )

    @classmethod
    def in_float(cls, name: str, values: Array) -> "Record":
        """Make a float record with the extremes of the double values, as neXtSIM writes it.

        Args:
            name: name of the record.
            values: (n,) in double precision.
        """
        return cls(name, values.astype("<f4"), extreme_texts(values))

    @property
    def line(self) -> str:
        """The line of the record in the ``.dat``."""
        extremes = self.extremes or extreme_texts(self.values)
        return DatLine(self.name, self.values.dtype, len(self.values), extremes).text

    @property
    def data(self) -> bytes:
        """The bytes of the record in the ``.bin``."""
        return np.array([len(self.values)], dtype=_COUNT).tobytes() + self.values.tobytes()


def bin_and_dat(path: FilePath) -> tuple[FilePath, FilePath]:
    """Return ``NAME.bin`` and ``NAME.dat`` for a path with either suffix or none."""
    base = path.with_suffix("") if path.suffix in (".bin", ".dat") else path
    return base.with_name(base.name + ".bin"), base.with_name(base.name + ".dat")


def read_records(path: FilePath) -> list[Record]:
    """Read all records of a file, in order.

    Args:
        path: ``NAME``, ``NAME.bin`` or ``NAME.dat``.

    Returns:
        Records; their values are read-only and take as much memory as the file.

    Raises:
        InputError: one of the two files is missing or damaged, or they do not belong together.
    """
    binary, text = bin_and_dat(path)
    for part, other in ((binary, text), (text, binary)):
        if not part.is_file():
            raise InputError(f"{part.name} is missing; neXtSIM writes it with {other.name}, copy both")

    with naming(text.name):
        lines = read_dat(text)

    with naming(binary.name):
        return _read_bin(binary, lines)


def write_records(path: FilePath, records: Sequence[Record]) -> None:
    """Write ``NAME.bin`` and ``NAME.dat``; records from :func:`read_records` give the same bytes again.

    Args:
        path: ``NAME``, ``NAME.bin`` or ``NAME.dat``.
        records: records in their order.
    """
    write_files(record_files(path, records))


def record_files(path: FilePath, records: Sequence[Record]) -> dict[FilePath, bytes]:
    """Return the two files of some records, with their content.

    Args:
        path: ``NAME``, ``NAME.bin`` or ``NAME.dat``.
        records: records in their order.
    """
    binary, text = bin_and_dat(path)
    data = b"".join(record.data for record in records)
    lines = "".join(record.line for record in records)

    return {binary: data, text: lines.encode("ascii")}


def write_files(files: dict[FilePath, bytes]) -> None:
    """Write several small files that belong together: either all of them or, after a failure, none."""
    if not files:
        return

    (path, content), *others = files.items()

    def write(temporary: FilePath) -> None:
        temporary.write_bytes(content)
        # The other files are written before this one is renamed, so that no file is in place before all are on disk.
        write_files(dict(others))

    write_atomically(path, write)


def _read_bin(path: FilePath, lines: list[DatLine]) -> list[Record]:
    """Read the ``.bin``; its size is checked first, so that a damaged file takes no memory."""
    size = path.stat().st_size
    expected = sum(_size(line) for line in lines)
    if size != expected:
        what = "truncated, or has another .dat" if size < expected else "longer than that, or has another .dat"
        raise InputError(f"has {size} bytes; the {len(lines)} records of its .dat need {expected}: it is {what}")

    content = path.read_bytes()
    offset = 0
    records = []

    for line in lines:
        start = offset + _COUNT.itemsize
        _check_count(content[offset:start], line)
        values = np.frombuffer(content, line.dtype, line.count, start)
        check_extremes(line, values)
        records.append(Record(line.name, values, line.extremes))
        offset += _size(line)

    return records


def _size(line: DatLine) -> int:
    """Return the number of bytes of a record in the ``.bin``."""
    return _COUNT.itemsize + line.count * line.dtype.itemsize


def _check_count(content: bytes, line: DatLine) -> None:
    count = int.from_bytes(content, "little", signed=True)
    if count == line.count:
        return
    if int.from_bytes(content, "big", signed=True) == line.count:
        raise InputError(f"'{line.name}': the bytes are in big-endian order; neXtSIM writes little-endian")

    raise InputError(f"'{line.name}': the file says {count} values, its .dat {line.count}; one of them is damaged")

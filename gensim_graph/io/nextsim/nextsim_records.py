"""neXtSIM's binary container: ``NAME.bin`` with the values and ``NAME.dat`` with a line of text for each record.

``.bin`` is one record after the other, little-endian: int32 n, then n values. ``.dat`` says of each, in the same
order, ``<name> <type> <n> <minimum> <maximum>`` with type ``int``, ``float`` or ``double``. Names occur twice in
genuine files, so records are known by their place. The minimum and maximum are %g of the values *before* neXtSIM cast
them to float; they are kept as text, so that what is read can be written again byte for byte, and they catch damaged
values.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array

_TYPES: dict[str, np.dtype] = {"int": np.dtype("<i4"), "float": np.dtype("<f4"), "double": np.dtype("<f8")}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_COUNT = np.dtype("<i4")
_INTEGER = re.compile(r"-?\d{1,10}")
_NUMBER = re.compile(r"-?(\d+(\.\d+)?(e[+-]\d{2,3})?|inf|nan)")
_WIDEST = 200  # characters of a .dat line: a name and four numbers


@dataclass(frozen=True, eq=False)
class Record:
    """Values under a name.

    Attributes:
        name: an identifier.
        values: (n,) int32, float32 or float64.
        extremes: minimum and maximum as the ``.dat`` has them; empty to have them computed from the values.
    """

    name: str
    values: Array
    extremes: tuple[str, str] | tuple[()] = ()

    def __post_init__(self) -> None:
        if not (self.name.isascii() and self.name.isidentifier()):
            raise InputError(f"a record cannot have the name {self.name!r}; expected letters, digits and _")
        if self.values.ndim != 1 or self.values.dtype not in _NAMES:
            raise InputError(
                f"record '{self.name}' is {self.values.dtype} {self.values.shape}; expected one dimension of int32, "
                "float32 or float64"
            )

    @classmethod
    def in_float(cls, name: str, values: Array) -> "Record":
        """A float record of double values (n,), with the extremes of the doubles, as neXtSIM writes it."""
        return cls(name, values.astype("<f4"), extreme_texts(values))

    @property
    def line(self) -> str:
        """Its line in the ``.dat``."""
        low, high = self.extremes or extreme_texts(self.values)
        return f"{self.name} {_NAMES[self.values.dtype]} {len(self.values)} {low} {high}\n"

    @property
    def data(self) -> bytes:
        """Its bytes in the ``.bin``."""
        return np.array([len(self.values)], dtype=_COUNT).tobytes() + self.values.tobytes()


def extreme_texts(values: Array) -> tuple[str, str]:
    """Minimum and maximum as neXtSIM prints them: integers in full, others with six significant digits.

    As its loop does, a NaN counts only where it comes first, and of equal values (0 and -0) the first one counts.
    """
    if len(values) == 0:
        return "0", "0"
    if values.dtype.kind == "i":
        return str(values.min()), str(values.max())

    if np.isnan(values[0]):
        text = "-nan" if np.signbit(values[0]) else "nan"
        return text, text

    return f"{values[np.nanargmin(values)]:g}", f"{values[np.nanargmax(values)]:g}"


def in_pieces(path: FilePath) -> tuple[FilePath, FilePath]:
    """``NAME.bin`` and ``NAME.dat`` of a path with either suffix or none."""
    base = path.with_suffix("") if path.suffix in (".bin", ".dat") else path
    return base.with_name(base.name + ".bin"), base.with_name(base.name + ".dat")


def read_records(path: FilePath) -> list[Record]:
    """All records of a file, in order.

    Args:
        path: ``NAME``, ``NAME.bin`` or ``NAME.dat``.

    Returns:
        Records; their values are read-only and take as much memory as the file.

    Raises:
        InputError: one of the two files is missing, is not what it should be, or does not fit the other.
    """
    binary, text = in_pieces(path)
    for part, other in ((binary, text), (text, binary)):
        if not part.is_file():
            raise InputError(f"{part.name} is missing; neXtSIM writes it with {other.name}, copy both")

    with naming(text.name):
        layout = [_parsed(line, number) for number, line in enumerate(_lines(text), start=1)]

    with naming(binary.name):
        return _values(binary, layout)


def write_records(path: FilePath, records: Sequence[Record]) -> None:
    """Write ``NAME.bin`` and ``NAME.dat``; what was read by :func:`read_records` comes out byte for byte."""
    write_files(record_files(path, records))


def record_files(path: FilePath, records: Sequence[Record]) -> dict[FilePath, bytes]:
    """The two files of some records and what is in them."""
    binary, text = in_pieces(path)
    lines = "".join(record.line for record in records)
    return {binary: b"".join(record.data for record in records), text: lines.encode("ascii")}


def write_files(files: dict[FilePath, bytes]) -> None:
    """Write several small files that belong together: all of them or, where one fails, none."""
    if not files:
        return

    (path, content), *others = files.items()

    def write(temporary: FilePath) -> None:
        temporary.write_bytes(content)
        write_files(dict(others))  # while this one has its temporary name: none is in place before all are on disk

    write_atomically(path, write)


@dataclass(frozen=True)
class _Line:
    """What a line of the ``.dat`` says."""

    name: str
    dtype: np.dtype
    count: int
    extremes: tuple[str, str]

    @property
    def size(self) -> int:
        """Bytes in the ``.bin``."""
        return _COUNT.itemsize + self.count * self.dtype.itemsize


def _lines(path: FilePath) -> list[str]:
    try:
        text = path.read_bytes().decode("ascii")
    except UnicodeDecodeError:
        raise InputError("is not text; expected a line '<name> <type> <n> <min> <max>' for each record") from None

    lines = text.removesuffix("\n").split("\n")
    if not text.strip():
        raise InputError("is empty; expected a line '<name> <type> <n> <min> <max>' for each record")

    return lines


def _parsed(line: str, number: int) -> _Line:
    words = line.split() if len(line) <= _WIDEST else []
    if len(words) != 5:
        raise InputError(f"line {number} is {line[:80]!r}; expected '<name> <type> <n> <min> <max>'")

    name, kind, count, low, high = words
    if not name.isidentifier():
        raise InputError(f"line {number}: {name!r} is not a name; expected letters, digits and _")
    if kind not in _TYPES:
        raise InputError(f"line {number}: '{name}' has type {kind!r}; expected {', '.join(_TYPES)}")

    if not _INTEGER.fullmatch(count) or not 0 <= int(count) < 2**31:
        raise InputError(f"line {number}: '{name}' has {count!r} values; expected a count")

    pattern = _INTEGER if kind == "int" else _NUMBER
    if not (pattern.fullmatch(low) and pattern.fullmatch(high)):
        raise InputError(f"line {number}: '{name}' runs from {low!r} to {high!r}; expected two numbers")

    return _Line(name, _TYPES[kind], int(count), (low, high))


def _values(path: FilePath, layout: list[_Line]) -> list[Record]:
    """Read the ``.bin``, whose size is checked before a byte of it is read."""
    came, expected = path.stat().st_size, sum(line.size for line in layout)
    if came != expected:
        what = "truncated, or has another .dat" if came < expected else "longer than that, or has another .dat"
        raise InputError(f"has {came} bytes; the {len(layout)} records of its .dat need {expected}: it is {what}")

    content, place, records = path.read_bytes(), 0, []
    for line in layout:
        _check_count(content[place : place + _COUNT.itemsize], line)
        values = np.frombuffer(content, line.dtype, line.count, place + _COUNT.itemsize)
        _check_extremes(line, values)
        records.append(Record(line.name, values, line.extremes))
        place += line.size

    return records


def _check_count(content: bytes, line: _Line) -> None:
    count = int.from_bytes(content, "little", signed=True)
    if count == line.count:
        return
    if int.from_bytes(content, "big", signed=True) == line.count:
        raise InputError(f"'{line.name}': the bytes are in big-endian order; neXtSIM writes little-endian")

    raise InputError(f"'{line.name}': the file says {count} values, its .dat {line.count}; one of them is damaged")


def _check_extremes(line: _Line, values: Array) -> None:
    for text, expected, (low, high) in zip(line.extremes, extreme_texts(values), _possible(values), strict=True):
        nan = text.endswith("nan"), expected.endswith("nan")
        if nan == (True, True) or (not any(nan) and low <= float(text) <= high):
            continue

        raise InputError(
            f"'{line.name}': the values run from {' to '.join(extreme_texts(values))}, its .dat says "
            f"{' to '.join(line.extremes)}; the file is damaged or belongs to another .dat"
        )


def _possible(values: Array) -> list[tuple[float, float]]:
    """Between which numbers the printed minimum and maximum lie, from the values that are left of them."""
    texts = extreme_texts(values)
    if values.dtype != _TYPES["float"] or texts[0].endswith("nan") or len(values) == 0:
        return [(float(text), float(text)) for text in texts]
    return [_before_cast(extreme) for extreme in (np.nanmin(values), np.nanmax(values))]


def _before_cast(value: np.float32) -> tuple[float, float]:
    """%g of the smallest and the largest double that become this float."""
    ends = []
    for direction in (-np.inf, np.inf):
        neighbour = np.nextafter(value, np.float32(direction))
        halfway = 0.5 * (np.float64(value) + np.float64(neighbour))
        ends.append(float(f"{halfway if np.isfinite(value) else neighbour:g}"))

    return ends[0], ends[1]

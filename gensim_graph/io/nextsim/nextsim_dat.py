"""The text file of neXtSIM's container, ``NAME.dat``: one line for each record of ``NAME.bin``.

A line reads ``<name> <type> <n> <minimum> <maximum>`` with the type ``int``, ``float`` or ``double``. neXtSIM prints
minimum and maximum with ``%g`` from the values *before* it casts them to float. They are kept as text, so that a file
can be written again byte for byte, and they reveal damaged values.
"""

import re
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

RECORD_TYPES: dict[str, np.dtype] = {"int": np.dtype("<i4"), "float": np.dtype("<f4"), "double": np.dtype("<f8")}
"""Type in a ``.dat`` -> type of the values in the ``.bin``, little-endian."""

_TYPE_NAMES = {dtype: name for name, dtype in RECORD_TYPES.items()}
_INTEGER = re.compile(r"-?\d{1,10}")
_NUMBER = re.compile(r"-?(\d+(\.\d+)?(e[+-]\d{2,3})?|inf|nan)")
_MAX_LINE_LENGTH = 200  # characters: a name and four numbers


@dataclass(frozen=True)
class DatLine:
    """One line of a ``.dat``: the description of one record.

    Attributes:
        name: name of the record.
        dtype: type of its values in the ``.bin``.
        count: number of its values.
        extremes: minimum and maximum as text.
    """

    name: str
    dtype: np.dtype
    count: int
    extremes: tuple[str, str]

    @property
    def text(self) -> str:
        """The line as it stands in the file, with its line break."""
        low, high = self.extremes
        return f"{self.name} {_TYPE_NAMES[self.dtype]} {self.count} {low} {high}\n"


def read_dat(path: FilePath) -> list[DatLine]:
    """Read all lines of a ``.dat``.

    Raises:
        InputError: the file is empty or no text, or a line does not describe a record.
    """
    return [_parse_line(line, number) for number, line in enumerate(_read_lines(path), start=1)]


def extreme_texts(values: Array) -> tuple[str, str]:
    """Return minimum and maximum as neXtSIM prints them: integers in full, others with six significant digits.

    The rules are those of neXtSIM's loop over the values: NaN is printed only if it is the first value, and of equal
    values (0 and -0) the first one is printed.
    """
    if len(values) == 0:
        return "0", "0"
    if values.dtype.kind == "i":
        return str(values.min()), str(values.max())

    if np.isnan(values[0]):
        text = "-nan" if np.signbit(values[0]) else "nan"
        return text, text

    return f"{values[np.nanargmin(values)]:g}", f"{values[np.nanargmax(values)]:g}"


def check_extremes(line: DatLine, values: Array) -> None:
    """Refuse values that contradict the minimum and maximum in the ``.dat``.

    Args:
        line: description of the record.
        values: (n,) values of the record in the ``.bin``.

    Raises:
        InputError: minimum or maximum differ by more than the rounding to float and to six digits.
    """
    for text, expected, (low, high) in zip(line.extremes, extreme_texts(values), _accepted_ranges(values), strict=True):
        is_nan = text.endswith("nan")
        expects_nan = expected.endswith("nan")
        if is_nan and expects_nan:
            continue
        if not is_nan and not expects_nan and low <= float(text) <= high:
            continue

        raise InputError(
            f"'{line.name}': the values run from {' to '.join(extreme_texts(values))}, its .dat says "
            f"{' to '.join(line.extremes)}; the file is damaged or belongs to another .dat"
        )


def _read_lines(path: FilePath) -> list[str]:
    try:
        text = path.read_bytes().decode("ascii")
    except UnicodeDecodeError:
        raise InputError("is not text; expected a line '<name> <type> <n> <min> <max>' for each record") from None

    lines = text.removesuffix("\n").split("\n")
    if not text.strip():
        raise InputError("is empty; expected a line '<name> <type> <n> <min> <max>' for each record")

    return lines


def _parse_line(line: str, number: int) -> DatLine:
    words = line.split() if len(line) <= _MAX_LINE_LENGTH else []
    if len(words) != 5:
        raise InputError(f"line {number} is {line[:80]!r}; expected '<name> <type> <n> <min> <max>'")

    name, kind, count = words[:3]
    low, high = words[3:]

    if not name.isidentifier():
        raise InputError(f"line {number}: {name!r} is not a name; expected letters, digits and _")
    if kind not in RECORD_TYPES:
        raise InputError(f"line {number}: '{name}' has type {kind!r}; expected {', '.join(RECORD_TYPES)}")
    if not _INTEGER.fullmatch(count) or not 0 <= int(count) < 2**31:
        raise InputError(f"line {number}: '{name}' has {count!r} values; expected a count")

    pattern = _INTEGER if kind == "int" else _NUMBER
    if not (pattern.fullmatch(low) and pattern.fullmatch(high)):
        raise InputError(f"line {number}: '{name}' runs from {low!r} to {high!r}; expected two numbers")

    return DatLine(name, RECORD_TYPES[kind], int(count), (low, high))


def _accepted_ranges(values: Array) -> list[tuple[float, float]]:
    """Smallest and largest number that the ``.dat`` may give as the minimum, and the same for the maximum."""
    texts = extreme_texts(values)
    if values.dtype != RECORD_TYPES["float"] or texts[0].endswith("nan") or len(values) == 0:
        return [(float(text), float(text)) for text in texts]

    return [_range_before_cast(extreme) for extreme in (np.nanmin(values), np.nanmax(values))]


def _range_before_cast(value: np.float32) -> tuple[float, float]:
    """Return the smallest and the largest double that are cast to this float, rounded as ``%g`` rounds."""
    ends = []
    for direction in (-np.inf, np.inf):
        neighbour = np.nextafter(value, np.float32(direction))
        halfway = 0.5 * (np.float64(value) + np.float64(neighbour))
        ends.append(float(f"{halfway if np.isfinite(value) else neighbour:g}"))

    return ends[0], ends[1]

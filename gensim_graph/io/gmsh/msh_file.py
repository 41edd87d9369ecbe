"""The sections of gmsh's formats 4.0 and 4.1 (``.msh``), and the names of physical groups in all formats.

Format 4 gives physical groups to the entities of the geometry (section ``$Entities``), and elements belong to an
entity. An entity may be in several groups, or in none; the number of a group is negative where the curve is reversed.
meshio reads the other formats; it cannot read these cases of format 4.
"""

import re
import shlex
from dataclasses import dataclass, field

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

POINT, LINE, TRIANGLE, QUADRILATERAL, SOLID = 1, 2, 3, 4, 0

_LINES = {1: 2, 8: 3, 26: 4, 27: 5, 28: 6, 62: 7, 63: 8, 64: 9, 65: 10, 66: 11}
_TRIANGLES = {2: 3, 9: 6, 20: 9, 21: 10, 22: 12, 23: 15, 24: 15, 25: 21, 42: 28, 43: 36, 44: 45, 45: 55, 46: 66}
_TRIANGLES |= {52: 18, 53: 21, 54: 24, 55: 27, 56: 30}
_QUADRILATERALS = {3: 4, 10: 9, 16: 8, 36: 16, 37: 25, 38: 36, 39: 12, 40: 16, 41: 20, 47: 49, 48: 64, 49: 81, 50: 100}
_QUADRILATERALS |= {51: 121, 57: 24, 58: 28, 59: 32, 60: 36, 61: 40}
_SOLIDS = {4: 4, 5: 8, 6: 6, 7: 5, 11: 10, 12: 27, 13: 18, 14: 14, 17: 20, 18: 15, 19: 13, 29: 20, 30: 35, 31: 56}
_SOLIDS |= {92: 64, 93: 125}
ELEMENTS: dict[int, tuple[int, int]] = {
    15: (POINT, 1),
    **{code: (LINE, count) for code, count in _LINES.items()},
    **{code: (TRIANGLE, count) for code, count in _TRIANGLES.items()},
    **{code: (QUADRILATERAL, count) for code, count in _QUADRILATERALS.items()},
    **{code: (SOLID, count) for code, count in _SOLIDS.items()},
}
"""Element type of gmsh -> number of corners (0 for solids), number of nodes. Corners are the first nodes."""

OLD_VERSIONS = ("4", "4.0")
"""Versions in the header of format 4.0."""

_NAMES = {POINT: "vertex", LINE: "line", TRIANGLE: "triangle", QUADRILATERAL: "quad", SOLID: "solids"}
_PART = re.compile(r"_part\{[\d,]*\}_physical\{-?(?P<number>\d+)\}_dim\{(?P<dimension>\d)\}")
_LARGEST = 2.0**53  # whole numbers up to here are exact as float64
_DAMAGED = "cannot be read as a mesh file, it is damaged or of another format"


@dataclass(frozen=True)
class ElementBlock:
    """Elements of one type.

    Attributes:
        kind: ``line``, ``triangle``, ``quad`` or another word for messages.
        corners: (n, k) positions of the corners in the list of nodes.
        groups: (n,) number of the physical group of each element, 0 if it has none.
        others: numbers of further physical groups that all these elements belong to.
    """

    kind: str
    corners: Array
    groups: Array
    others: tuple[int, ...] = ()


@dataclass(frozen=True)
class MshContent:
    """What a mesh needs of a file.

    Attributes:
        points: (N, 3) coordinates of the nodes.
        blocks: the elements.
        names: (dimension, number of the physical group) -> name.
        has_groups: True if the format can say which elements belong to which physical group.
    """

    points: Array
    blocks: list[ElementBlock]
    names: dict[tuple[int, int], str] = field(default_factory=dict)
    has_groups: bool = True


def format_version(content: bytes) -> str:
    """Return the version in the first section, such as ``2.2`` or ``4.1``; empty if it is not there."""
    words = content[:100].split()
    return words[1].decode("ascii", "replace") if len(words) > 1 else ""


def physical_names(content: bytes) -> dict[tuple[int, int], str]:
    """Read the names of physical groups: (dimension, number) -> name.

    Raises:
        InputError: the section is damaged.
    """
    section = _section(content, b"PhysicalNames")
    if section is None:
        return {}

    lines = [line for line in section.decode("utf-8", "replace").splitlines() if line.strip()]
    names = {}
    try:
        for line in lines[1:]:
            dimension, number, name = shlex.split(line)[:3]
            names[int(dimension), abs(int(number))] = name
    except ValueError as error:
        raise InputError(f"{_DAMAGED} ($PhysicalNames: {error})") from None

    return _without_partitions(names)


def _without_partitions(names: dict[tuple[int, int], str]) -> dict[tuple[int, int], str]:
    """Give the groups of the parts of a partitioned mesh the name of the whole group; sides between parts get none."""
    whole = {key: name for key, name in names.items() if not name.startswith("_part{")}
    found = dict(whole)
    for key, name in names.items():
        part = _PART.fullmatch(name)
        original = (int(part["dimension"]), int(part["number"])) if part else None
        if original in whole:
            found[key] = whole[original]

    return found


def read_msh4(content: bytes) -> MshContent:
    """Read nodes, elements and physical groups of a file of format 4.0 (ascii) or 4.1 (ascii and binary).

    Raises:
        InputError: a section is missing or damaged.
    """
    try:
        size_bytes, is_binary = _header(content)
        reader = {"is_binary": is_binary, "size_bytes": size_bytes}
        is_old = format_version(content) in OLD_VERSIONS
        groups = _entity_groups(content, reader, is_old)
        tags, points = (_old_nodes if is_old else _nodes)(_numbers(content, b"Nodes", reader))
        blocks = _elements(_numbers(content, b"Elements", reader), tags, groups, is_old)
    except (ValueError, IndexError, OverflowError, DeprecationWarning) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{_DAMAGED} ({' '.join(str(error).split())[:200]})") from None

    return MshContent(points, blocks, physical_names(content), has_groups=groups is not None)


class _Numbers:
    """Numbers of a section, taken one after the other. In ascii all are read as float64, which is exact to 2**53."""

    def __init__(self, section: bytes, is_binary: bool, size_bytes: int) -> None:
        self._at = 0
        self._bytes = section
        self._types = {"int": np.dtype("<i4"), "size": np.dtype(f"<u{size_bytes}"), "float": np.dtype("<f8")}
        self._ascii = None if is_binary else np.array(section.split(), dtype=np.float64)

    def take(self, kind: str, count: int) -> Array:
        """Take the next numbers, of kind ``int``, ``size`` or ``float``."""
        width = 1 if self._ascii is not None else self._types[kind].itemsize
        stop = self._at + count * width
        if count < 0 or stop > len(self._bytes if self._ascii is None else self._ascii):
            raise InputError(f"{_DAMAGED} (a section ends early: {count} numbers were expected)")

        if self._ascii is None:
            values = np.frombuffer(self._bytes[self._at : stop], self._types[kind])
        else:
            values = self._ascii[self._at : stop]

        self._at = stop
        if kind == "float":
            return values
        if not (np.abs(values.astype(np.float64)) < _LARGEST).all():
            raise InputError(f"{_DAMAGED} (a whole number is not finite or too large)")

        return values.astype(np.int64)

    def one(self, kind: str) -> int:
        """Take one whole number."""
        return int(self.take(kind, 1)[0])


def _header(content: bytes) -> tuple[int, bool]:
    """Bytes of a size, and True if the file is binary."""
    _, version, file_type, size = content[:100].split()[:4]
    if file_type not in (b"0", b"1") or size not in (b"4", b"8"):
        raise InputError(f"{_DAMAGED} (unknown header {version!r} {file_type!r} {size!r})")

    if file_type == b"1":
        start = content.index(b"\n", content.index(b"\n") + 1) + 1
        if content[start : start + 4] != b"\x01\x00\x00\x00":
            raise InputError(f"{_DAMAGED} (its bytes are in another order than those of this machine)")

    return int(size), file_type == b"1"


def _section(content: bytes, name: bytes) -> bytes | None:
    """Bytes between the marks of a section; None if the file does not have it."""
    start = content.find(b"$" + name)
    stop = content.find(b"$End" + name, start + 1)
    if start < 0 or stop < 0:
        return None

    return content[content.index(b"\n", start) + 1 : stop]


def _numbers(content: bytes, name: bytes, reader: dict) -> _Numbers:
    section = _section(content, name)
    if section is None:
        raise InputError(f"{_DAMAGED} (it has no section ${name.decode()})")
    return _Numbers(section, **reader)


def _entity_groups(content: bytes, reader: dict, is_old: bool) -> dict[tuple[int, int], list[int]] | None:
    """(dimension, number of the entity) -> numbers of its physical groups; None if the file has no entities."""
    partitioned = _section(content, b"PartitionedEntities")
    section = _section(content, b"Entities")
    groups: dict[tuple[int, int], list[int]] = {}

    if section is not None:
        _add_entities(_Numbers(section, **reader), groups, 6 if is_old else 3, in_parts=False)
    if partitioned is not None:
        numbers = _Numbers(partitioned, **reader)
        numbers.one("size")  # number of partitions
        ghosts = numbers.one("size")
        numbers.take("int", 2 * ghosts)
        _add_entities(numbers, groups, 6 if is_old else 3, in_parts=True)

    return None if section is None and partitioned is None else groups


def _add_entities(
    numbers: _Numbers, groups: dict[tuple[int, int], list[int]], point_width: int, in_parts: bool
) -> None:
    """Read the entities of the four dimensions."""
    counts = numbers.take("size", 4)
    for dimension, count in enumerate(counts):
        for _ in range(int(count)):
            number = numbers.one("int")
            if in_parts:
                numbers.take("int", 2)  # parent
                numbers.take("int", numbers.one("size"))  # partitions

            numbers.take("float", point_width if dimension == 0 else 6)  # bounding box
            groups[dimension, number] = np.abs(numbers.take("int", numbers.one("size"))).tolist()

            if dimension > 0:
                numbers.take("int", numbers.one("size"))  # entities on its boundary


def _nodes(numbers: _Numbers) -> tuple[Array, Array]:
    """Tags (N,) and coordinates (N, 3) of the nodes."""
    blocks = numbers.one("size")
    numbers.take("size", 3)  # number of nodes, lowest and highest tag
    tags = [np.empty(0, dtype=np.int64)]
    points = [np.empty((0, 3))]

    for _ in range(blocks):
        dimension, _, is_parametric = numbers.take("int", 3).tolist()
        count = numbers.one("size")
        width = 3 + (dimension if is_parametric else 0)
        tags.append(numbers.take("size", count))
        points.append(numbers.take("float", count * width).reshape(count, width)[:, :3])

    return np.concatenate(tags), np.concatenate(points)


def _old_nodes(numbers: _Numbers) -> tuple[Array, Array]:
    """Tags (N,) and coordinates (N, 3) of the nodes in format 4.0."""
    blocks = numbers.one("size")
    numbers.one("size")  # number of nodes
    rows = [np.empty((0, 4))]

    for _ in range(blocks):
        _, dimension, is_parametric = numbers.take("int", 3).tolist()
        count = numbers.one("size")
        width = 4 + (dimension if is_parametric else 0)
        rows.append(numbers.take("float", count * width).reshape(count, width)[:, :4])

    table = np.concatenate(rows)
    return table[:, 0].astype(np.int64), table[:, 1:]


def _elements(
    numbers: _Numbers, tags: Array, groups: dict[tuple[int, int], list[int]] | None, is_old: bool
) -> list[ElementBlock]:
    n_blocks = numbers.one("size")
    numbers.take("size", 1 if is_old else 3)  # number of elements; lowest and highest tag
    order = np.argsort(tags, kind="stable")
    blocks = []

    for _ in range(n_blocks):
        dimension, entity, code = numbers.take("int", 3).tolist()
        if is_old:
            dimension, entity = entity, dimension
        count = numbers.one("size")
        if code not in ELEMENTS:
            raise InputError(f"it has elements of gmsh's type {code}, which are not known; expected lines and faces")

        corners, width = ELEMENTS[code]
        rows = numbers.take("size", count * (1 + width)).reshape(count, 1 + width)[:, 1:]
        of_entity = (groups or {}).get((dimension, entity), [])
        kind = _NAMES[corners]
        positions = _positions(rows[:, :corners], tags, order)
        first = np.full(count, of_entity[0] if of_entity else 0)
        blocks.append(ElementBlock(kind, positions, first, tuple(of_entity[1:])))

    return blocks


def _positions(wanted: Array, tags: Array, order: Array) -> Array:
    """Positions of node tags in the list of all tags."""
    if wanted.size == 0:
        return wanted

    at = np.minimum(np.searchsorted(tags, wanted, sorter=order), len(tags) - 1) if len(tags) else np.zeros_like(wanted)
    found = order[at] if len(tags) else at
    missing = (tags[found] != wanted) if len(tags) else np.ones(wanted.shape, dtype=bool)
    if missing.any():
        raise InputError(
            f"elements refer to nodes that the file does not have: {np.unique(wanted[missing])[:5].tolist()}"
        )

    return found

"""The output of a neXtSIM run, one pair ``mesh_NAME``, ``field_NAME`` after the other in the order of time.

NAME is a date, the number of the output step, or a word. Pairs written before and after a remeshing
(``pre_regrid_``, ``post_regrid_``) lie between the regular ones; ``final`` repeats the last state; ``crash`` is written
where the ice was at the last remeshing and is no output.
"""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.checks import check_field_values
from gensim_graph.io.nextsim.nextsim_fields import on_nodes, pair_on_faces
from gensim_graph.io.nextsim.nextsim_pair import (
    NextsimMesh,
    held_nodes,
    is_pair,
    named,
    pair_files,
    read_nextsim_mesh,
    true_mesh,
)
from gensim_graph.io.nextsim.nextsim_records import Record, read_records
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

log = logging.getLogger(__name__)

EPOCH = np.datetime64("1900-01-01T00:00:00.000", "ms")
"""Where neXtSIM's days count from."""

_LAST_DAY = 132_000.0  # 2261, the last year of datetime64[ns]
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_REGULAR = re.compile(r"\d{8}T\d{6}Z|\d+")
_OUTPUT, _BEFORE, _AFTER = range(3)
_REGRID = {"pre_regrid_": _BEFORE, "post_regrid_": _AFTER}


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The ice at one time, on the mesh of that time.

    Attributes:
        name: NAME of the pair.
        time: when, to the millisecond.
        mesh: the mesh where the ice is.
        held: (N,) nodes that the coast holds, or None where the file does not tell.
        faces: variables of the table on triangles, (F,).
        nodes: their components of vectors on nodes, (N,), along the axes of the plane.
        records: all records of the field file.
    """

    name: str
    time: np.datetime64
    mesh: NextsimMesh
    held: Array | None
    faces: dict[str, Array]
    nodes: dict[str, Array]
    records: list[Record]

    def to_mesh(self, held: Array | None = None) -> Mesh:
        """See :meth:`NextsimMesh.to_mesh <gensim_graph.io.nextsim.nextsim_pair.NextsimMesh.to_mesh>`."""
        with naming(f"mesh_{self.name}.bin"):
            return self.mesh.to_mesh(held)


@dataclass
class Coast:
    """Which nodes the coast holds, gathered over a run: on the boundary, those that never move.

    Boundary nodes keep their ids, whatever is remeshed.
    """

    known: bool = False
    moving: Array = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def add(self, snapshot: Snapshot) -> None:
        """Learn from one snapshot."""
        if snapshot.held is not None:
            self.known = True
            self.moving = np.union1d(self.moving, snapshot.mesh.ids[~snapshot.held])

    def of(self, mesh: NextsimMesh) -> Array | None:
        """Nodes of a mesh that never moved, (N,); None where all output is at rest."""
        return ~np.isin(mesh.ids, self.moving) if self.known else None


def is_nextsim(path: FilePath) -> bool:
    """Whether a path is a folder with pairs, or a file of one."""
    return is_pair(path) if path.is_file() else bool(_names(path))


def find_outputs(path: FilePath, remeshings: bool = False) -> list[FilePath]:
    """``mesh_NAME.bin`` of the pairs to read, in no particular order.

    Args:
        path: a folder, or a file of one pair.
        remeshings: also those before and after remeshing.

    Raises:
        InputError: half of a pair, or none.
    """
    if path.is_file():
        return [pair_files(path)[0]]

    names = _names(path)
    regular = [name for name in names if _REGULAR.fullmatch(name)]
    between = [name for name in names if name.startswith(tuple(_REGRID))]
    words = [name for name in names if name not in regular and name not in between and name != "crash"]
    chosen = (regular or words) + (between if remeshings else [])

    if not chosen:
        raise InputError(
            f"has no regular output, only {', '.join(names[:3])}; name the files of one pair to read it, or read the "
            "pairs around remeshings with gensim_graph.data.open_moving"
        )
    if left_out := [name for name in names if name not in chosen]:
        log.info("%s: not read beside the regular output: %s", path, ", ".join(left_out))

    return [path / f"mesh_{name}.bin" for name in chosen]


def read_snapshots(path: FilePath, remeshings: bool = False) -> Iterator[Snapshot]:
    """Snapshots in the order of time, one in memory at a time.

    A pair before a remeshing is left out where the regular output has its time.

    Raises:
        InputError: a missing or damaged file, values that are not plausible, or two outputs with one time.
    """
    order = sorted((_order(file), file) for file in find_outputs(path, remeshings))
    previous = None

    for (time, rank), file in order:
        if time == previous and rank == _OUTPUT:
            raise InputError(f"{file.name} has the time of the output before it, {time}; keep one of them")
        if time != previous or rank == _AFTER:
            yield read_snapshot(file)
        previous = time


def read_snapshot(path: FilePath) -> Snapshot:
    """One pair.

    Args:
        path: any of its four files.

    Raises:
        InputError: a missing or damaged file, a mesh and fields that do not belong together, values that are not
            plausible.
    """
    mesh_file, field_file = pair_files(path)
    stored, records, name = read_nextsim_mesh(mesh_file), read_records(field_file), _name(field_file)

    with naming(field_file.name):
        if name == "crash" and named(records, "M_UM") is None:
            raise InputError(
                "a crash without displacement (M_UM) does not say where the ice is; take the output before it"
            )

        faces, nodes = pair_on_faces(records, len(stored.faces)), on_nodes(records, len(stored.ids))
        for key, values in (faces | nodes).items():
            check_field_values("the records", values, default_variables()[key], "node" if key in nodes else "face")

        mesh, held = true_mesh(stored, records), held_nodes(stored, records)
        return Snapshot(name, _time(name, records), mesh, held, faces, nodes, records)


def _names(folder: FilePath) -> list[str]:
    """NAME of every pair in a folder, also where one half of it is missing."""
    files = [*folder.glob("mesh_*.bin"), *folder.glob("field_*.bin")]
    return sorted({file.stem.split("_", 1)[1] for file in files})


def _name(file: FilePath) -> str:
    return file.stem.split("_", 1)[1]


def _order(mesh_file: FilePath) -> tuple[np.datetime64, int]:
    """Time, and order at one time. The date in a name is the time to the second, which reading checks."""
    name, field_file = _name(mesh_file), pair_files(mesh_file)[1]
    rank = next((rank for word, rank in _REGRID.items() if name.startswith(word)), _OUTPUT)
    if stamp := _STAMP.search(name):
        return _date(stamp.group()), rank

    records = read_records(field_file)
    with naming(field_file.name):
        return _time(name, records), rank


def _time(name: str, records: list[Record]) -> np.datetime64:
    values = named(records, "Time")
    if values is None or len(values) != 1 or values.dtype.kind != "f":
        raise InputError("has no record 'Time' with one number, days since 1900")

    days = float(values[0])
    if not 0.0 <= days <= _LAST_DAY:
        raise InputError(f"Time is {days:g}; expected days since 1900-01-01")

    time = EPOCH + np.timedelta64(round(days * 86_400_000), "ms")
    stamp = _STAMP.search(name)
    if stamp and abs(time - _date(stamp.group())) > np.timedelta64(1, "s"):
        raise InputError(f"Time is {time}, which is not that of the file's name")

    return time


def _date(stamp: str) -> np.datetime64:
    try:
        return np.datetime64(datetime.strptime(stamp, "%Y%m%dT%H%M%SZ"), "ms")
    except ValueError:
        raise InputError(f"'{stamp}' in the file's name is no date") from None

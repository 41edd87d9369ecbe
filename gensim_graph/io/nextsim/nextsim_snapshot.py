"""The ice of a neXtSIM run at one time: the mesh of that time and the variables on it, read from one pair of files."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path as FilePath

import numpy as np

from gensim_graph.errors import InputError, naming
from gensim_graph.io.checks import check_field_values
from gensim_graph.io.nextsim.nextsim_fields import face_variables, node_variables
from gensim_graph.io.nextsim.nextsim_lookup import record_values
from gensim_graph.io.nextsim.nextsim_pair import (
    NextsimMesh,
    coast_nodes,
    current_mesh,
    pair_files,
    pair_name,
    read_nextsim_mesh,
)
from gensim_graph.io.nextsim.nextsim_records import Record, read_records
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array
from gensim_graph.variables import default_variables

EPOCH = np.datetime64("1900-01-01T00:00:00.000", "ms")
"""Start of neXtSIM's time axis, which counts days."""

DATE_PATTERN = r"\d{8}T\d{6}Z"
"""A date in NAME of a pair, such as ``20000101T050000Z``."""

_LAST_DAY = 132_000.0  # in the year 2261, the last one of datetime64[ns]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The ice at one time, on the mesh of that time.

    Attributes:
        name: NAME of the pair.
        time: the time, to the millisecond.
        mesh: the mesh at the positions of the ice.
        on_coast: (N,) bool, nodes that the coast holds in place, or None if the file does not tell.
        faces: variables of the table on triangles, name -> (F,).
        nodes: vector components of the table on nodes, name -> (N,), along the axes of the plane.
        records: all records of the field file.
    """

    name: str
    time: np.datetime64
    mesh: NextsimMesh
    on_coast: Array | None
    faces: dict[str, Array]
    nodes: dict[str, Array]
    records: list[Record]

    def to_mesh(self, on_coast: Array | None = None) -> Mesh:
        """Return the mesh, see :meth:`~gensim_graph.io.nextsim.nextsim_pair.NextsimMesh.to_mesh`."""
        with naming(f"mesh_{self.name}.bin"):
            return self.mesh.to_mesh(on_coast)


@dataclass
class CoastNodes:
    """Nodes of the coast, found from all outputs of a run: those of the boundary that never move.

    A boundary node keeps its id through all remeshings.

    Attributes:
        known: True once an output has told which of its nodes are on the coast.
        moving: ids of all nodes that were not held by the coast in some output.
    """

    known: bool = False
    moving: Array = field(default_factory=lambda: np.empty(0, dtype=np.int32))

    def add(self, snapshot: Snapshot) -> None:
        """Take one more output into account."""
        if snapshot.on_coast is not None:
            self.known = True
            self.moving = np.union1d(self.moving, snapshot.mesh.ids[~snapshot.on_coast])

    def on_mesh(self, mesh: NextsimMesh) -> Array | None:
        """Return the nodes of a mesh that never moved, (N,) bool; None if no output tells."""
        return ~np.isin(mesh.ids, self.moving) if self.known else None


def read_snapshot(path: FilePath) -> Snapshot:
    """Read one pair.

    Args:
        path: any of its four files.

    Raises:
        InputError: a missing or damaged file, a mesh and fields that do not belong together, or implausible values.
    """
    mesh_file, field_file = pair_files(path)
    stored = read_nextsim_mesh(mesh_file)
    records = read_records(field_file)
    name = pair_name(field_file)

    with naming(field_file.name):
        if name == "crash" and record_values(records, "M_UM") is None:
            raise InputError(
                "a crash without displacement (M_UM) does not say where the ice is; take the output before it"
            )

        faces = face_variables(records, len(stored.faces))
        nodes = node_variables(records, len(stored.ids))
        for variable, values in (faces | nodes).items():
            location = "node" if variable in nodes else "face"
            check_field_values("the records", values, default_variables()[variable], location)

        mesh = current_mesh(stored, records)
        on_coast = coast_nodes(stored, records)

        return Snapshot(name, snapshot_time(name, records), mesh, on_coast, faces, nodes, records)


def snapshot_time(name: str, records: list[Record]) -> np.datetime64:
    """Return the time of a field file, to the millisecond.

    Args:
        name: NAME of the pair; a date in it must agree with the time in the file to one second.
        records: all records of the field file.

    Raises:
        InputError: no time, or not the time in the name.
    """
    values = record_values(records, "Time")
    if values is None or len(values) != 1 or values.dtype.kind != "f":
        raise InputError("has no record 'Time' with one number, days since 1900")

    days = float(values[0])
    if not 0.0 <= days <= _LAST_DAY:
        raise InputError(f"Time is {days:g}; expected days since 1900-01-01")

    time = EPOCH + np.timedelta64(round(days * 86_400_000), "ms")
    date = date_in_name(name)
    if date is not None and abs(time - date) > np.timedelta64(1, "s"):
        raise InputError(f"Time is {time}, which is not that of the file's name")

    return time


def date_in_name(name: str) -> np.datetime64 | None:
    """Return the date in NAME of a pair, or None if there is none.

    Raises:
        InputError: the digits are no date.
    """
    stamp = re.search(DATE_PATTERN, name)
    if stamp is None:
        return None

    try:
        return np.datetime64(datetime.strptime(stamp.group(), "%Y%m%dT%H%M%SZ"), "ms")
    except ValueError:
        raise InputError(f"'{stamp.group()}' in the file's name is no date") from None


def check_same_fields(first: Snapshot, other: Snapshot, differing: Collection[str]) -> None:
    """Refuse two outputs of a run that hold different fields.

    Args:
        first: the first output.
        other: the output to compare with it.
        differing: names of the fields that only one of them has.

    Raises:
        InputError: there are such fields.
    """
    if differing:
        raise InputError(
            f"'{other.name}' and '{first.name}' differ in {', '.join(sorted(differing))}; all outputs need the same "
            "fields (output.variables)"
        )

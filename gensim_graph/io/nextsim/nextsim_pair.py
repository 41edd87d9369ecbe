"""neXtSIM's own meshes, ``mesh_NAME.bin`` and ``.dat``: triangles that move with the ice, and the ids of their nodes.

Ordinary output holds true positions. A restart holds those of the last remeshing; true are positions + ``M_UM`` of
``field_NAME.bin``. The rows of nodes and triangles are shuffled at every remeshing: only ids tell which node is which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_records import Record, in_pieces, read_records
from gensim_graph.mesh import Mesh, first_few
from gensim_graph.mesh.planes import NEXTSIM_CRS
from gensim_graph.typing import Array

_LAYOUT = (("Elements", "<i4"), ("id", "<i4"), ("Nodes_x", "<f8"), ("Nodes_y", "<f8"))
_SUFFIXES = (".bin", ".dat")
_RESTART = ("Misc_int", "M_dirichlet_flags", "M_UM", "M_UT", "PreviousNumbering")
"""Records that every restart has, and nothing else."""


@dataclass(frozen=True, eq=False)
class NextsimMesh:
    """A mesh as neXtSIM stores it, rows in its order.

    Attributes:
        nodes: (N, 2) m in the plane of neXtSIM.
        faces: (F, 3) rows of ``nodes`` counted from 0, counter-clockwise.
        ids: (N,) labels of the nodes, which last through remeshing. Boundary nodes have 1 to their number.
    """

    nodes: Array
    faces: Array
    ids: Array

    def moved(self, displacement: Array) -> "NextsimMesh":
        """The same mesh with its nodes displaced by (N, 2) m."""
        return NextsimMesh(self.nodes + displacement, self.faces, self.ids)

    def same_topology(self, other: "NextsimMesh") -> bool:
        """Whether the other mesh has the same nodes and faces in the same rows: no remeshing lies between."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.faces, other.faces)

    def to_mesh(self, held: Array | None = None, crs: CRS | None = None) -> Mesh:
        """The mesh, nodes and faces in the same rows.

        Args:
            held: (N,) which nodes the coast holds; boundary edges between two of them are named ``coast``, the others
                ``open``. None names no boundaries.
            crs: the plane; neXtSIM's by default.

        Raises:
            InputError: not a valid mesh, for instance nodes without a face, or overlapping faces.
        """
        unused = np.setdiff1d(np.arange(len(self.nodes)), self.faces)
        if len(unused):
            raise InputError(f"nodes {first_few(unused)} belong to no triangle; the file is damaged")

        mesh = Mesh.from_faces(self.nodes, self.faces, crs or NEXTSIM_CRS, defects="raise")
        if held is None:
            return mesh

        both = held[mesh.boundary_edges].all(axis=1)
        named = {"coast": mesh.boundary_edges[both], "open": mesh.boundary_edges[~both]}
        mesh.boundaries.update({name: pairs for name, pairs in named.items() if len(pairs)})

        return mesh

    def records(self) -> list[Record]:
        """The four records of its file."""
        rows = (self.faces + 1).ravel()
        columns = (rows, self.ids, *self.nodes.T)
        return [
            Record(name, np.ascontiguousarray(values, dtype=dtype))
            for (name, dtype), values in zip(_LAYOUT, columns, strict=True)
        ]


def pair_files(path: FilePath) -> tuple[FilePath, FilePath]:
    """``mesh_NAME.bin`` and ``field_NAME.bin`` that belong to any one of the four files of a pair."""
    name = path.stem.split("_", 1)[1]
    return path.with_name(f"mesh_{name}.bin"), path.with_name(f"field_{name}.bin")


def is_pair(path: FilePath) -> bool:
    """Whether a path is one of the four files of a pair: ``mesh_*`` or ``field_*`` with ``.bin`` or ``.dat``."""
    return path.suffix in _SUFFIXES and path.name.startswith(("mesh_", "field_")) and path.is_file()


def read_nextsim_mesh(path: FilePath) -> NextsimMesh:
    """The mesh of ``mesh_NAME.bin``, positions as stored.

    Raises:
        InputError: missing, damaged, or not a mesh.
    """
    records = read_records(path)
    with naming(path.name):
        return _mesh(records)


def _mesh(records: Sequence[Record]) -> NextsimMesh:
    found = tuple((record.name, record.values.dtype.str) for record in records)
    if found != _LAYOUT:
        raise InputError(
            "a mesh file of neXtSIM has the records Elements (int), id (int), Nodes_x and Nodes_y (double); this has "
            f"{', '.join(record.name for record in records)}"
        )

    elements, ids, x, y = (record.values for record in records)
    if not len(ids) == len(x) == len(y) or len(elements) % 3:
        raise InputError(
            f"{len(elements)} corners, {len(ids)} ids, {len(x)} x and {len(y)} y do not fit together; expected 3 "
            "corners a triangle, and an id, x and y a node"
        )
    if len(elements) and (elements.min() < 1 or elements.max() > len(ids)):
        raise InputError(f"triangles refer to nodes {elements.min()} to {elements.max()}; there are 1 to {len(ids)}")

    return NextsimMesh(np.stack([x, y], axis=1), elements.reshape(-1, 3).astype(np.int64) - 1, ids)


def named(records: Sequence[Record], name: str) -> Array | None:
    """Values of the only record with a name, None where there is none.

    Raises:
        InputError: several have it.
    """
    found = [record.values for record in records if record.name == name]
    if len(found) > 1:
        raise InputError(f"{len(found)} records have the name '{name}'; expected one")
    return found[0] if found else None


def nodal_vector(records: Sequence[Record], name: str, n_nodes: int) -> Array | None:
    """A vector on the nodes, (N, 2), which is stored as all x and then all y; None where there is none.

    Raises:
        InputError: its length is not 2 N.
    """
    values = named(records, name)
    if values is None:
        return None
    if len(values) != 2 * n_nodes:
        raise InputError(f"'{name}' has {len(values)} values; the mesh has {n_nodes} nodes, expected twice as many")

    return values.reshape(2, -1).T


def check_pair_complete(records: Sequence[Record], names: Sequence[str]) -> None:
    """Refuse files that have some of the records that belong together, but not all.

    Raises:
        InputError: names those that are missing.
    """
    present = {record.name for record in records}
    missing = [name for name in names if name not in present]
    if 0 < len(missing) < len(names):
        others = ", ".join(name for name in names if name in present)
        raise InputError(f"{', '.join(missing)} is missing, which neXtSIM writes with {others}; the file is damaged")


def true_mesh(mesh: NextsimMesh, records: Sequence[Record]) -> NextsimMesh:
    """The mesh where the ice is: restarts store positions of the last remeshing and the displacement since.

    Raises:
        InputError: a restart that lacks one of its records.
    """
    check_pair_complete(records, _RESTART)
    displacement = nodal_vector(records, "M_UM", len(mesh.nodes))
    return mesh if displacement is None else mesh.moved(displacement)


def held_nodes(mesh: NextsimMesh, records: Sequence[Record]) -> Array | None:
    """Which nodes the coast holds, (N,) bool; None where the file does not tell.

    A restart lists them. Ordinary output does not, but there the ice moves at open boundaries and not at the coast.

    Raises:
        InputError: the list names rows that do not exist.
    """
    rows = named(records, "M_dirichlet_flags")
    if rows is not None:
        if len(rows) and (rows.min() < 1 or rows.max() > len(mesh.ids)):
            raise InputError(f"M_dirichlet_flags names nodes {rows.min()} to {rows.max()}; there are {len(mesh.ids)}")
        return np.isin(np.arange(len(mesh.ids)), rows - 1)

    velocity = nodal_vector(records, "M_VT", len(mesh.ids))
    if velocity is None or not velocity.any():
        return None

    return np.all(velocity == 0.0, axis=1)


def read_pair_mesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """The mesh of a pair where the ice is, boundaries named where its fields tell which they are.

    Args:
        path: any of the four files of the pair; the fields may be missing, the mesh is then taken as it is stored.
        crs: the plane; neXtSIM's by default.

    Raises:
        InputError: missing or damaged files, or an invalid mesh.
    """
    mesh_file, field_file = pair_files(path)
    mesh = read_nextsim_mesh(mesh_file)
    if not any(part.exists() for part in in_pieces(field_file)):
        return mesh.to_mesh(None, crs)

    records = read_records(field_file)
    with naming(field_file.name):
        mesh, held = true_mesh(mesh, records), held_nodes(mesh, records)

    return mesh.to_mesh(held, crs)

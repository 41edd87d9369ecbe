"""The mesh of a neXtSIM pair, ``mesh_NAME`` and ``field_NAME``: triangles that move with the ice.

Ordinary output holds the positions of the ice. A restart holds the positions at the last remeshing; the ice is at these
positions plus the displacement ``M_UM`` of its field file. Every remeshing shuffles the rows of nodes and triangles;
only the ids tell which node is which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError, naming
from gensim_graph.io.nextsim.nextsim_lookup import check_records_complete, nodal_vector, record_values
from gensim_graph.io.nextsim.nextsim_records import Record, bin_and_dat, read_records
from gensim_graph.mesh import Mesh, first_few
from gensim_graph.mesh.planes import NEXTSIM_CRS
from gensim_graph.typing import Array

_MESH_RECORDS = (("Elements", "<i4"), ("id", "<i4"), ("Nodes_x", "<f8"), ("Nodes_y", "<f8"))
_SUFFIXES = (".bin", ".dat")
_RESTART_RECORDS = ("Misc_int", "M_dirichlet_flags", "M_UM", "M_UT", "PreviousNumbering")
"""Records of every restart that no other file has."""


@dataclass(frozen=True, eq=False)
class NextsimMesh:
    """A mesh as neXtSIM stores it, rows in its order.

    Attributes:
        nodes: (N, 2) m in the plane of neXtSIM.
        faces: (F, 3) rows of ``nodes`` counted from 0, counter-clockwise.
        ids: (N,) ids of the nodes, which remain through remeshings. Boundary nodes have 1 to their number.
    """

    nodes: Array
    faces: Array
    ids: Array

    def displaced(self, displacement: Array) -> "NextsimMesh":
        """Return the same mesh with its nodes displaced by (N, 2) m."""
        return NextsimMesh(self.nodes + displacement, self.faces, self.ids)

    def same_topology(self, other: "NextsimMesh") -> bool:
        """Return True if both meshes have the same nodes and faces in the same rows: no remeshing lies between."""
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.faces, other.faces)

    def to_mesh(self, on_coast: Array | None = None, crs: CRS | None = None) -> Mesh:
        """Return the mesh, with nodes and faces in the same rows.

        Args:
            on_coast: (N,) bool, True at nodes of the coast; boundary edges between two of them are named ``coast``,
                all others ``open``. With None, boundaries have no names.
            crs: the plane; neXtSIM's by default.

        Raises:
            InputError: not a valid mesh, for instance nodes without a face, or overlapping faces.
        """
        unused = np.setdiff1d(np.arange(len(self.nodes)), self.faces)
        if len(unused):
            raise InputError(f"nodes {first_few(unused)} belong to no triangle; the file is damaged")

        mesh = Mesh.from_faces(self.nodes, self.faces, crs or NEXTSIM_CRS, defects="refuse")
        if on_coast is None:
            return mesh

        is_coast = on_coast[mesh.boundary_edges].all(axis=1)
        named = {"coast": mesh.boundary_edges[is_coast], "open": mesh.boundary_edges[~is_coast]}
        mesh.boundaries.update({name: edges for name, edges in named.items() if len(edges)})

        return mesh

    def records(self) -> list[Record]:
        """Return the four records of the mesh file."""
        corners = (self.faces + 1).ravel()
        columns = (corners, self.ids, *self.nodes.T)

        return [
            Record(name, np.ascontiguousarray(values, dtype=dtype))
            for (name, dtype), values in zip(_MESH_RECORDS, columns, strict=True)
        ]


def pair_name(path: FilePath) -> str:
    """Return NAME of any one of the four files of a pair."""
    return path.stem.split("_", 1)[1]


def pair_files(path: FilePath) -> tuple[FilePath, FilePath]:
    """Return ``mesh_NAME.bin`` and ``field_NAME.bin`` for any one of the four files of a pair."""
    name = pair_name(path)
    return path.with_name(f"mesh_{name}.bin"), path.with_name(f"field_{name}.bin")


def is_pair(path: FilePath) -> bool:
    """Return True if a path is one of the four files of a pair: ``mesh_*`` or ``field_*``, ``.bin`` or ``.dat``."""
    return path.suffix in _SUFFIXES and path.name.startswith(("mesh_", "field_")) and path.is_file()


def read_nextsim_mesh(path: FilePath) -> NextsimMesh:
    """Read the mesh of ``mesh_NAME.bin``, with the positions as stored.

    Raises:
        InputError: the file is missing, damaged or no mesh.
    """
    records = read_records(path)
    with naming(path.name):
        return _mesh_of_records(records)


def current_mesh(stored: NextsimMesh, records: Sequence[Record]) -> NextsimMesh:
    """Return the mesh at the positions of the ice.

    A restart stores the positions at the last remeshing and the displacement since then; both are added here.

    Args:
        stored: the mesh as the mesh file has it.
        records: all records of the field file.

    Raises:
        InputError: a restart without one of its records.
    """
    check_records_complete(records, _RESTART_RECORDS)
    displacement = nodal_vector(records, "M_UM", len(stored.nodes))

    return stored if displacement is None else stored.displaced(displacement)


def coast_nodes(mesh: NextsimMesh, records: Sequence[Record]) -> Array | None:
    """Find the nodes that the coast holds in place: (N,) bool, or None if the file does not tell.

    A restart lists them. Ordinary output does not, but there the ice moves at open boundaries and not at the coast.

    Args:
        mesh: the mesh of the pair.
        records: all records of the field file.

    Raises:
        InputError: the list names rows that do not exist.
    """
    rows = record_values(records, "M_dirichlet_flags")
    if rows is not None:
        if len(rows) and (rows.min() < 1 or rows.max() > len(mesh.ids)):
            raise InputError(f"M_dirichlet_flags names nodes {rows.min()} to {rows.max()}; there are {len(mesh.ids)}")
        return np.isin(np.arange(len(mesh.ids)), rows - 1)

    velocity = nodal_vector(records, "M_VT", len(mesh.ids))
    if velocity is None or not velocity.any():
        return None

    return np.all(velocity == 0.0, axis=1)


def read_pair_mesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """Read the mesh of a pair at the positions of the ice, with named boundaries if its fields tell them.

    Args:
        path: any of the four files of the pair. Without a field file, the mesh has the stored positions.
        crs: the plane; neXtSIM's by default.

    Raises:
        InputError: missing or damaged files, or an invalid mesh.
    """
    mesh_file, field_file = pair_files(path)
    stored = read_nextsim_mesh(mesh_file)
    if not any(part.exists() for part in bin_and_dat(field_file)):
        return stored.to_mesh(None, crs)

    records = read_records(field_file)
    with naming(field_file.name):
        mesh = current_mesh(stored, records)
        on_coast = coast_nodes(mesh, records)

    return mesh.to_mesh(on_coast, crs)


def _mesh_of_records(records: Sequence[Record]) -> NextsimMesh:
    found = tuple((record.name, record.values.dtype.str) for record in records)
    if found != _MESH_RECORDS:
        raise InputError(
            "a mesh file of neXtSIM has the records Elements (int), id (int), Nodes_x and Nodes_y (double); this has "
            f"{', '.join(record.name for record in records)}"
        )

    corners, ids, x, y = (record.values for record in records)
    if not len(ids) == len(x) == len(y) or len(corners) % 3:
        raise InputError(
            f"{len(corners)} corners, {len(ids)} ids, {len(x)} x and {len(y)} y do not fit together; expected 3 "
            "corners a triangle, and an id, x and y a node"
        )
    if len(corners) and (corners.min() < 1 or corners.max() > len(ids)):
        raise InputError(f"triangles refer to nodes {corners.min()} to {corners.max()}; there are 1 to {len(ids)}")

    faces = corners.reshape(-1, 3).astype(np.int64) - 1
    return NextsimMesh(np.stack([x, y], axis=1), faces, ids)

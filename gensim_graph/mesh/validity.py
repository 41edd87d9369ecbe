"""Checks that nodes and faces form a mesh, and repairs of defects that need no guessing.

The checks follow each other in this order: shapes and node numbers, unused and duplicate nodes, repeated corners and
zero areas, winding, overlaps. Every repair is logged; every error names the first few nodes or faces, counted from 0.
"""

import logging
from collections.abc import Sequence
from typing import Literal

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.mesh.geometry import close_pairs, corner_points, signed_areas
from gensim_graph.mesh.topology import connected_groups, corner_counts, edge_table
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

Defects = Literal["raise", "refuse", "mend", "drop"]
"""Treatment of defects.

- ``raise``: refuse all of them; a mesh with clockwise faces only is still turned.
- ``refuse``: the same for readers that cannot repair; the message does not advise it.
- ``mend``: merge duplicate nodes and turn single clockwise faces.
- ``drop``: as ``mend``, and leave out faces without area.
"""

_SAME_POINT = 1e-9  # of the extent of the mesh: a few mm over the Arctic, far below any spacing
_TOO_FAR = 1e12  # m
_NO_AREA = 1e-8  # of the longest side squared: an angle of about 1e-6 degrees
REPAIR_ADVICE = "mend it with load_mesh(path, repair=True) or --repair"
"""End of messages about defects that a repair may mend; :func:`~gensim_graph.io.load_mesh` checks if it does."""

_OTHER_ADVICE = "correct the coordinates or the corners of the cells in the file, or mask the cells there"


def _advice(defects: Defects) -> str:
    return _OTHER_ADVICE if defects == "refuse" else REPAIR_ADVICE


def first_few(indices: Array, count: int = 5) -> str:
    """List the first few of many numbers for a message: ``3, 7, 12, ... (57 in all)``.

    Args:
        indices: (n,) numbers of nodes or faces.
        count: how many of them to show.
    """
    shown = ", ".join(str(index) for index in indices[:count])
    return shown if len(indices) <= count else f"{shown}, ... ({len(indices)} in all)"


def checked_nodes(nodes: Array) -> Array:
    """Return nodes as (N, 2) float64 in a plane, m.

    Raises:
        InputError: wrong shape, values that are not finite or too large for metres, or a third coordinate that is not
            constant.
    """
    try:
        points = np.array(nodes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"nodes must be an array of numbers, shape (N, 2): {error}") from None

    if points.ndim != 2 or points.shape[1] not in (2, 3):
        raise InputError(f"nodes must have shape (N, 2), metres in a plane; got {points.shape}")

    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(
            f"coordinates are not finite (NaN or infinite) at nodes {first_few(bad)}; correct or remove them"
        )

    far = np.flatnonzero((np.abs(points) > _TOO_FAR).any(axis=1))
    if len(far):
        raise InputError(f"nodes {first_few(far)} lie more than {_TOO_FAR:g} m away; are they metres?")

    if points.shape[1] == 3 and len(points):
        if np.ptp(points[:, 2]) > _SAME_POINT * np.ptp(points, axis=0).max():
            raise InputError(
                "nodes have a third coordinate that varies: a mesh lives in a plane. Project them first "
                "(gensim_graph.mesh.planes.sphere_to_plane for points on a sphere, pyproj for longitude and latitude)"
            )
        points = np.ascontiguousarray(points[:, :2])

    return points


def checked_faces(faces: Array | Sequence[Sequence[int] | Array], n_nodes: int) -> Array:
    """Return faces as (F, k) int64, padded with -1 at the end.

    Args:
        faces: (F, k) node numbers counted from 0, k at least 3; or one sequence of any length for each face.
        n_nodes: number of nodes of the mesh.

    Raises:
        InputError: wrong shape or type, no faces, padding in the middle, fewer than three corners, unknown nodes.
    """
    table = _padded(faces)
    if table.size == 0:
        raise InputError("the mesh has no faces (triangles, quadrilaterals or polygons)")
    if table.ndim != 2 or table.shape[1] < 3:
        raise InputError(f"faces must have shape (F, k) with k >= 3 node indices; got {table.shape}")

    if not np.issubdtype(table.dtype, np.integer):
        raise InputError(f"faces must be integer node indices, counted from 0; got {table.dtype}")

    table = table.astype(np.int64)
    valid = table >= 0

    _refuse(~valid & (table != -1), "have a negative node index other than the padding -1")
    _refuse(valid[:, 1:] & ~valid[:, :-1], "have padding (-1) between their corners; it belongs at the end of the row")
    _refuse(valid.sum(axis=1, keepdims=True) < 3, "have fewer than three corners")
    _refuse(table >= n_nodes, f"refer to nodes that do not exist (there are {n_nodes}, counted from 0)")

    return table


def _padded(faces: Array | Sequence[Sequence[int] | Array]) -> Array:
    """Return faces as a table; rows of different length, as in a list of lists, are padded with -1."""
    try:
        table = np.asarray(faces)
    except ValueError:  # rows of different length
        table = np.empty(0, dtype=object)
    if table.dtype != object:
        return table

    try:
        rows = [np.atleast_1d(np.asarray(row)) for row in faces]
        if any(row.ndim != 1 or row.dtype.kind not in "iu" for row in rows):
            raise ValueError
    except (TypeError, ValueError):
        raise InputError("faces must be integer node indices, one row for each face, counted from 0") from None

    padded = np.full((len(rows), max(map(len, rows), default=0)), -1, dtype=np.int64)
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row

    return padded


def _refuse(bad: Array, defect: str) -> None:
    """Raise an error that names the rows of a table (F, k) in which anything is bad."""
    rows = np.flatnonzero(bad.any(axis=1))
    if len(rows):
        raise InputError(f"faces {first_few(rows)} {defect}")


def renumbering(nodes: Array, faces: Array, defects: Defects) -> tuple[Array, Array]:
    """Drop nodes that no face uses, and merge duplicates among the others.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.
        defects: ``raise`` and ``refuse`` refuse duplicate nodes.

    Returns:
        kept: (M,) old numbers of the nodes that stay; number: (N,) new number of each old node, -1 if it is dropped.

    Raises:
        InputError: there are duplicate nodes and ``defects`` is ``raise`` or ``refuse``.
    """
    is_used = np.zeros(len(nodes), dtype=bool)
    is_used[faces[faces >= 0]] = True
    used = np.flatnonzero(is_used)

    if len(used) < len(nodes):
        log.info("dropped %d of %d nodes that belong to no face", len(nodes) - len(used), len(nodes))

    first = _first_of_duplicates(nodes, used, defects)
    kept, new_number = np.unique(first, return_inverse=True)
    number = np.full(len(nodes), -1)
    number[used] = new_number

    return kept, number


def _first_of_duplicates(nodes: Array, used: Array, defects: Defects) -> Array:
    """Number of the first node at the position of each used node: (U,)."""
    points = nodes[used]
    tolerance = _SAME_POINT * np.ptp(points, axis=0).max()
    pairs = close_pairs(points, tolerance)

    if len(pairs) == 0:
        return used

    if defects in ("raise", "refuse"):
        shown = "; ".join(f"{a} and {b}" for a, b in used[pairs[:5]])
        raise InputError(f"{len(pairs)} pairs of nodes have the same position ({shown}); {_advice(defects)}")

    group = connected_groups(pairs, len(used))
    _, first = np.unique(group, return_index=True)
    log.warning("merged %d nodes that have the position of another one", len(used) - len(first))

    return used[first[group]]


def without_degenerate(nodes: Array, faces: Array, defects: Defects) -> Array:
    """Return the faces that have an area and all corners different.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.
        defects: ``drop`` leaves the other faces out; else they are an error.

    Raises:
        InputError: there are other faces and ``defects`` is not ``drop``, or no face is left.
    """
    # Each -1 of a row becomes another negative number, so that the padding does not count as a repeated corner.
    distinct = np.sort(np.where(faces >= 0, faces, -1 - np.arange(faces.shape[1])), axis=1)
    repeated = (np.diff(distinct, axis=1) == 0).any(axis=1)

    here, following = corner_points(nodes, faces)
    longest = ((following - here) ** 2).sum(axis=-1).max(axis=1)
    empty = np.abs(signed_areas(nodes, faces)) <= _NO_AREA * longest
    bad = repeated | empty

    if not bad.any():
        return faces

    kinds = {"have the same node at two corners": repeated, "have zero area": empty & ~repeated}
    found = " and ".join(
        f"faces {first_few(np.flatnonzero(rows))} {defect}" for defect, rows in kinds.items() if rows.any()
    )

    if defects != "drop":
        raise InputError(f"{found}; remove them from the mesh, or {_advice(defects)}")

    if bad.all():
        raise InputError(f"{found}; no face is left")

    log.warning("left out %d faces: %s", np.count_nonzero(bad), found)
    return faces[~bad]


def counter_clockwise(nodes: Array, faces: Array, defects: Defects) -> Array:
    """Turn clockwise faces, so that all faces are counter-clockwise.

    A single clockwise face is turned only if it then fits its neighbours: its corners were listed in the wrong order.
    A face that is clockwise because one of its nodes lies beyond the opposite side overlaps its neighbours, which is an
    error.

    Args:
        nodes: (N, 2) m.
        faces: (F, k) node numbers, padded with -1.
        defects: ``raise`` refuses a mesh in which only some faces are clockwise.

    Raises:
        InputError: faces of both windings and ``defects`` is ``raise``, or faces that overlap their neighbours.
    """
    clockwise = signed_areas(nodes, faces) < 0
    turned = np.flatnonzero(clockwise)

    if 0 < len(turned) < len(faces) and defects in ("raise", "refuse"):
        raise InputError(
            f"faces {first_few(_minority(clockwise))} are inverted: their winding is opposite to that of the other "
            f"{max(len(turned), len(faces) - len(turned))}; {_advice(defects)}"
        )

    if len(turned):
        faces = faces.copy()
        faces[turned] = reversed_faces(faces[turned])

    table = edge_table(faces, len(nodes))
    if len(table.crowded):
        bad = np.unique(table.faces[table.crowded])
        inverted = np.intersect1d(bad, turned) if len(turned) < len(faces) else bad
        suspects = inverted if len(inverted) else bad
        raise InputError(
            f"faces {first_few(suspects)} overlap their neighbours (inverted, doubled, or more than two on one edge); "
            "correct the mesh"
        )

    if len(turned):
        log.warning("reversed %d of %d faces that were clockwise", len(turned), len(faces))

    return faces


def _minority(flags: Array) -> Array:
    """Positions of the value, True or False, that fewer of the flags (F,) have."""
    return np.flatnonzero(flags if 2 * np.count_nonzero(flags) <= len(flags) else ~flags)


def reversed_faces(faces: Array) -> Array:
    """Reverse the order of the corners of each face; the first corner stays first: (F, k) -> (F, k)."""
    columns = np.arange(faces.shape[1])
    counts = corner_counts(faces)[:, None]
    source = np.where((columns > 0) & (columns < counts), counts - columns, columns)
    return np.take_along_axis(faces, source, axis=1)

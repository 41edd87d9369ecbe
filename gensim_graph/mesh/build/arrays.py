"""Checked arrays of a mesh: the result of every builder, wrapped by :class:`~gensim_graph.mesh.Mesh`.

Builders do not know the class ``Mesh``, which imports them. They return arrays, so that imports form no circle.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.topology import EdgeTable, edge_table, find_pairs
from gensim_graph.mesh.validity import (
    Defects,
    checked_faces,
    checked_nodes,
    counter_clockwise,
    renumbering,
    without_degenerate,
)
from gensim_graph.typing import Array

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MeshArrays:
    """Fields of a :class:`~gensim_graph.mesh.Mesh` that have passed all checks.

    Attributes:
        nodes, faces, boundaries, crs, grid_shape, grid_index: as in :class:`~gensim_graph.mesh.Mesh`.
        edges: edge table of ``faces``, if the builder has computed it.
    """

    nodes: Array
    faces: Array
    boundaries: dict[str, Array] = field(default_factory=dict)
    crs: CRS | None = None
    grid_shape: tuple[int, int] | None = None
    grid_index: Array | None = None
    edges: EdgeTable | None = None


def assemble(
    nodes: Array,
    faces: Array | Sequence[Sequence[int] | Array],
    crs: CRS | None = None,
    boundaries: Mapping[str, Array] | None = None,
    defects: Defects = "mend",
) -> MeshArrays:
    """Check and repair nodes and faces in a plane; every repair is logged.

    Args:
        nodes: (N, 2) m; a constant third coordinate is dropped.
        faces: (F, k) node numbers counted from 0, padded with -1 at the end; or a list of lists of any lengths.
        crs: the plane, or None.
        boundaries: name -> (E, 2) node pairs. Pairs that are not on the boundary are dropped.
        defects: treatment of defects, see :meth:`Mesh.from_faces <gensim_graph.mesh.Mesh.from_faces>`.

    Raises:
        InputError: the arrays do not form a mesh; the message names the first few nodes or faces.
    """
    points = checked_nodes(nodes)
    table = checked_faces(faces, len(points))
    pairs = {name: _checked_pairs(name, rows, len(points)) for name, rows in (boundaries or {}).items()}

    points, table, number = _renumbered(points, table, defects)
    whole = without_degenerate(points, table, defects)

    if len(whole) < len(table):  # nodes of the faces left out may be unused now
        points, table, again = _renumbered(points, whole, defects)
        number = np.where(number >= 0, again[number], -1)

    table = counter_clockwise(points, table, defects)

    if not pairs:
        return MeshArrays(points, table, {}, crs)

    edges = edge_table(table, len(points))
    rim = edges.nodes[edges.single]
    kept = {name: _on_boundary(name, number[rows], rim, len(points)) for name, rows in pairs.items()}

    # A name without edges says nothing about the boundary; kept, it would turn all other edges open.
    if not any(map(len, kept.values())):
        kept = {}

    return MeshArrays(points, table, kept, crs, edges=edges)


def named_boundaries(edges: Array, is_coast: Array, is_open: Array) -> dict[str, Array]:
    """Collect boundary edges under the names ``coast`` and ``open``; a name without edges is left out.

    Args:
        edges: (E, 2) node pairs.
        is_coast: (E,) True for edges of the coast.
        is_open: (E,) True for edges of the open boundary.
    """
    found = {"coast": edges[is_coast], "open": edges[is_open]}
    return {name: pairs for name, pairs in found.items() if len(pairs)}


def _renumbered(nodes: Array, faces: Array, defects: Defects) -> tuple[Array, Array, Array]:
    """Nodes and faces without unused and duplicate nodes, and the new number (N,) of each old node."""
    kept, number = renumbering(nodes, faces, defects)
    return nodes[kept], np.where(faces >= 0, number[faces], -1), number


def _checked_pairs(name: str, pairs: Array, n_nodes: int) -> Array:
    """Return the node pairs of a named boundary as (E, 2) int64."""
    table = np.asarray(pairs)
    if table.size == 0:
        return np.empty((0, 2), dtype=np.int64)

    if table.ndim != 2 or table.shape[1] != 2 or not np.issubdtype(table.dtype, np.integer):
        raise InputError(f"boundary '{name}' must be integer node pairs, shape (E, 2); got {table.dtype} {table.shape}")

    if table.min() < 0 or table.max() >= n_nodes:
        raise InputError(f"boundary '{name}' refers to nodes that do not exist (there are {n_nodes}, counted from 0)")

    return table.astype(np.int64)


def _on_boundary(name: str, pairs: Array, rim: Array, n_nodes: int) -> Array:
    """Keep the pairs (E, 2) of a named boundary that are among the boundary edges ``rim`` (B, 2)."""
    pairs = pairs[(pairs >= 0).all(axis=1)]
    inside = find_pairs(pairs, rim, n_nodes) < 0

    if inside.any():
        log.warning(
            "boundary '%s': left out %d of %d edges that are not on the boundary", name, inside.sum(), len(pairs)
        )

    return pairs[~inside]

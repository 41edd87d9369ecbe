"""Named boundaries from the lines of a gmsh file: ``coast`` (ice cannot pass), and ``open`` for all others.

Everything that the file loses is a line in the log.
"""

import logging

import numpy as np

from gensim_graph.io.gmsh.msh_file import MshContent
from gensim_graph.mesh import Mesh, find_pairs, first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_KNOWN = ("coast", "open")


def named_lines(content: MshContent) -> dict[str, Array]:
    """Return the node pairs (E, 2) of the lines of each named physical group: name -> pairs.

    An edge that is in several groups gets one name: ``coast`` before ``open`` before others. What is not used is
    logged: lines of groups without a name, names without lines, and files that cannot say which lines have a name.
    """
    pairs, groups = _lines(content)
    names = {number: name for (dimension, number), name in content.names.items() if dimension == 1}
    if names and (len(pairs) == 0 or not (groups > 0).any()):
        _warn_of_lost_names(names, len(pairs))
        return {}

    _warn_of_unnamed_groups(groups, names)

    found: dict[str, Array] = {}
    for number, name in names.items():
        chosen = pairs[groups == number]
        known = name.strip().lower()
        name = known if known in _KNOWN else name
        found[name] = np.concatenate([found[name], chosen]) if name in found else chosen

    empty = [name for name, chosen in found.items() if len(chosen) == 0]
    if empty:
        log.warning("no line belongs to the boundary %s", _quoted(empty))

    filled = {name: chosen for name, chosen in found.items() if len(chosen)}
    return _one_name_each(filled, len(content.points))


def warn_of_unnamed_edges(mesh: Mesh, boundaries: dict[str, Array]) -> None:
    """Log boundary edges that count as open although no ``open`` line says so.

    Args:
        mesh: the mesh.
        boundaries: the names that the file gives.
    """
    kinds = mesh.boundary_kind
    others = [name for name in mesh.boundaries if name not in _KNOWN and len(mesh.boundaries[name])]
    if others:
        log.warning(
            "the boundary %s counts as open: only 'coast' holds the ice; rename it in the file if it is a coast",
            _quoted(others),
        )

    if not boundaries:
        return

    named = np.concatenate(list(mesh.boundaries.values()) or [np.empty((0, 2), dtype=np.int64)])
    unnamed = int(np.count_nonzero(find_pairs(mesh.boundary_edges, named, mesh.n_nodes) < 0))
    if unnamed:
        kind = "open" if len(named) else "coast"
        log.warning("%d of %d boundary edges are in no named boundary and count as %s", unnamed, len(kinds), kind)


def _lines(content: MshContent) -> tuple[Array, Array]:
    """Node pairs of the lines (E, 2) and their groups (E,); a line of several groups occurs several times."""
    pairs = [np.empty((0, 2), dtype=np.int64)]
    groups = [np.empty(0, dtype=np.int64)]

    for block in content.blocks:
        if block.kind != "line":
            continue
        for number in (None, *block.others):
            pairs.append(block.corners)
            groups.append(block.groups if number is None else np.full(len(block.corners), number))

    return np.concatenate(pairs), np.concatenate(groups)


def _warn_of_lost_names(names: dict[int, str], n_lines: int) -> None:
    quoted = _quoted(list(names.values()))
    if n_lines == 0:
        log.warning("the boundary %s has no lines in the file: all boundary edges count as coast", quoted)
        return

    log.warning(
        "the file does not say which lines are %s (no line has a physical group, as gmsh writes format 2.2 with "
        "Mesh.SaveAll): all boundary edges count as coast; save it as format 4.1 or without Mesh.SaveAll",
        quoted,
    )


def _warn_of_unnamed_groups(groups: Array, names: dict[int, str]) -> None:
    numbers = np.unique(groups[groups > 0])
    lost = numbers[~np.isin(numbers, list(names))]
    if len(lost):
        log.warning(
            "%d lines of the physical groups %s are not used, these groups have no name; name them 'coast' or 'open' "
            "in gmsh",
            np.count_nonzero(np.isin(groups, lost)),
            first_few(lost),
        )


def _one_name_each(found: dict[str, Array], n_nodes: int) -> dict[str, Array]:
    """Leave every edge in one boundary only."""
    order = sorted(found, key=lambda name: _KNOWN.index(name) if name in _KNOWN else len(_KNOWN))
    taken: dict[str, Array] = {}

    for name in order:
        pairs = found[name]
        for other, rows in taken.items():
            double = find_pairs(pairs, rows, n_nodes) >= 0
            if double.any():
                log.warning("%d edges of the boundary '%s' are also '%s': taken as '%s'",
                            double.sum(), name, other, other)  # fmt: skip
            pairs = pairs[~double]
        taken[name] = pairs

    return {name: taken[name] for name in found if len(taken[name])}


def _quoted(names: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in names)

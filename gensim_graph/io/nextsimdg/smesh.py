"""neXtSIM-DG's ``.smesh`` format: a structured mesh of quadrilaterals as text.

The file holds ``ParametricMesh 2.0``, then nx and ny, then (nx + 1)(ny + 1) nodes, along x first. Three sections
follow: ``landmask`` with a flag for each cell (1 = ocean); ``dirichlet`` with pairs of cell and side (0 lower, 1 right,
2 upper, 3 left) where the ice is held in place; ``periodic``. The file does not name the plane.
"""

from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, edge_table, reversed_faces, signed_areas
from gensim_graph.mesh.build import coast_and_rim, quadrilaterals
from gensim_graph.typing import Array

_FIRST_WORD = "ParametricMesh"
_SIDE_CORNERS = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])


def read_smesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """Read the mesh of a ``.smesh`` file.

    Sides next to land and sides where the ice is held in place are named ``coast``, other boundary sides ``open``.

    Args:
        path: the file.
        crs: the plane of its coordinates, or None if it is not known.

    Raises:
        InputError: another kind of file, a truncated file, or a mesh with periodic sides.
    """
    try:
        words = path.read_text().split()
    except UnicodeDecodeError:
        words = []

    if len(words) < 4 or words[0] != _FIRST_WORD:
        raise InputError(f"not a neXtSIM-DG mesh: it must begin with '{_FIRST_WORD} 2.0'")

    nx, ny = (int(count) for count in _numbers(words[2:4], "the number of cells"))
    n_nodes = (nx + 1) * (ny + 1)
    end = 4 + 2 * n_nodes
    if min(nx, ny) < 1 or len(words) < end:
        raise InputError(f"the file is truncated: {nx} x {ny} cells need {n_nodes} nodes")

    nodes = _numbers(words[4:end], "nodes").reshape(-1, 2)
    ocean_flags = _read_section(words, end, "landmask", 1)
    held_sides = _read_section(words, end, "dirichlet", 2)

    if _read_section(words, end, "periodic", 3).size:
        raise InputError("the mesh has periodic sides, which do not fit a plane")
    if ocean_flags.size not in (0, nx * ny):
        raise InputError(f"landmask has {ocean_flags.size} flags for {nx * ny} cells")

    ocean = (ocean_flags.ravel() == 1) if ocean_flags.size else np.ones(nx * ny, dtype=bool)
    return _build_mesh(nodes, ocean.reshape(ny, nx), held_sides.astype(np.int64), crs)


def _build_mesh(nodes: Array, ocean: Array, held_sides: Array, crs: CRS | None) -> Mesh:
    quads = quadrilaterals(ocean.shape)
    cells = np.flatnonzero(ocean)
    if len(cells) == 0:
        raise InputError("the mesh has no ocean cell (landmask 1 = ocean)")

    faces = quads[cells]
    if np.median(signed_areas(nodes, faces)) < 0:
        faces = reversed_faces(faces)

    table = edge_table(faces, len(nodes))
    boundary_edges = table.nodes[table.single]
    boundaries = coast_and_rim(boundary_edges, ocean)

    if len(held_sides):
        cell, side = held_sides.T
        if cell.min() < 0 or cell.max() >= len(quads) or not np.isin(side, range(4)).all():
            raise InputError(f"dirichlet names cells beyond {len(quads)} or sides other than 0 to 3")

        held_edges = np.take_along_axis(quads[cell], _SIDE_CORNERS[side], axis=1)
        boundaries = _renamed_to_coast(boundaries or {"open": boundary_edges}, np.sort(held_edges, axis=1))

    mesh = Mesh.from_faces(nodes, faces, crs, boundaries, defects="refuse")
    return Mesh(mesh.nodes, mesh.faces, mesh.boundaries, mesh.crs, ocean.shape, cells)


def _renamed_to_coast(boundaries: dict[str, Array], held_edges: Array) -> dict[str, Array]:
    """Return boundaries in which the open edges where the ice is held are named ``coast``."""
    rim = boundaries.get("open", np.empty((0, 2), dtype=np.int64))
    held = {tuple(edge) for edge in held_edges.tolist()}
    is_held = np.array([tuple(sorted(edge)) in held for edge in rim.tolist()], dtype=bool)

    coast = np.concatenate([boundaries.get("coast", rim[:0]), rim[is_held]])
    renamed = {"coast": coast, "open": rim[~is_held]}

    return {name: edges for name, edges in renamed.items() if len(edges)}


def _read_section(words: list[str], start: int, name: str, columns: int) -> Array:
    """Return the rows (n, columns) of a section, which begins with its name and n; no rows if there is no section."""
    if name not in words[start:]:
        return np.empty((0, columns))

    first = words.index(name, start) + 1
    count = int(_numbers(words[first : first + 1], name)[0])
    values = words[first + 1 : first + 1 + columns * count]

    if count < 0 or len(values) != columns * count:
        raise InputError(f"the file is truncated: section '{name}' needs {count} rows")

    return _numbers(values, name).reshape(-1, columns) if count else np.empty((0, columns))


def _numbers(words: list[str], what: str) -> Array:
    try:
        numbers = np.array(words, dtype=np.float64)
    except ValueError as error:
        raise InputError(f"{what}: {error}") from None

    if len(numbers) == 0 or not np.isfinite(numbers).all():
        raise InputError(f"{what}: missing, or not finite")

    return numbers

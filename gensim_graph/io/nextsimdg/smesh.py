"""neXtSIM-DG's ``.smesh``: a structured mesh of quadrilaterals as text.

``ParametricMesh 2.0``, nx and ny, then (nx + 1)(ny + 1) nodes along x first, ``landmask`` with a flag for each cell
(1 = ocean), ``dirichlet`` with pairs of cell and side (0 lower, 1 right, 2 upper, 3 left) where the ice is held, and
``periodic``. The plane is not named.
"""

from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, edge_table, reversed_faces, signed_areas
from gensim_graph.mesh.build import coast_and_rim, quadrilaterals
from gensim_graph.typing import Array

_HEAD = "ParametricMesh"
_SIDES = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])


def read_smesh(path: FilePath, crs: CRS | None = None) -> Mesh:
    """Mesh of a ``.smesh`` file; sides where the ice is held and those next to land are ``coast``, others ``open``.

    Raises:
        InputError: another kind of file, a truncated one, or one with periodic sides.
    """
    try:
        words = path.read_text().split()
    except UnicodeDecodeError:
        words = []

    if len(words) < 4 or words[0] != _HEAD:
        raise InputError(f"not a neXtSIM-DG mesh: it must begin with '{_HEAD} 2.0'")

    nx, ny = (int(count) for count in _numbers(words[2:4], "the number of cells"))
    if min(nx, ny) < 1 or len(words) < 4 + 2 * (nx + 1) * (ny + 1):
        raise InputError(f"the file is truncated: {nx} x {ny} cells need {(nx + 1) * (ny + 1)} nodes")

    end = 4 + 2 * (nx + 1) * (ny + 1)
    nodes = _numbers(words[4:end], "nodes").reshape(-1, 2)
    land, held = _section(words, end, "landmask", 1), _section(words, end, "dirichlet", 2)

    if _section(words, end, "periodic", 3).size:
        raise InputError("the mesh has periodic sides, which do not fit a plane")
    if land.size not in (0, nx * ny):
        raise InputError(f"landmask has {land.size} flags for {nx * ny} cells")

    ocean = (land.ravel() == 1) if land.size else np.ones(nx * ny, dtype=bool)
    return _mesh(nodes, ocean.reshape(ny, nx), held.astype(np.int64), crs)


def _mesh(nodes: Array, ocean: Array, held: Array, crs: CRS | None) -> Mesh:
    quads = quadrilaterals(ocean.shape)
    cells = np.flatnonzero(ocean)
    if len(cells) == 0:
        raise InputError("the mesh has no ocean cell (landmask 1 = ocean)")

    faces = quads[cells]
    if np.median(signed_areas(nodes, faces)) < 0:
        faces = reversed_faces(faces)

    table = edge_table(faces, len(nodes))
    named = coast_and_rim(table.nodes[table.single], ocean)

    if len(held):
        if held[:, 0].min() < 0 or held[:, 0].max() >= len(quads) or not np.isin(held[:, 1], range(4)).all():
            raise InputError(f"dirichlet names cells beyond {len(quads)} or sides other than 0 to 3")
        named = named or {"open": table.nodes[table.single]}
        fixed = np.take_along_axis(quads[held[:, 0]], _SIDES[held[:, 1]], axis=1)
        named = _moved(named, np.sort(fixed, axis=1))

    mesh = Mesh.from_faces(nodes, faces, crs, named, defects="raise")
    return Mesh(mesh.nodes, mesh.faces, mesh.boundaries, mesh.crs, ocean.shape, cells)


def _moved(named: dict[str, Array], coast: Array) -> dict[str, Array]:
    """Rim edges that are among the coast ones change their name."""
    rim = named.get("open", np.empty((0, 2), dtype=np.int64))
    known = {tuple(pair) for pair in coast.tolist()}
    is_coast = np.array([tuple(sorted(pair)) in known for pair in rim.tolist()], dtype=bool)
    both = {"coast": np.concatenate([named.get("coast", rim[:0]), rim[is_coast]]), "open": rim[~is_coast]}
    return {name: pairs for name, pairs in both.items() if len(pairs)}


def _section(words: list[str], start: int, name: str, columns: int) -> Array:
    """Rows of a section that begins with its name and their number: (n, columns)."""
    if name not in words[start:]:
        return np.empty((0, columns))

    place = words.index(name, start)
    count = int(_numbers(words[place + 1 : place + 2], name)[0])
    values = words[place + 2 : place + 2 + columns * count]

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

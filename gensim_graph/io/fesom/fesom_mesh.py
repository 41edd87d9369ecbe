"""FESOM's mesh folders: two text files, ``nod2d.out`` and ``elem2d.out``.

``nod2d.out`` begins with the number of nodes; each row holds number, longitude and latitude in degrees, and a flag (1:
on the coast). ``elem2d.out`` begins with the number of triangles; each row holds the three nodes, counted from 1.
"""

from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, named_boundaries, rim
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

_NODES = "nod2d.out"
_ELEMENTS = "elem2d.out"


def is_fesom(path: FilePath) -> bool:
    """Return True if a path is a FESOM mesh folder, or the file of nodes in one."""
    folder = _folder_of(path)
    return (folder / _NODES).is_file() and (folder / _ELEMENTS).is_file()


def read_fesom(path: FilePath, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Read the mesh of a FESOM folder.

    Boundary edges between two nodes with the coast flag are named ``coast``, all others ``open``. The coordinates are
    taken as geographic. FESOM also has meshes with a rotated pole; the files do not tell.

    Args:
        path: the folder, or its file of nodes.
        crs: the plane to project to; None chooses one from the extent of the mesh.
        defects: treatment of duplicate nodes and faulty faces, see :meth:`Mesh.from_faces
            <gensim_graph.mesh.mesh.Mesh.from_faces>`.

    Raises:
        InputError: a file is truncated, is no table of numbers, or names nodes that do not exist.
    """
    lon, lat, faces, flags = read_tables(_folder_of(path))
    drawing = from_globe(unit_vectors(lon, lat), faces, crs)
    boundaries = _boundaries(drawing, flags == 1)

    return Mesh.from_arrays(arrays_of_drawing(drawing, defects, boundaries))


def read_tables(folder: FilePath) -> tuple[Array, Array, Array, Array]:
    """Read both files of a folder.

    Returns:
        Longitude and latitude in degrees (N,), triangles (F, 3) counted from 0, and flags of the nodes (N,).

    Raises:
        InputError: see :func:`read_fesom`.
    """
    nodes = _read_table(folder / _NODES, 4)
    elements = _read_table(folder / _ELEMENTS, 3)

    if not np.array_equal(nodes[:, 0], np.arange(1, len(nodes) + 1)):
        raise InputError(f"{_NODES}: nodes must be numbered 1, 2, 3, ... in order")
    if np.abs(nodes[:, 2]).max() > 90.0 or np.abs(nodes[:, 1]).max() > 360.0:
        raise InputError(f"{_NODES}: longitudes and latitudes must be degrees; some are beyond 360 and 90")
    if elements.min() < 1 or elements.max() > len(nodes) or (elements % 1).any():
        raise InputError(f"{_ELEMENTS}: nodes must be whole numbers from 1 to {len(nodes)}")

    return nodes[:, 1], nodes[:, 2], elements.astype(np.int64) - 1, nodes[:, 3]


def _folder_of(path: FilePath) -> FilePath:
    return path.parent if path.name == _NODES else path


def _boundaries(drawing: Drawing, on_coast: Array) -> dict[str, Array] | None:
    """Return the names of the boundary edges; None if no node has the coast flag."""
    if not on_coast.any():
        return None

    edges, next_to_left_out = rim(drawing)  # faces that the plane cannot show are left out
    is_coast = on_coast[edges].all(axis=1) & ~next_to_left_out

    return named_boundaries(edges, is_coast, ~is_coast)


def _read_table(file: FilePath, columns: int) -> Array:
    """Return the rows (n, columns) of a table that begins with their number n."""
    try:
        words = np.array(file.read_text().split(), dtype=np.float64)
    except (UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{file.name}: is not a table of numbers ({str(error)[:80]})") from None

    if len(words) == 0 or words[0] < 1 or len(words) != 1 + columns * words[0]:
        raise InputError(
            f"{file.name}: expected a number n, then n rows of {columns} numbers; got {max(len(words) - 1, 0)} numbers "
            f"after n = {words[0] if len(words) else 'nothing'}; the file is truncated or of another kind"
        )
    if not np.isfinite(words).all():
        raise InputError(f"{file.name}: has NaN or infinite numbers")

    return words[1:].reshape(-1, columns)

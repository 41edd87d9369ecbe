"""FESOM's mesh folders: ``nod2d.out`` and ``elem2d.out``, text.

``nod2d.out`` has the number of nodes, then number, longitude and latitude in degrees and a flag (1: on the coast) of
each; ``elem2d.out`` the number of triangles, then three nodes each, counted from 1.
"""

import logging
from pathlib import Path as FilePath

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh import Defects, Mesh
from gensim_graph.mesh.build import Drawing, arrays_of_drawing, from_globe, named_boundaries, rim
from gensim_graph.mesh.planes import unit_vectors
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

NODES, ELEMENTS = "nod2d.out", "elem2d.out"


def is_fesom(path: FilePath) -> bool:
    """Whether a path is a FESOM mesh folder or its file of nodes."""
    folder = path.parent if path.name == NODES else path
    return (folder / NODES).is_file() and (folder / ELEMENTS).is_file()


def read_fesom(path: FilePath, crs: CRS | None = None, defects: Defects = "raise") -> Mesh:
    """Mesh of a FESOM folder.

    Boundary edges between two nodes with the coast flag are ``coast``, others ``open``. Coordinates are taken as
    geographic; FESOM also has meshes on a rotated pole, and the files do not say so.

    Raises:
        InputError: a file is truncated, is no table of numbers, or names nodes that do not exist.
    """
    lon, lat, faces, flags = read_tables(path.parent if path.name == NODES else path)
    drawing = from_globe(unit_vectors(lon, lat), faces, crs)
    return Mesh.from_arrays(arrays_of_drawing(drawing, defects, _boundaries(drawing, flags == 1)))


def read_tables(folder: FilePath) -> tuple[Array, Array, Array, Array]:
    """Longitude and latitude in degrees (N,), triangles (F, 3) counted from 0, and flags of the nodes (N,).

    Raises:
        InputError: see :func:`read_fesom`.
    """
    nodes = _table(folder / NODES, 4)
    elements = _table(folder / ELEMENTS, 3)
    if not np.array_equal(nodes[:, 0], np.arange(1, len(nodes) + 1)):
        raise InputError(f"{NODES}: nodes must be numbered 1, 2, 3, ... in order")

    if np.abs(nodes[:, 2]).max() > 90.0 or np.abs(nodes[:, 1]).max() > 360.0:
        raise InputError(f"{NODES}: longitudes and latitudes must be degrees; some are beyond 360 and 90")
    if elements.min() < 1 or elements.max() > len(nodes) or (elements % 1).any():
        raise InputError(f"{ELEMENTS}: nodes must be whole numbers from 1 to {len(nodes)}")

    return nodes[:, 1], nodes[:, 2], elements.astype(np.int64) - 1, nodes[:, 3]


def _boundaries(drawing: Drawing, on_coast: Array) -> dict[str, Array] | None:
    if not on_coast.any():
        return None
    edges, goes_on = rim(drawing)
    is_coast = on_coast[edges].all(axis=1) & ~goes_on
    return named_boundaries(edges, is_coast, ~is_coast)


def _table(file: FilePath, columns: int) -> Array:
    """The rows of a table that begins with their number."""
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

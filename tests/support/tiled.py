"""Cubed spheres and LLC grids with tiles in any orientation, and the closed surface that their cells should form."""

import numpy as np

from gensim_graph.mesh.build.cells import merge_close_nodes
from gensim_graph.mesh.build.lattice import tolerance_of
from gensim_graph.mesh.build.tiles import tile_quadrilaterals

_FACES = np.array(
    [
        [[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]], [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
        [[0, -1, 0], [1, 0, 0], [0, 0, 1]], [[0, 0, 1], [0, 1, 0], [-1, 0, 0]], [[0, 0, -1], [0, 1, 0], [1, 0, 0]],
    ]
)  # fmt: skip
"""Middle, x axis and y axis of the faces of a cube; the fifth is around the north pole."""


def _face(number: int, columns: np.ndarray, rows: np.ndarray) -> np.ndarray:
    a, b = np.meshgrid(np.tan(np.pi / 4 * columns), np.tan(np.pi / 4 * rows))
    vectors = np.einsum("kc,kij->ijc", _FACES[number], np.stack([np.ones_like(a), a, b]))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _tile(number: int, n: int, low: float, high: float, turns: int) -> tuple[np.ndarray, np.ndarray]:
    """Centres (n, n, 3) and corners (n + 1, n + 1, 3) of a part of a face, turned by quarters."""
    half = 0.5 / n
    centres = _face(number, np.linspace(-1 + 2 * half, 1 - 2 * half, n), low + (high - low) * (np.arange(n) + 0.5) / n)
    corners = _face(number, np.linspace(-1, 1, n + 1), np.linspace(low, high, n + 1))
    return np.rot90(centres, turns).copy(), np.rot90(corners, turns).copy()


def cube(n: int, turns: tuple[int, ...] = (0,) * 6) -> tuple[np.ndarray, np.ndarray]:
    """Centres (6, n, n, 3) and corners (6, n + 1, n + 1, 3) of a cubed sphere."""
    parts = [_tile(number, n, -1, 1, turns[number]) for number in range(6)]
    return np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])


def llc(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Thirteen tiles as in ECCO: three of each of four faces, the Arctic cap as number 6, the last six turned."""
    parts = [_tile(face, n, low, low + 2 / 3, 0) for face in (0, 1) for low in (-1, -1 / 3, 1 / 3)]
    parts.append(_tile(4, n, -1, 1, 1))
    parts += [_tile(face, n, low, low + 2 / 3, 1) for face in (2, 3) for low in (1 / 3, -1 / 3, -1)]
    return np.stack([part[0] for part in parts]), np.stack([part[1] for part in parts])


def degrees_of(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Longitude and latitude in degrees."""
    return np.degrees(np.arctan2(vectors[..., 1], vectors[..., 0])), np.degrees(np.arcsin(vectors[..., 2]))


def surface_of(lattice: np.ndarray) -> tuple[int, int, float]:
    """Euler characteristic, number of boundary edges, and area on the unit sphere of the cells over a lattice."""
    nodes = lattice.reshape(-1, 3)
    shape = (len(lattice), lattice.shape[1] - 1, lattice.shape[2] - 1)
    faces = tile_quadrilaterals(shape)
    faces = merge_close_nodes(nodes, faces, tolerance_of(nodes, faces))
    edges = np.sort(np.stack([faces, np.roll(faces, -1, axis=1)], axis=-1).reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    area = sum(_triangle_areas(nodes[faces[:, [0, k, k + 1]]]).sum() for k in (1, 2))
    return len(np.unique(faces)) - len(count) + len(faces), int((count == 1).sum()), float(area)


def _triangle_areas(corners: np.ndarray) -> np.ndarray:
    """Spherical excess of triangles (F, 3, 3), signed by nothing: van Oosterom and Strackee (1983)."""
    a, b, c = np.moveaxis(corners, 1, 0)
    volume = np.abs((a * np.cross(b, c)).sum(axis=1))
    return 2 * np.arctan2(volume, 1 + (a * b).sum(axis=1) + (b * c).sum(axis=1) + (c * a).sum(axis=1))

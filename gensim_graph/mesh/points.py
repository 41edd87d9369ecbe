"""Cells around scattered points: Voronoi polygons, cut off at a distance from their point.

For data that come without a mesh: buoys, observations, the cell centres of an unstructured model. Where points are
denser than the distance the cells meet without gaps, elsewhere each ends in arcs of a circle (drawn with a
corner every 11 degrees, which takes 0.6 % off the area of a whole circle).
"""

import numpy as np
from pyproj import CRS
from scipy.spatial import QhullError, Voronoi

from gensim_graph.errors import InputError
from gensim_graph.mesh.cells import welded
from gensim_graph.mesh.mesh import Mesh, as_crs
from gensim_graph.mesh.validity import first_few
from gensim_graph.typing import Array

_ARC = np.pi / 16  # largest angle between two corners on a circle


def mesh_from_points(x: Array, y: Array, max_distance: float, crs: CRS | str | int | None = None) -> Mesh:
    """A mesh with one face for each point, in the same order: the places that are nearest to it, and not too far.

    Args:
        x, y: (P,) m in the plane of ``crs``; for longitude and latitude see
            :func:`gensim_graph.mesh.nextsim.lonlat_to_plane`.
        max_distance: m; a cell ends here where no other point is nearer.
        crs: the plane.

    Raises:
        InputError: shapes that do not fit, values that are not finite, no points, the same point twice, or a distance
            that is not positive.
    """
    points = _checked(x, y, max_distance)
    origin = points.mean(axis=0)
    nodes, faces = _shared_nodes(_cells(points - origin, max_distance), 1e-6 * max_distance)
    return Mesh.from_faces(nodes + origin, faces, as_crs(crs), defects="raise")


def _checked(x: Array, y: Array, max_distance: float) -> Array:
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(x) == 0:
        raise InputError(f"points need x and y of one length, at least one; got shapes {x.shape} and {y.shape}")
    points = np.stack([x, y], axis=1)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(f"points {first_few(bad)} are not finite; leave them out")
    if not (np.isfinite(max_distance) and max_distance > 0):
        raise InputError(f"max_distance: expected metres above 0; got {max_distance}")
    _, first, counts = np.unique(
        np.round(points / (1e-4 * max_distance)), axis=0, return_index=True, return_counts=True
    )
    if (counts > 1).any():
        raise InputError(f"points {first_few(first[counts > 1])} are there more than once; leave the copies out")
    return points


def _cells(points: Array, reach: float) -> list[Array]:
    """Corners of each cell, counter-clockwise."""
    low, high = points.min(axis=0), points.max(axis=0)
    far = 10.0 * (np.max(high - low) + reach)
    # Four points far outside close the cells on the rim.
    frame = 0.5 * (low + high) + far * np.array([[1.0, 0.1], [-0.1, 1.0], [-1.0, -0.1], [0.1, -1.0]])
    try:
        diagram = Voronoi(np.concatenate([points, frame]))
    except QhullError as error:
        raise InputError(f"the points have no Voronoi diagram ({str(error).splitlines()[0]})") from None
    cells = []
    for point, region in zip(points, diagram.point_region[: len(points)], strict=True):
        ring = diagram.vertices[diagram.regions[region]] - point
        ring = ring[np.argsort(np.arctan2(ring[:, 1], ring[:, 0]))]
        cells.append(point + (ring if (np.hypot(*ring.T) <= reach).all() else _cut(ring, reach)))
    return cells


def _cut(ring: Array, reach: float) -> Array:
    """A convex polygon around the origin, cut off by a circle: corners counter-clockwise."""
    parts = [
        part for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True) for part in _inside(start, end, reach)
    ]
    if not parts:
        return _arc(np.array([reach, 0.0]), np.array([reach, 0.0]), reach)
    corners = []
    for (start, end), (following, _) in zip(parts, parts[1:] + parts[:1], strict=True):
        corners += [start, end]
        if np.hypot(*(following - end)) > 1e-9 * reach:
            corners += list(_arc(end, following, reach))
    return np.array(corners)  # corners that repeat are merged later


def _inside(start: Array, end: Array, reach: float) -> list[tuple[Array, Array]]:
    """The part of a segment within the circle: none or one (start, end)."""
    step = end - start
    square, half, rest = step @ step, start @ step, start @ start - reach**2
    root = half**2 - square * rest
    if square == 0.0 or root <= 0.0:
        return []
    first, last = max(0.0, (-half - np.sqrt(root)) / square), min(1.0, (-half + np.sqrt(root)) / square)
    return [(start + first * step, start + last * step)] if last > first else []


def _arc(start: Array, end: Array, reach: float) -> Array:
    """Corners between two points of the circle, counter-clockwise, all around if they are one."""
    begin = np.arctan2(start[1], start[0])
    angle = (np.arctan2(end[1], end[0]) - begin) % (2 * np.pi) or 2 * np.pi
    count = int(np.ceil(angle / _ARC))
    between = begin + angle * np.arange(1, count + (angle == 2 * np.pi)) / count
    return reach * np.stack([np.cos(between), np.sin(between)], axis=1)


def _shared_nodes(rings: list[Array], tolerance: float) -> tuple[Array, Array]:
    """One node for each place: corners of cells -> nodes (N, 2) and faces (F, k), padded with -1."""
    counts = np.array([len(ring) for ring in rings])
    nodes = np.concatenate(rings)
    inside = np.arange(counts.max()) < counts[:, None]
    faces = np.full(inside.shape, -1)
    faces[inside] = np.arange(len(nodes))
    return nodes, welded(nodes, faces, tolerance)

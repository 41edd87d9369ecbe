"""Cells around scattered points: Voronoi polygons, cut off at a distance from their point.

For data that come without a mesh: buoys, observations, the cell centres of an unstructured model. Where points are
denser than the distance the cells meet without gaps, elsewhere each ends in arcs of a circle (drawn with a
corner every 11 degrees, which takes 0.6 % off the area of a whole circle).
"""

import logging

import numpy as np
from pyproj import CRS
from scipy.spatial import QhullError, Voronoi, cKDTree

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays, assemble
from gensim_graph.mesh.build.cells import welded
from gensim_graph.mesh.validity import first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_ARC = np.pi / 16  # largest angle between two corners on a circle
_NEIGHBOUR, _REACH = (
    4,
    1.2,
)  # the cell of a lattice of squares, triangles or hexagons ends within 1.2 x the fourth nearest


def point_cells(points: Array, crs: CRS | None = None, max_distance: float | None = None) -> MeshArrays:
    """A mesh with one face for each point, in the same order: the places that are nearest to it, and not too far.

    See :meth:`Mesh.from_points <gensim_graph.mesh.Mesh.from_points>`, which also takes degrees.
    """
    points = _checked(points)
    reach = _usual_distance(points) if max_distance is None else float(max_distance)
    if not (np.isfinite(reach) and reach > 0):
        raise InputError(f"max_distance: expected metres above 0; got {max_distance}")

    _refuse_repeated(points, 1e-4 * reach)
    origin = points.mean(axis=0)
    nodes, faces = _cells(points - origin, reach)

    return assemble(nodes + origin, welded(nodes, faces, 1e-6 * reach), crs, defects="raise")


def _checked(points: Array) -> Array:
    try:
        points = np.asarray(points, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"points must be an array of numbers, shape (P, 2): {error}") from None

    if points.ndim != 2 or points.shape[1] != 2 or len(points) == 0:
        raise InputError(f"points must have shape (P, 2), x and y of at least one; got {points.shape}")

    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(f"points {first_few(bad)} are not finite; leave them out")

    return points


def _usual_distance(points: Array) -> float:
    """Where cells end: a little beyond the fourth nearest point of most."""
    if len(points) < 2:
        raise InputError("one point alone does not say how far its cell reaches; give max_distance in m")

    nearest = min(_NEIGHBOUR, len(points) - 1)
    distance = _REACH * float(np.median(cKDTree(points).query(points, k=nearest + 1)[0][:, -1]))
    log.info("cells around points end %.4g m from them; max_distance= chooses", distance)

    return distance


def _refuse_repeated(points: Array, tolerance: float) -> None:
    pairs = cKDTree(points).query_pairs(tolerance, output_type="ndarray")
    if len(pairs):
        raise InputError(f"points {first_few(np.unique(pairs[:, 1]))} are there more than once; leave the copies out")


def _cells(points: Array, reach: float) -> tuple[Array, Array]:
    """Nodes (N, 2) and faces (P, k), padded with -1; corners of cells that are cut are there once for each cell."""
    low, high = points.min(axis=0), points.max(axis=0)
    far = 10.0 * (np.max(high - low) + reach)
    # Four points far outside close the cells on the rim.
    frame = 0.5 * (low + high) + far * np.array([[1.0, 0.1], [-0.1, 1.0], [-1.0, -0.1], [0.1, -1.0]])

    try:
        diagram = Voronoi(np.concatenate([points, frame]))
    except QhullError as error:
        raise InputError(f"the points have no Voronoi diagram ({str(error).splitlines()[0]})") from None

    regions = [diagram.regions[region] for region in diagram.point_region[: len(points)]]
    counts = np.array([len(region) for region in regions])
    corner, owner = np.concatenate(regions).astype(np.int64), np.repeat(np.arange(len(points)), counts)
    spoke = diagram.vertices[corner] - points[owner]
    around = np.lexsort([np.arctan2(spoke[:, 1], spoke[:, 0]), owner])
    corner, spoke = corner[around], spoke[around]
    is_cut = np.zeros(len(points), dtype=bool)
    is_cut[owner[np.hypot(*spoke.T) > reach]] = True
    starts = np.cumsum(counts) - counts
    rings = [
        points[row] + _cut(spoke[starts[row] : starts[row] + counts[row]], reach) for row in np.flatnonzero(is_cut)
    ]
    whole = _padded(corner[~is_cut[owner]], counts[~is_cut])
    lengths = np.array([len(ring) for ring in rings], dtype=np.int64)
    cut = _padded(len(diagram.vertices) + np.arange(lengths.sum()), lengths)
    faces = np.full((len(points), max(whole.shape[1], cut.shape[1])), -1)
    faces[~is_cut, : whole.shape[1]], faces[is_cut, : cut.shape[1]] = whole, cut

    return np.concatenate([diagram.vertices, *rings]), faces


def _padded(values: Array, counts: Array) -> Array:
    """Rows of different lengths one after the other as a table, padded with -1."""
    inside = np.arange(counts.max(initial=0)) < counts[:, None]
    table = np.full(inside.shape, -1)
    table[inside] = values
    return table


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

"""Meshes of scattered points: one Voronoi cell around each point, cut off at a distance from the point.

For data that come without a mesh: buoys, observations, the cell centres of an unstructured model. Where points are
closer together than this distance, cells meet without gaps. Elsewhere a cell ends in arcs of a circle, drawn with a
corner every 11 degrees; this makes the area of a full circle 0.6 % too small.
"""

import logging

import numpy as np
from pyproj import CRS
from scipy.spatial import QhullError, Voronoi, cKDTree

from gensim_graph.errors import InputError
from gensim_graph.mesh.build.arrays import MeshArrays, assemble
from gensim_graph.mesh.build.cells import merge_close_nodes
from gensim_graph.mesh.geometry import close_pairs
from gensim_graph.mesh.validity import first_few
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_ARC = np.pi / 16  # largest angle between two corners on a circle

# In a lattice of squares, triangles or hexagons, a cell ends within 1.2 times the distance to the fourth nearest point.
_NEIGHBOUR = 4
_REACH = 1.2


def point_cells(points: Array, crs: CRS | None = None, max_distance: float | None = None) -> MeshArrays:
    """Build a mesh with one face for each point of a plane, in the same order.

    A face holds all places that are nearer to its point than to any other point, and not too far from it. See
    :meth:`Mesh.from_points <gensim_graph.mesh.Mesh.from_points>`, which also accepts degrees.

    Args:
        points: (P, 2) m.
        crs: the plane, or None for an idealised one.
        max_distance: largest distance of a corner from its point, m; by default 1.2 times the median distance to the
            fourth nearest point.

    Raises:
        InputError: points that are not finite or repeated, or a distance that is not positive.
    """
    points = _checked(points)
    reach = _usual_distance(points) if max_distance is None else float(max_distance)
    if not (np.isfinite(reach) and reach > 0):
        raise InputError(f"max_distance: expected metres above 0; got {max_distance}")

    _refuse_repeated(points, 1e-4 * reach)
    origin = points.mean(axis=0)
    nodes, faces = _cells(points - origin, reach)
    faces = merge_close_nodes(nodes, faces, 1e-6 * reach)

    return assemble(nodes + origin, faces, crs, defects="refuse")


def _checked(points: Array) -> Array:
    """Return points as (P, 2) float64, m."""
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
    """Distance at which cells end by default, m."""
    if len(points) < 2:
        raise InputError("one point alone does not say how far its cell reaches; give max_distance in m")

    nearest = min(_NEIGHBOUR, len(points) - 1)
    apart = cKDTree(points).query(points, k=nearest + 1)[0][:, -1]
    distance = _REACH * float(np.median(apart))
    log.info("cells around points end %.4g m from them; max_distance= chooses", distance)

    return distance


def _refuse_repeated(points: Array, tolerance: float) -> None:
    """Raise an error that names points closer to another one than a tolerance in m."""
    pairs = close_pairs(points, tolerance)
    if len(pairs):
        raise InputError(f"points {first_few(np.unique(pairs[:, 1]))} are there more than once; leave the copies out")


def _cells(points: Array, reach: float) -> tuple[Array, Array]:
    """Nodes (N, 2) and faces (P, k), padded with -1, of the cells around points, cut off at ``reach`` m.

    Cells that are cut off have nodes of their own: neighbours do not share them yet.
    """
    vertices, corner, counts = _voronoi_rings(points, reach)
    owner = np.repeat(np.arange(len(points)), counts)
    spoke = vertices[corner] - points[owner]  # from the point to each corner of its cell
    is_cut = np.zeros(len(points), dtype=bool)
    is_cut[owner[np.hypot(*spoke.T) > reach]] = True

    starts = np.cumsum(counts) - counts
    rings = [
        points[row] + _cut(spoke[starts[row] : starts[row] + counts[row]], reach) for row in np.flatnonzero(is_cut)
    ]
    lengths = np.array([len(ring) for ring in rings], dtype=np.int64)

    whole = _padded(corner[~is_cut[owner]], counts[~is_cut])
    cut = _padded(len(vertices) + np.arange(lengths.sum()), lengths)
    faces = np.full((len(points), max(whole.shape[1], cut.shape[1])), -1)
    faces[~is_cut, : whole.shape[1]] = whole
    faces[is_cut, : cut.shape[1]] = cut

    return np.concatenate([vertices, *rings]), faces


def _voronoi_rings(points: Array, reach: float) -> tuple[Array, Array, Array]:
    """Voronoi diagram of points (P, 2), with closed cells.

    Returns:
        Vertices (N, 2); vertex numbers of the corners of all cells, one cell after the other, counter-clockwise;
        number of corners (P,) of each cell.
    """
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
    corner = np.concatenate(regions).astype(np.int64)
    owner = np.repeat(np.arange(len(points)), counts)
    spoke = diagram.vertices[corner] - points[owner]
    around = np.lexsort([np.arctan2(spoke[:, 1], spoke[:, 0]), owner])

    return diagram.vertices, corner[around], counts


def _padded(values: Array, counts: Array) -> Array:
    """Table of rows of different lengths (n,), padded with -1, from the values of all rows one after the other."""
    inside = np.arange(counts.max(initial=0)) < counts[:, None]
    table = np.full(inside.shape, -1)
    table[inside] = values
    return table


def _cut(ring: Array, reach: float) -> Array:
    """Cut off a convex polygon (n, 2) around the origin at a circle of radius ``reach``.

    Returns:
        Corners (m, 2), counter-clockwise; some may be repeated.
    """
    sides = zip(ring, np.roll(ring, -1, axis=0), strict=True)
    parts = [part for start, end in sides for part in _inside(start, end, reach)]
    if not parts:
        return _arc(np.array([reach, 0.0]), np.array([reach, 0.0]), reach)

    corners = []
    for (start, end), (following, _) in zip(parts, parts[1:] + parts[:1], strict=True):
        corners += [start, end]
        if np.hypot(*(following - end)) > 1e-9 * reach:
            corners += list(_arc(end, following, reach))

    return np.array(corners)


def _inside(start: Array, end: Array, reach: float) -> list[tuple[Array, Array]]:
    """Part of a segment inside the circle: an empty list, or one pair of end points."""
    step = end - start
    square, half, rest = step @ step, start @ step, start @ start - reach**2
    root = half**2 - square * rest

    if square == 0.0 or root <= 0.0:
        return []

    first = max(0.0, (-half - np.sqrt(root)) / square)
    last = min(1.0, (-half + np.sqrt(root)) / square)
    return [(start + first * step, start + last * step)] if last > first else []


def _arc(start: Array, end: Array, reach: float) -> Array:
    """Corners (n, 2) on the circle between two of its points, counter-clockwise; a full circle if both are the same."""
    begin = np.arctan2(start[1], start[0])
    angle = (np.arctan2(end[1], end[0]) - begin) % (2 * np.pi) or 2 * np.pi
    count = int(np.ceil(angle / _ARC))
    between = begin + angle * np.arange(1, count + (angle == 2 * np.pi)) / count
    return reach * np.stack([np.cos(between), np.sin(between)], axis=1)

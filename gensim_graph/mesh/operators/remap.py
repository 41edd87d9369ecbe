"""From one mesh to another: area-weighted for cells, linear for nodes.

Both give sparse matrices, so that a remapping is computed once and applied to every field and time. Meshes in different
planes are brought together on request, by drawing the target in the plane of the source; vectors then turn,
:func:`rotation`.
"""

import numpy as np
import shapely
from pyproj import CRS
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.overlap import overlaps
from gensim_graph.mesh.operators.reproject import in_plane
from gensim_graph.mesh.planes import Frame, axes_of_plane, local_jacobian, plane_axes, plane_name, project, unproject
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


def conservative_weights(source: Mesh, target: Mesh, *, reproject: bool = False) -> csr_array:
    """Share of each target face that each source face covers: (F_target, F_source).

    First-order conservative remapping (Jones 1999): overlap area / target area. Rows add up to :func:`covered`. Areas
    are those of the plane, in which the model works; between different planes they are true ones, plane areas over the
    square of the scale factor.

    Args:
        source: the mesh that has the values.
        target: the mesh to bring them to.
        reproject: draw a target of another plane in the plane of the source; vectors must then be turned with
            :func:`rotation`.

    Raises:
        InputError: the meshes lie in different planes, or the plane of the source cannot show the target.
    """
    if reproject and source.crs is not None and target.crs is not None and source.crs != target.crs:
        target = in_plane(target, source.crs)
        shared = overlaps(source, target)
        share = shared.areas / areal_scale(shared.centres, source.crs)
        whole = target.areas / areal_scale(target.centres, source.crs)
    else:
        check_same_plane(source, target)
        shared = overlaps(source, target)
        share, whole = shared.areas, target.areas

    shape = (target.n_faces, source.n_faces)
    return csr_array((share / whole[shared.target], (shared.target, shared.source)), shape=shape)


def areal_scale(points: Array, crs: CRS) -> Array:
    """Area in the plane / true area at points (P, 2)."""
    return np.abs(np.linalg.det(local_jacobian(unproject(points, crs), crs)))


def covered(weights: csr_array) -> Array:
    """Fraction of each target face that the source mesh covers, (F_target,) in [0, 1]."""
    return np.minimum(np.asarray(weights.sum(axis=1)).ravel(), 1.0)


def remap_faces(values: Array, weights: csr_array) -> Array:
    """Mean over what is covered of each target face: (..., F_source) -> (..., F_target), NaN where nothing is.

    Constants stay constant; integrals are kept where the source covers the target.
    """
    if values.shape[-1:] != (weights.shape[1],):
        raise InputError(f"values to remap need shape (..., {weights.shape[1]}); got {values.shape}")

    flat = values.reshape(-1, weights.shape[1]).T
    total = np.asarray(weights.sum(axis=1)).ravel()
    with np.errstate(invalid="ignore"):
        mean = (weights @ flat).T / np.where(total > 0, total, np.nan)

    return mean.astype(np.result_type(values, np.float32)).reshape(*values.shape[:-1], weights.shape[0])


def linear_weights(source: Mesh, points: Array, tolerance: float = 1.0) -> csr_array:
    """Weights of linear interpolation from the nodes of a mesh to points: (P, N).

    Exact for linear fields inside the mesh. Polygons are cut into a fan of triangles. A point outside takes the value
    at the nearest point of the mesh.

    Args:
        source: the mesh.
        points: (P, 2) m, in the plane of the mesh.
        tolerance: how far outside a point may lie, in spacings of the nearest face.

    Raises:
        InputError: points lie further out than that.
    """
    triangles, owners = fan_triangles(source.faces)
    origin = source.nodes.mean(axis=0)
    shapes, places = shapely.polygons((source.nodes - origin)[triangles]), shapely.points(points - origin)
    (_, found), distance = shapely.STRtree(shapes).query_nearest(places, return_distance=True, all_matches=False)
    far = distance > tolerance * source.spacing[owners[found]]

    if far.any():
        raise InputError(
            f"{np.count_nonzero(far)} of {len(points)} points lie outside the mesh, up to "
            f"{distance.max() / 1e3:.3g} km; the two meshes must cover the same region"
        )

    corners = triangles[found]
    nearest = shapely.get_coordinates(shapely.shortest_line(shapes[found], places))[::2]  # the point itself, if inside
    share = np.maximum(_barycentric(source.nodes[corners] - origin, nearest), 0.0)
    share /= share.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 3)

    return csr_array((share.ravel(), (rows, corners.ravel())), shape=(len(points), source.n_nodes))


def _barycentric(corners: Array, points: Array) -> Array:
    """Barycentric coordinates (P, 3) of points (P, 2) in triangles (P, 3, 2)."""
    a, b, c = (corners[:, i] - points for i in range(3))
    parts = np.stack([_cross(b, c), _cross(c, a), _cross(a, b)], axis=1)
    return parts / parts.sum(axis=1, keepdims=True)


def _cross(a: Array, b: Array) -> Array:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def check_same_plane(source: Mesh, target: Mesh) -> None:
    """Refuse meshes in different projections; one without a crs goes with any.

    Raises:
        InputError: the projections differ.
    """
    if source.crs is None or target.crs is None or source.crs == target.crs:
        return
    raise InputError(
        f"the meshes lie in different planes, '{plane_name(source.crs)}' and '{plane_name(target.crs)}'; "
        "project one of them first (gensim_graph.mesh.operators.reproject.in_plane, which leaves vectors to you)"
    )


def points_in_plane(source: Mesh, points: Array, crs: CRS | None) -> Array:
    """Points (P, 2) of the plane of ``crs`` in the plane of a mesh, for :func:`linear_weights`.

    Raises:
        InputError: the plane of the mesh does not reach them.
    """
    if source.crs is None or crs is None or source.crs == crs:
        return points

    there = project(unproject(points, crs), source.crs)
    if not np.isfinite(there).all():
        raise InputError(f"the plane '{plane_name(source.crs)}' does not reach all of the points")

    return there


def rotation(source: Mesh, target: Mesh, points: Array | None = None) -> Frame:
    """How vectors along the axes of the source's plane turn into those of the target's.

    ``rotation(source, target).to_plane(u, v)`` after remapping ``u`` and ``v``; speeds stay.

    Args:
        source, target: the meshes.
        points: (P, 2) m in the plane of the target; its face centres by default.

    Returns:
        Axes of the source's plane, along those of the target's.
    """
    where = target.centres if points is None else points
    if source.crs is None or target.crs is None:
        return plane_axes(len(where))
    return axes_of_plane(where, target.crs, source.crs)

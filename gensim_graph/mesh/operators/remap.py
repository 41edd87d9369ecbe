"""Remapping from one mesh to another: area-weighted for faces, linear interpolation for nodes.

Both are sparse matrices, so that weights are computed once and applied to every field and time. For meshes in different
planes, the target can be projected to the plane of the source. The components of vectors must then be turned with
:func:`rotation`.
"""

import numpy as np
import shapely
from pyproj import CRS
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.mesh.geometry import barycentric
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.operators.overlap import overlaps
from gensim_graph.mesh.operators.reproject import in_plane
from gensim_graph.mesh.planes import Frame, axes_of_plane, local_jacobian, plane_axes, plane_name, project, unproject
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


def conservative_weights(source: Mesh, target: Mesh, *, reproject: bool = False) -> csr_array:
    """Compute the share of each target face that each source face covers.

    First-order conservative remapping (Jones 1999): overlap area / target area. Rows add up to :func:`covered`. Areas
    are those in the plane, in which the model works. Between different planes they are true areas: area in the plane
    divided by :func:`areal_scale`.

    Args:
        source: the mesh with the values.
        target: the mesh that receives the values.
        reproject: project a target in another plane to the plane of the source. Vectors must then be turned with
            :func:`rotation`.

    Returns:
        (F_target, F_source) for :func:`remap_faces`.

    Raises:
        InputError: the meshes lie in different planes and ``reproject`` is False, or the plane of the source cannot
            show the target.

    Example:
        From cells of 1 km to cells of 2 km; the last target cell is half outside the source.

        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> from gensim_graph.mesh.operators import conservative_weights, covered, remap_faces
        >>> y = np.array([500.0, 1500.0])
        >>> fine = gg.Mesh.from_grid(np.array([500.0, 1500.0, 2500.0]), y)
        >>> coarse = gg.Mesh.from_grid(np.array([1000.0, 3000.0]), y)
        >>> weights = conservative_weights(fine, coarse)
        >>> weights.shape
        (4, 6)
        >>> thickness = np.array([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
        >>> remap_faces(thickness, weights).tolist()
        [1.5, 3.0, 1.5, 3.0]
        >>> covered(weights).tolist()
        [1.0, 0.5, 1.0, 0.5]
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
    """Area in the plane divided by true area.

    Args:
        points: (P, 2) m in the plane.
        crs: the plane.

    Returns:
        (P,) no unit.
    """
    return np.abs(np.linalg.det(local_jacobian(unproject(points, crs), crs)))


def covered(weights: csr_array) -> Array:
    """Fraction of each target face that the source mesh covers: (F_target,), in [0, 1]."""
    return np.minimum(np.asarray(weights.sum(axis=1)).ravel(), 1.0)


def remap_faces(values: Array, weights: csr_array) -> Array:
    """Remap values: the mean over the covered part of each target face, NaN for a face that is not covered at all.

    Constants stay constant. The integral is conserved if the source covers the target.

    Args:
        values: (..., F_source), any unit.
        weights: (F_target, F_source) of :func:`conservative_weights`.

    Returns:
        (..., F_target).

    Raises:
        InputError: the shape does not fit the weights.
    """
    if values.shape[-1:] != (weights.shape[1],):
        raise InputError(f"values to remap need shape (..., {weights.shape[1]}); got {values.shape}")

    flat = values.reshape(-1, weights.shape[1]).T
    total = np.asarray(weights.sum(axis=1)).ravel()

    with np.errstate(invalid="ignore"):
        mean = (weights @ flat).T / np.where(total > 0, total, np.nan)

    return mean.astype(np.result_type(values, np.float32)).reshape(*values.shape[:-1], weights.shape[0])


def linear_weights(source: Mesh, points: Array, tolerance: float = 1.0) -> csr_array:
    """Compute the weights of linear interpolation from the nodes of a mesh to points.

    Exact for linear fields inside the mesh. Polygons are cut into triangles around their first corner. A point outside
    the mesh gets the value at the nearest point of the mesh.

    Args:
        source: the mesh.
        points: (P, 2) m, in the plane of the mesh.
        tolerance: largest distance of a point from the mesh, in spacings of the nearest face.

    Returns:
        (P, N) matrix to multiply with values at the nodes.

    Raises:
        InputError: points are further from the mesh than ``tolerance``.
    """
    triangles, owners = fan_triangles(source.faces)
    origin = source.nodes.mean(axis=0)  # small coordinates lose fewer digits in differences
    shapes = shapely.polygons((source.nodes - origin)[triangles])
    targets = shapely.points(points - origin)
    (_, found), distance = shapely.STRtree(shapes).query_nearest(targets, return_distance=True, all_matches=False)
    far = distance > tolerance * source.spacing[owners[found]]

    if far.any():
        raise InputError(
            f"{np.count_nonzero(far)} of {len(points)} points lie outside the mesh, up to "
            f"{distance.max() / 1e3:.3g} km; the two meshes must cover the same region"
        )

    corners = triangles[found]
    nearest = shapely.get_coordinates(shapely.shortest_line(shapes[found], targets))[::2]  # the point itself, if inside
    share = np.maximum(barycentric(source.nodes[corners] - origin, nearest), 0.0)
    share /= share.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), 3)

    return csr_array((share.ravel(), (rows, corners.ravel())), shape=(len(points), source.n_nodes))


def check_same_plane(source: Mesh, target: Mesh) -> None:
    """Refuse meshes in different planes; a mesh without a crs fits every plane.

    Args:
        source: the first mesh.
        target: the second mesh.

    Raises:
        InputError: the planes differ.
    """
    if source.crs is None or target.crs is None or source.crs == target.crs:
        return

    raise InputError(
        f"the meshes lie in different planes, '{plane_name(source.crs)}' and '{plane_name(target.crs)}'; "
        "project one of them first (gensim_graph.mesh.operators.in_plane, which does not turn vectors)"
    )


def points_in_plane(source: Mesh, points: Array, crs: CRS | None) -> Array:
    """Project points of another plane to the plane of a mesh, for :func:`linear_weights`.

    Args:
        source: the mesh; without a crs, points stay as they are.
        points: (P, 2) m in the plane ``crs``.
        crs: the other plane, or None if it is that of the mesh.

    Returns:
        (P, 2) m in the plane of the mesh.

    Raises:
        InputError: the plane of the mesh is not defined at some of the points.
    """
    if source.crs is None or crs is None or source.crs == crs:
        return points

    projected = project(unproject(points, crs), source.crs)
    if not np.isfinite(projected).all():
        raise InputError(f"the plane '{plane_name(source.crs)}' does not reach all of the points")

    return projected


def rotation(source: Mesh, target: Mesh, points: Array | None = None) -> Frame:
    """Rotation of vectors from the plane of the source to the plane of the target.

    After remapping ``u`` and ``v``, call ``rotation(source, target).to_plane(u, v)``. Speeds do not change.

    Args:
        source: the mesh with the vectors.
        target: the mesh that receives the vectors.
        points: (P, 2) m in the plane of the target; by default the centres of its faces.

    Returns:
        Axes of the plane of the source, along the axes of the plane of the target.
    """
    points = target.centres if points is None else points
    if source.crs is None or target.crs is None:
        return plane_axes(len(points))

    return axes_of_plane(points, target.crs, source.crs)

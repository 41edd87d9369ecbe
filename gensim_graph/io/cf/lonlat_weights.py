"""Weights from the points of a grid of longitude and latitude to the faces of a mesh: means of bilinear interpolation.

The field between four grid points is bilinear in longitude and latitude. The value of a face is the mean of this field
over points in the face: its centre if the face is smaller than a step of the grid, else up to 16 points for each
triangle of the face, so that no grid point between the centres of large faces is lost. Between the last row and the pole,
the field is linear; the pole has the mean of that row.

Vectors must be turned to the axes of the plane at the grid points, before they are interpolated: east and north differ
from point to point, around the pole by any angle.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array, diags_array

from gensim_graph.errors import InputError
from gensim_graph.io.cf.lonlat_axes import LonLatAxes, face_degrees
from gensim_graph.io.file_mesh import FilePositions
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.planes import east_north_at, lonlat, unproject
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array

_MOST_CUTS = 4
"""Largest number of parts into which the sides of a triangle are cut."""

_DEGREE = 111.2e3  # m of latitude

_KNOWN_SHARE = 0.1
"""A face has no value if the grid points that have one weigh less than this."""


@dataclass(frozen=True)
class LonLatWeights:
    """Interpolation from the part of a grid that a mesh needs.

    Attributes:
        box: dimension of the file -> rows or columns to read.
        positions: the grid points that are used, in the part that is read, with their directions of east and north in
            the plane of the mesh.
        matrix: (F, P) weights of the points; each row adds up to 1.
    """

    box: dict[str, slice]
    positions: FilePositions
    matrix: csr_array

    def apply(self, values: Array, faces: Array | None = None) -> Array:
        """Return the values of the faces. Points without a value (NaN) are left out.

        Args:
            values: (P,) values at the points; components of vectors along the axes of the plane.
            faces: (n,) numbers of the faces; None for all.

        Returns:
            (F,) or (n,) float32; NaN for a face around which hardly a point has a value.
        """
        matrix = self.matrix if faces is None else self.matrix[faces]
        known = np.isfinite(values)
        if known.all():
            return np.asarray(matrix @ values, dtype=np.float32)

        share = matrix @ known.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (matrix @ np.where(known, values, 0.0)) / share
        return np.where(share > _KNOWN_SHARE, mean, np.nan).astype(np.float32)


def weights_to(axes: LonLatAxes, mesh: Mesh) -> LonLatWeights:
    """Return the weights from a grid to a mesh. They are computed once for all files on the same grid.

    Args:
        axes: axes of the grid.
        mesh: the mesh.

    Raises:
        InputError: the mesh has no crs, or the grid does not cover it.
    """
    return _weights(axes.dims, axes.lon.tobytes(), axes.lat.tobytes(), mesh)


@lru_cache(maxsize=8)
def _weights(dims: tuple[str, str], lon: bytes, lat: bytes, mesh: Mesh) -> LonLatWeights:
    axes = LonLatAxes(dims, np.frombuffer(lon), np.frombuffer(lat))
    _check_covered(axes, mesh)

    cuts = int(np.clip(np.ceil(np.median(mesh.spacing) / (axes.step * _DEGREE)), 1, _MOST_CUTS))
    points, means = _points_in_faces(mesh, cuts)
    assert mesh.crs is not None  # _check_covered refuses meshes without
    degrees = lonlat(unproject(points, mesh.crs))
    whole = (means @ bilinear_weights(axes, *degrees)).tocsr()

    used = np.unique(whole.indices)
    rows, columns = np.divmod(used, len(axes.lon))
    first = rows.min(), columns.min()
    box = [slice(int(low), int(part.max()) + 1) for low, part in zip(first, (rows, columns), strict=True)]
    index = (rows - first[0]) * (box[1].stop - box[1].start) + columns - first[1]
    directions = east_north_at(axes.lon[columns], axes.lat[rows], mesh.crs)

    positions = FilePositions(dims, index, directions, directions)
    return LonLatWeights(dict(zip(dims, box, strict=True)), positions, whole[:, used])


def _points_in_faces(mesh: Mesh, cuts: int) -> tuple[Array, csr_array]:
    """Points (P, 2) in m that are spread evenly over each face, and the matrix (F, P) of means over them."""
    triangles, owners = fan_triangles(mesh.faces)
    corners = mesh.nodes[triangles]
    shares = _centres_of_parts(cuts)
    points = np.einsum("qc,tcd->tqd", shares, corners).reshape(-1, 2)

    a, b, c = np.moveaxis(corners, 1, 0)
    areas = 0.5 * np.abs((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0]))
    rows = np.repeat(owners, len(shares))
    sums = csr_array((np.repeat(areas, len(shares)), (rows, np.arange(len(rows)))), shape=(mesh.n_faces, len(rows)))

    return points, diags_array(1.0 / np.asarray(sums.sum(axis=1)).ravel()) @ sums


def _centres_of_parts(cuts: int) -> Array:
    """Barycentric coordinates (cuts**2, 3) of the centres of the equal parts of a triangle with sides cut evenly."""
    upright = [(i + 1 / 3, j + 1 / 3) for i in range(cuts) for j in range(cuts - i)]
    inverted = [(i + 2 / 3, j + 2 / 3) for i in range(cuts) for j in range(cuts - i - 1)]
    second, third = np.array(upright + inverted).T / cuts
    return np.stack([1.0 - second - third, second, third], axis=1)


def bilinear_weights(axes: LonLatAxes, lon: Array, lat: Array) -> csr_array:
    """Compute the weights of bilinear interpolation from the points of a grid.

    Args:
        axes: axes of the grid.
        lon: (P,) longitudes, degrees.
        lat: (P,) latitudes, degrees. Those beyond the last row are taken at half a step from it at most, or between
            it and the pole.

    Returns:
        (P, ny * nx) matrix to multiply with the values of the grid, row by row.
    """
    along = _lon_weights(axes, lon)
    across = _axis_weights(axes.lat, lat)
    points = np.arange(len(lon))[:, None, None]
    cells = across[0][:, :, None] * len(axes.lon) + along[0][:, None, :]
    share = across[1][:, :, None] * along[1][:, None, :]
    shape = (len(lon), len(axes.lat) * len(axes.lon))
    grid = csr_array((share.ravel(), (np.broadcast_to(points, share.shape).ravel(), cells.ravel())), shape=shape)

    return _with_caps(axes, lat, grid)


def _lon_weights(axes: LonLatAxes, lon: Array) -> tuple[Array, Array]:
    """Two columns (P, 2) around each longitude, and their weights (P, 2)."""
    low, high = axes.lon.min(), axes.lon.max()
    middle = 0.5 * (low + high)
    inside = middle + (lon - middle + 180.0) % 360.0 - 180.0
    if not axes.is_closed:
        return _axis_weights(axes.lon, inside)

    order = np.argsort(axes.lon)
    ring = np.append(axes.lon[order], low + 360.0)
    columns, share = _axis_weights(ring, low + (lon - low) % 360.0)
    return order[columns % len(order)], share


def _axis_weights(axis: Array, values: Array) -> tuple[Array, Array]:
    """Two numbers (P, 2) on an axis around each value, and their weights (P, 2); values beyond take the end."""
    order = np.argsort(axis)
    ordered = axis[order]
    right = np.clip(np.searchsorted(ordered, values), 1, len(axis) - 1)
    share = np.clip((values - ordered[right - 1]) / (ordered[right] - ordered[right - 1]), 0.0, 1.0)

    return order[np.stack([right - 1, right], axis=1)], np.stack([1.0 - share, share], axis=1)


def _with_caps(axes: LonLatAxes, lat: Array, grid: csr_array) -> csr_array:
    """Mix the last row with its mean, which is the value at the pole, for points between the row and the pole."""
    for pole, row in ((90.0, int(axes.lat.argmax())), (-90.0, int(axes.lat.argmin()))):
        gap = abs(pole - axes.lat[row])
        beyond = (lat - axes.lat[row]) * np.sign(pole)
        near = np.flatnonzero(beyond > 0.0)
        if not len(near) or not _reaches_pole(axes, pole):
            continue

        nx = len(axes.lon)
        to_pole = np.zeros(len(lat))
        to_pole[near] = beyond[near] / gap
        columns = np.tile(row * nx + np.arange(nx), len(near))
        values = np.repeat(to_pole[near] / nx, nx)
        cap = csr_array((values, (np.repeat(near, nx), columns)), shape=grid.shape)
        grid = (diags_array(1.0 - to_pole) @ grid + cap).tocsr()

    return grid


def _reaches_pole(axes: LonLatAxes, pole: float) -> bool:
    return axes.is_closed and float(np.abs(pole - axes.lat).min()) < 1.5 * axes.step


def _check_covered(axes: LonLatAxes, mesh: Mesh) -> None:
    """Refuse a grid that leaves out faces of the mesh; half a step beyond its last points belongs to it."""
    lon, lat = face_degrees(mesh).T
    low, high = axes.lat.min() - 0.5 * axes.step, axes.lat.max() + 0.5 * axes.step
    low = -90.0 if _reaches_pole(axes, -90.0) else low
    high = 90.0 if _reaches_pole(axes, 90.0) else high
    outside = (lat < low) | (lat > high)

    if not axes.is_closed and not np.isclose(np.ptp(axes.lon), 360.0):
        step = float(np.median(np.abs(np.diff(axes.lon))))
        beyond = (lon - axes.lon.min() + 0.5 * step) % 360.0
        outside |= beyond > np.ptp(axes.lon) + step

    if outside.any():
        raise InputError(
            f"the grid covers {axes.extent()}; {outside.sum()} of {mesh.n_faces} faces of the mesh lie outside, which "
            f"has latitudes {lat.min():.4g} to {lat.max():.4g} (first at {lon[outside][0]:.4g} E "
            f"{lat[outside][0]:.4g} N); give fields that cover the mesh"
        )

"""Weights from the points of a grid of longitude and latitude to the faces of a mesh: means of bilinear interpolation.

The field between four grid points is bilinear in longitude and latitude. The value of a face is the mean of this field
over points in the face: its centre if the face is smaller than a step of the grid, else up to 16 points for each
triangle of the face, so that no grid point between the centres of large faces is lost. Between the last row and the
pole, the field is linear; the pole has the mean of that row.

Vectors must be turned to the axes of the plane at the grid points, before they are interpolated: east and north differ
from point to point, around the pole by any angle.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.io.cf.bilinear import bilinear_weights, reaches_pole
from gensim_graph.io.cf.lonlat_axes import LonLatAxes, face_degrees
from gensim_graph.io.file_mesh import FilePositions
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import points_in_faces
from gensim_graph.mesh.planes import east_north_at, lonlat, unproject
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
    points, means = points_in_faces(mesh, cuts)
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


def _check_covered(axes: LonLatAxes, mesh: Mesh) -> None:
    """Refuse a grid that leaves out faces of the mesh; half a step beyond its last points belongs to it."""
    lon, lat = face_degrees(mesh).T
    low, high = axes.lat.min() - 0.5 * axes.step, axes.lat.max() + 0.5 * axes.step
    low = -90.0 if reaches_pole(axes, -90.0) else low
    high = 90.0 if reaches_pole(axes, 90.0) else high
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

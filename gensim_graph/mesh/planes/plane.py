"""Projection between the globe and a plane: choice of the plane, coordinates in it, local scale and rotation.

A mesh lies in a plane. Coordinates in degrees are projected once, when a file is read. All later code that depends on
the round Earth (:mod:`~gensim_graph.mesh.operators.sphere`, :mod:`~gensim_graph.mesh.planes.frame`) uses this module.

Averages and small steps are computed with unit vectors, which have no jump at the dateline and no special point at the
poles.
"""

import logging

import numpy as np
from pyproj import CRS, Proj

from gensim_graph.errors import InputError
from gensim_graph.mesh.geometry import signed_areas
from gensim_graph.mesh.planes.crs import plane_name, semi_axes
from gensim_graph.mesh.planes.nextsim_plane import NEXTSIM_CRS
from gensim_graph.mesh.topology import next_corners
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_BEYOND = 1e10  # m, a tenth of a degree from the point that a stereographic plane cannot show
_STEP = 1e-5  # radians, 64 m: its square and the rounding of the projection are both about 1e-10


def unit_vectors(longitude: Array, latitude: Array) -> Array:
    """Directions of points on the globe.

    Args:
        longitude: (...) degrees east, in any range.
        latitude: (...) degrees north.

    Returns:
        (..., 3) unit vectors.
    """
    lon = np.radians(np.asarray(longitude, dtype=np.float64))
    lat = np.radians(np.asarray(latitude, dtype=np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def degrees_to_vectors(points: Array) -> Array:
    """Directions (P, 3) of points (P, 2), longitude and latitude in degrees.

    Raises:
        InputError: wrong shape, or values that are not a longitude or a latitude.
    """
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"longitude and latitude must have shape (P, 2); got {points.shape}")

    beyond = ~((np.abs(points[:, 0]) <= 720.0) & (np.abs(points[:, 1]) <= 90.0 + 1e-9))
    if beyond.any():
        raise InputError(
            f"{np.count_nonzero(beyond)} of {len(points)} points are no longitude and latitude in degrees, first "
            f"{points[beyond][0].tolist()}; order is longitude, latitude"
        )

    return unit_vectors(*points.T)


def lonlat(vectors: Array) -> tuple[Array, Array]:
    """Longitude in -180..180 and latitude in degrees of directions (..., 3) of any length."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    return np.asarray(np.degrees(np.arctan2(y, x))), np.asarray(np.degrees(np.arctan2(z, np.hypot(x, y))))


def choose_plane(vectors: Array) -> CRS:
    """Choose a plane for data at directions (..., 3); the choice is logged.

    All planes are stereographic, so cells and vectors keep their angles:

    - the plane of neXtSIM for data around the north pole, for Arctic data (all north of 30 N, some north of 70 N), and
      for data on more than a hemisphere (the point that this plane cannot show lies in Antarctica);
    - for data around the south pole, a polar plane with true lengths at 60 S;
    - elsewhere, a plane centred on the middle of the data, rounded to whole degrees.

    Raises:
        InputError: no direction is finite.
    """
    vectors = vectors.reshape(-1, 3)
    vectors = vectors[np.isfinite(vectors).all(axis=1)]
    if len(vectors) == 0:
        raise InputError("no coordinate is finite; there is nothing to project")

    latitude = lonlat(vectors)[1]
    middle = vectors.mean(axis=0)
    lon0, lat0 = (float(np.round(part)) for part in lonlat(middle))

    if (vectors @ middle).min() <= 0.0:
        stretch = 1.87 / (1.0 + np.sin(np.radians(latitude.min())))  # scale factor on a sphere, 1 at 60 N
        reason = f"data of more than a hemisphere, lengths {stretch:.0f} times too large at {latitude.min():.0f} N"
        plane = NEXTSIM_CRS
    elif lat0 > 80.0 or (latitude.min() >= 30.0 and latitude.max() >= 70.0):
        reason = "data around the north pole"
        plane = NEXTSIM_CRS
    else:
        reason = "data elsewhere"
        centre = f"+lat_0={lat0:g} +lon_0={lon0:g}" if lat0 >= -80.0 else "+lat_0=-90 +lon_0=0 +lat_ts=-60"
        plane = CRS.from_proj4(f"+proj=stere {centre} +datum=WGS84 +units=m +type=crs")

    log.warning("%s: projected to '%s'; crs= chooses another plane", reason, plane_name(plane))
    return plane


def project(vectors: Array, crs: CRS) -> Array:
    """Project directions to a plane.

    Args:
        vectors: (..., 3) directions of any length.
        crs: a projection in metres.

    Returns:
        (..., 2) m; infinite where the projection is not defined.

    Raises:
        InputError: ``crs`` is not a projection in metres.
    """
    if not crs.is_projected or crs.axis_info[0].unit_conversion_factor != 1.0:
        raise InputError(f"the crs '{plane_name(crs)}' is not a projection in metres; a mesh needs one")

    points = np.stack(Proj(crs)(*lonlat(vectors)), axis=-1)
    return np.where((np.abs(points) < _BEYOND).all(axis=-1, keepdims=True), points, np.inf)


def unproject(points: Array, crs: CRS) -> Array:
    """Directions of points of a plane.

    Args:
        points: (..., 2) m.
        crs: the plane.

    Returns:
        (..., 3) unit vectors.
    """
    return unit_vectors(*Proj(crs)(points[..., 0], points[..., 1], inverse=True))


def drawable(vectors: Array, points: Array, faces: Array) -> Array:
    """Find the faces that a plane shows correctly.

    A face that contains the point opposite the centre of the plane, or that crosses the cut of a cylindrical
    projection, is turned inside out: its winding in the plane differs from that on the globe.

    Args:
        vectors: (N, 3) directions of the nodes.
        points: (N, 2) the nodes in the plane, not finite where the projection is not defined.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F,) bool, True for a face that is shown correctly.
    """
    finite = np.isfinite(points).all(axis=1)
    reached = np.where(faces >= 0, finite[faces], True).all(axis=1)
    flat = np.sign(signed_areas(np.where(finite[:, None], points, 0.0), faces))
    agree = flat * np.sign(windings(vectors, faces))
    handed = np.sign(agree[reached].sum()) or 1.0

    return reached & (agree == handed)


def windings(vectors: Array, faces: Array) -> Array:
    """Winding of faces on the globe, seen from outside.

    Args:
        vectors: (N, 3) directions of the nodes.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F,) positive for counter-clockwise faces, negative for clockwise ones.
    """
    following = next_corners(faces)
    total = np.zeros((len(faces), 3))
    middle = np.zeros((len(faces), 3))

    for corner, after in zip(faces.T, following.T, strict=True):
        valid = (corner >= 0)[:, None]
        here = np.where(valid, vectors[corner], 0.0)
        total += np.where(valid, np.cross(here, vectors[after]), 0.0)
        middle += here

    return (total * middle).sum(axis=1)


def local_directions(vectors: Array) -> tuple[Array, Array]:
    """Unit vectors towards east and north at directions (..., 3): two arrays (..., 3).

    At a pole they are those of the longitude from which the direction was computed.
    """
    x, y, z = np.moveaxis(vectors, -1, 0)
    lon = np.arctan2(y, x)
    across = np.hypot(x, y)
    zero = np.zeros_like(lon)
    east = np.stack([-np.sin(lon), np.cos(lon), zero], axis=-1)
    north = np.stack([-z * np.cos(lon), -z * np.sin(lon), across], axis=-1)

    return east, north


def local_jacobian(vectors: Array, crs: CRS) -> Array:
    r"""Local scale and rotation of a plane: derivative of plane coordinates by true distance.

    .. math:: J = \left( \frac{1}{N} \frac{\partial P}{\partial s_e}, \frac{1}{M} \frac{\partial P}{\partial s_n}
              \right)

    computed with central differences along great circles, which pass straight through the poles. M and N are the radii
    of curvature of the ellipsoid along and across the meridian. The error is about 1e-9.

    Args:
        vectors: (..., 3) directions of the points.
        crs: the plane.

    Returns:
        (..., 2, 2), no unit; rows are x and y of the plane, columns true east and north.
    """
    a, b = semi_axes(crs)
    squared = 1.0 - (b / a) ** 2  # square of the eccentricity
    root = 1.0 - squared * vectors[..., 2] ** 2
    radii = a / np.sqrt(root), a * (1.0 - squared) / root**1.5  # N and M
    columns = []

    for direction, radius in zip(local_directions(vectors), radii, strict=True):
        ahead, behind = (project(vectors + step * direction, crs) for step in (_STEP, -_STEP))
        columns.append((ahead - behind) / (2.0 * np.arctan(_STEP) * radius[..., None]))

    return np.stack(columns, axis=-1)

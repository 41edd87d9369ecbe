"""From the globe to a plane: which plane, where points fall in it, and how it stretches and turns locally.

A mesh lives in a plane. Coordinates in degrees are projected once, when a file is read; everything that must know about
the round Earth afterwards (:mod:`~gensim_graph.mesh.operators.sphere`, :mod:`~gensim_graph.mesh.planes.frame`) goes through here.

Averages and small steps are taken on unit vectors, which know neither a dateline nor a pole.
"""

import logging

import numpy as np
from pyproj import CRS, Proj

from gensim_graph.errors import InputError
from gensim_graph.mesh.geometry import signed_areas
from gensim_graph.mesh.planes.nextsim_plane import NEXTSIM_CRS
from gensim_graph.mesh.topology import next_corners
from gensim_graph.typing import Array

log = logging.getLogger(__name__)

_BEYOND = 1e10  # m, a tenth of a degree from the point that a stereographic plane cannot show
_STEP = 1e-5  # radians, 64 m: the square of it and the rounding of the projection are both about 1e-10


def unit_vectors(longitude: Array, latitude: Array) -> Array:
    """Directions (..., 3) of longitude and latitude in degrees, in any range of longitudes."""
    lon, lat = np.radians(np.asarray(longitude, dtype=np.float64)), np.radians(np.asarray(latitude, dtype=np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def degrees_to_vectors(points: Array) -> Array:
    """Directions (P, 3) of points (P, 2), longitude and latitude in degrees.

    Raises:
        InputError: values that no longitude or latitude has.
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
    """The plane for data at some directions (..., 3), always a conformal one: cells and vectors keep their angles.

    neXtSIM's polar stereographic plane for data around the north pole, for Arctic data (all north of 30 N, some north
    of 70 N), and for data of more than a hemisphere: the point that it cannot show lies on Antarctica. Around the south
    pole its mirror image, true at 60 S; elsewhere a stereographic plane around the middle, at whole degrees.

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
        stretch = 1.87 / (1.0 + np.sin(np.radians(latitude.min())))  # of a sphere, true at 60 N
        why = f"data of more than a hemisphere, lengths {stretch:.0f} times too large at {latitude.min():.0f} N"
        plane = NEXTSIM_CRS
    elif lat0 > 80.0 or (latitude.min() >= 30.0 and latitude.max() >= 70.0):
        plane, why = NEXTSIM_CRS, "data around the north pole"
    else:
        where = f"+lat_0={lat0:g} +lon_0={lon0:g}" if lat0 >= -80.0 else "+lat_0=-90 +lon_0=0 +lat_ts=-60"
        plane, why = CRS.from_proj4(f"+proj=stere {where} +datum=WGS84 +units=m +type=crs"), "data elsewhere"

    log.warning("%s: projected to '%s'; crs= chooses another plane", why, plane_name(plane))
    return plane


def plane_name(crs: CRS) -> str:
    """A name that says which plane it is."""
    if crs.name not in ("unknown", "undefined"):
        return crs.name
    if not crs.to_string().startswith("{"):  # as the user said it
        return crs.to_string()[:80]
    return crs.coordinate_operation.method_name if crs.coordinate_operation else crs.type_name


def project(vectors: Array, crs: CRS) -> Array:
    """Directions (..., 3) to the plane (..., 2) in m; not finite where the plane does not reach.

    Raises:
        InputError: ``crs`` is not a projection in metres.
    """
    if not crs.is_projected or crs.axis_info[0].unit_conversion_factor != 1.0:
        raise InputError(f"the crs '{plane_name(crs)}' is not a projection in metres; a mesh needs one")
    points = np.stack(Proj(crs)(*lonlat(vectors)), axis=-1)
    return np.where((np.abs(points) < _BEYOND).all(axis=-1, keepdims=True), points, np.inf)


def unproject(points: Array, crs: CRS) -> Array:
    """Points of the plane (..., 2) in m to directions (..., 3)."""
    return unit_vectors(*Proj(crs)(points[..., 0], points[..., 1], inverse=True))


def drawable(vectors: Array, points: Array, faces: Array) -> Array:
    """Which faces a plane shows as they are: (F,) bool.

    A face that holds the point opposite the centre of the plane, or that crosses the cut of a cylindrical projection,
    comes out inside out: its winding differs from that on the globe.

    Args:
        vectors: (N, 3) directions of the nodes.
        points: (N, 2) the same in the plane, not finite where it does not reach.
        faces: (F, k) nodes, padded with -1.
    """
    finite = np.isfinite(points).all(axis=1)
    reached = np.where(faces >= 0, finite[faces], True).all(axis=1)
    flat = np.sign(signed_areas(np.where(finite[:, None], points, 0.0), faces))
    agree = flat * np.sign(windings(vectors, faces))
    handed = np.sign(agree[reached].sum()) or 1.0

    return reached & (agree == handed)


def windings(vectors: Array, faces: Array) -> Array:
    """Positive where a face is counter-clockwise seen from outside the globe: (F,)."""
    following = next_corners(faces)
    total = np.zeros((len(faces), 3))
    middle = np.zeros((len(faces), 3))

    for corner, after in zip(faces.T, following.T, strict=True):
        here = np.where((corner >= 0)[:, None], vectors[corner], 0.0)
        total += np.where((corner >= 0)[:, None], np.cross(here, vectors[after]), 0.0)
        middle += here

    return (total * middle).sum(axis=1)


def local_directions(vectors: Array) -> tuple[Array, Array]:
    """East and north as directions (..., 3); at a pole those of the longitude that the vector was made with."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    lon = np.arctan2(y, x)
    across = np.hypot(x, y)
    zero = np.zeros_like(lon)
    east = np.stack([-np.sin(lon), np.cos(lon), zero], axis=-1)
    north = np.stack([-z * np.cos(lon), -z * np.sin(lon), across], axis=-1)

    return east, north


def semi_axes(crs: CRS) -> tuple[float, float]:
    """Semi-axes of the ellipsoid of a plane, m; those of WGS 84 where it names none."""
    ellipsoid = crs.ellipsoid
    return (ellipsoid.semi_major_metre, ellipsoid.semi_minor_metre) if ellipsoid else (6378137.0, 6356752.314245)


def local_jacobian(vectors: Array, crs: CRS) -> Array:
    r"""How the plane stretches and turns true metres: (..., 2, 2), columns east and north, no unit.

    .. math:: J = \left( \frac{1}{N} \frac{\partial P}{\partial s_e}, \frac{1}{M} \frac{\partial P}{\partial s_n}
              \right)

    by central differences along great circles, which go straight through the poles; M and N are the radii of
    curvature of the ellipsoid along and across the meridian. Accurate to about 1e-9.
    """
    a, b = semi_axes(crs)
    squared = 1.0 - (b / a) ** 2
    root = 1.0 - squared * vectors[..., 2] ** 2
    radii = a / np.sqrt(root), a * (1.0 - squared) / root**1.5
    columns = []

    for direction, radius in zip(local_directions(vectors), radii, strict=True):
        ahead, behind = (project(vectors + step * direction, crs) for step in (_STEP, -_STEP))
        columns.append((ahead - behind) / (2.0 * np.arctan(_STEP) * radius[..., None]))

    return np.stack(columns, axis=-1)

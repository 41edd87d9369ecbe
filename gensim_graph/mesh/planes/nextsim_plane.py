"""The plane of neXtSIM: an ellipsoidal polar stereographic projection.

Lengths are true at 60 N, and the meridian 45 W points down. neXtSIM takes metres in this plane for true metres (no map
factor), and its velocities are along the axes of this plane.
"""

import numpy as np
from pyproj import CRS, Proj

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

NEXTSIM_CRS = CRS.from_cf(
    {
        "grid_mapping_name": "polar_stereographic",
        "projected_crs_name": "NpsNextsim",
        "latitude_of_projection_origin": 90.0,
        "straight_vertical_longitude_from_pole": -45.0,
        "standard_parallel": 60.0,
        "semi_major_axis": 6378273.0,
        "semi_minor_axis": 6356889.44891,
        "false_easting": 0.0,
        "false_northing": 0.0,
    }
)
"""Projection ``NpsNextsim.mpp``: +proj=stere +lat_0=90 +lat_ts=60 +lon_0=-45 +a=6378273 +b=6356889.44891."""

_SAME_RADIUS = 1e-6


def on_sphere(points: Array) -> bool:
    """Return True if points (N, 3) lie on a sphere around the origin, of any radius, and not in a plane z = const."""
    if points.shape[1] != 3 or len(points) == 0:
        return False

    radius = np.linalg.norm(points, axis=1)
    mean = radius.mean()
    flat = np.ptp(points[:, 2]) <= 1e-12 * mean

    return bool(not flat and np.abs(radius - mean).max() <= _SAME_RADIUS * mean)


def sphere_to_plane(xyz: Array, crs: CRS | None = None) -> Array:
    """Project points on a sphere to a plane in the way of neXtSIM.

    Only the direction of a point counts: latitude = asin(z / r) and longitude = atan2(y, x), both taken as geodetic.

    Args:
        xyz: (N, 3) Cartesian coordinates, any radius.
        crs: a projected crs; by default the plane of neXtSIM.

    Returns:
        (N, 2) m.

    Raises:
        InputError: ``crs`` is not a projection, or it is not defined at some of the points.
    """
    radius = np.linalg.norm(xyz, axis=1)
    longitude = np.degrees(np.arctan2(xyz[:, 1], xyz[:, 0]))
    latitude = np.degrees(np.arcsin(np.clip(xyz[:, 2] / radius, -1.0, 1.0)))
    return lonlat_to_plane(longitude, latitude, crs)


def lonlat_to_plane(longitude: Array, latitude: Array, crs: CRS | None = None) -> Array:
    """Project longitude and latitude to a plane.

    Args:
        longitude: (N,) degrees east.
        latitude: (N,) degrees north.
        crs: a projected crs; by default the plane of neXtSIM.

    Returns:
        (N, 2) m.

    Raises:
        InputError: ``crs`` is not a projection, or it is not defined at some of the points.
    """
    crs = NEXTSIM_CRS if crs is None else crs
    if not crs.is_projected:
        raise InputError(f"the crs '{crs.name}' is not a projection; a mesh needs a plane in metres")

    plane = np.stack(Proj(crs)(longitude, latitude), axis=1)
    if not np.isfinite(plane).all():
        raise InputError(
            f"the projection '{crs.name}' does not reach {np.count_nonzero(~np.isfinite(plane[:, 0]))} points"
        )

    return plane

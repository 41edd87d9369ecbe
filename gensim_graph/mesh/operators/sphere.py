"""True areas of faces on the Earth, and the scale factor of the plane of a mesh.

The model works in the plane and takes its metres for true metres, as neXtSIM does. A polar stereographic plane enlarges
lengths by some per cent across the Arctic. To report ice area or volume in true units, divide areas by the square of
:func:`scale_factors`, or weight with :func:`true_areas`.
"""

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.planes import local_jacobian, lonlat, plane_name, semi_axes, unit_vectors, unproject
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


def scale_factors(mesh: Mesh) -> Array:
    """Length in the plane divided by true length, at the centre of each face: (F,), no unit.

    In a plane that is not conformal, the square root of the ratio of areas.

    Raises:
        InputError: the mesh has no plane on the Earth.
    """
    crs = _plane(mesh)
    return np.sqrt(np.abs(np.linalg.det(local_jacobian(unproject(mesh.centres, crs), crs))))


def true_areas(mesh: Mesh) -> Array:
    """Area of each face on the ellipsoid of its plane: (F,) m2.

    Corners are joined by great circles of the sphere with the same area as the ellipsoid, instead of geodesics. The
    relative error is about the flattening times the size of the face over the radius of the Earth: 1e-6 for faces of
    10 km. Errors of neighbours cancel, so totals are exact to 1e-8.

    Raises:
        InputError: the mesh has no plane on the Earth.
    """
    crs = _plane(mesh)
    a, b = semi_axes(crs)
    squared = 1.0 - (b / a) ** 2
    longitude, latitude = lonlat(unproject(mesh.nodes, crs))
    authalic, radius = _authalic(np.sin(np.radians(latitude)), a, squared)

    return radius**2 * solid_angles(unit_vectors(longitude, np.degrees(np.arcsin(authalic))), mesh.faces)


def solid_angles(vectors: Array, faces: Array) -> Array:
    r"""Solid angle of polygons on the unit sphere, with corners joined by great circles.

    Triangles by Van Oosterom and Strackee (1983), :math:`\tan(\Omega/2) = \frac{a \cdot (b \times c)}{1 + a \cdot b +
    b \cdot c + c \cdot a}`, with sides relative to one corner, so that small faces lose no digits.

    Args:
        vectors: (N, 3) directions of the nodes.
        faces: (F, k) node numbers, padded with -1.

    Returns:
        (F,) sr.
    """
    triangles, owners = fan_triangles(faces)
    a, b, c = (vectors[corner] for corner in triangles.T)
    volume = (a * np.cross(b - a, c - a)).sum(axis=1)
    denominator = 1.0 + (a * b).sum(axis=1) + (b * c).sum(axis=1) + (c * a).sum(axis=1)
    return np.bincount(owners, 2.0 * np.arctan2(volume, denominator), minlength=len(faces))


def _authalic(sine: Array, a: float, squared: float) -> tuple[Array, float]:
    """Sine of the authalic latitude, and radius of the sphere with the same area (Snyder 1987, eq. 3-11 to 3-13).

    Args:
        sine: sine of the geodetic latitude.
        a: major semi-axis, m.
        squared: square of the eccentricity.
    """
    if squared < 1e-14:
        return sine, a

    e = np.sqrt(squared)

    def q(s: Array) -> Array:
        return (1.0 - squared) * (s / (1.0 - squared * s**2) + np.arctanh(e * s) / e)

    whole = float(q(np.ones(1))[0])
    return np.clip(q(sine) / whole, -1.0, 1.0), a * np.sqrt(whole / 2.0)


def _plane(mesh: Mesh) -> CRS:
    """Return the plane of a mesh if it is a projection of the Earth."""
    if mesh.crs is None:
        raise InputError("the mesh has no crs, so its position on the Earth is unknown; load it with crs=")
    if not mesh.crs.is_projected:
        raise InputError(f"the crs '{plane_name(mesh.crs)}' is not a projection")
    return mesh.crs

"""The round Earth behind a plane: true areas of faces, and how much the plane enlarges them.

The model works in the plane, as neXtSIM does, where a metre is taken for a metre. Polar stereographic planes enlarge by
some per cent across the Arctic; whoever reports ice volume or area in true units divides by the square of
:func:`scale_factors`, or weights with :func:`true_areas`.
"""

import numpy as np
from pyproj import CRS

from gensim_graph.errors import InputError
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.planes import local_jacobian, lonlat, plane_name, semi_axes, unit_vectors, unproject
from gensim_graph.mesh.topology import fan_triangles
from gensim_graph.typing import Array


def scale_factors(mesh: Mesh) -> Array:
    """Length in the plane / true length at the centre of every face: (F,), no unit.

    Where a plane is not conformal, the root of the ratio of areas.

    Raises:
        InputError: the mesh has no plane on the Earth.
    """
    crs = _plane(mesh)
    return np.sqrt(np.abs(np.linalg.det(local_jacobian(unproject(mesh.centres, crs), crs))))


def true_areas(mesh: Mesh) -> Array:
    """Area of every face on the ellipsoid of its plane, corners joined by great circles: (F,) m2.

    The circles are those of the sphere of equal area. They leave the geodesics by flattening x size / radius of a face,
    1e-6 of its area for 10 km; totals are exact to 1e-8, as what a face loses its neighbour gains.

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
    r"""Solid angle of polygons on the unit sphere, joined by great circles, from directions (N, 3): (F,) sr.

    Triangles by Van Oosterom and Strackee (1983), :math:`\tan(\Omega/2) = \frac{a \cdot (b \times c)}{1 + a \cdot b +
    b \cdot c + c \cdot a}`, with the sides taken relative to a corner so that small faces keep their digits.
    """
    triangles, owners = fan_triangles(faces)
    a, b, c = (vectors[corner] for corner in triangles.T)
    volume = (a * np.cross(b - a, c - a)).sum(axis=1)
    below = 1.0 + (a * b).sum(axis=1) + (b * c).sum(axis=1) + (c * a).sum(axis=1)
    return np.bincount(owners, 2.0 * np.arctan2(volume, below), minlength=len(faces))


def _authalic(sine: Array, a: float, squared: float) -> tuple[Array, float]:
    """Sine of the authalic latitude and radius of the sphere of the same area (Snyder 1987, eq. 3-11 and 3-12)."""
    if squared < 1e-14:
        return sine, a

    e = np.sqrt(squared)

    def q(s: Array) -> Array:
        return (1.0 - squared) * (s / (1.0 - squared * s**2) + np.arctanh(e * s) / e)

    whole = float(q(np.ones(1))[0])

    return np.clip(q(sine) / whole, -1.0, 1.0), a * np.sqrt(whole / 2.0)


def _plane(mesh: Mesh) -> CRS:
    if mesh.crs is None:
        raise InputError("the mesh has no crs, so nobody knows where on the Earth it lies; load it with crs=")
    if not mesh.crs.is_projected:
        raise InputError(f"the crs '{plane_name(mesh.crs)}' is no projection")
    return mesh.crs

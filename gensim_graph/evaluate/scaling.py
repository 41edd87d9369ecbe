"""How deformation depends on the size at which one looks: the scaling of sea ice.

Over boxes of a side L the velocity gradient is averaged, and its total deformation e_L taken. For sea ice the moments
fall off as a power of L, high ones faster (Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501):

    <e_L^q> ~ L^-beta(q),        beta(q) = a q^2 + b q,

where a curvature a > 0 means that deformation is localised the more, the closer one looks (multifractal).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.mesh.deformation import invariants, velocity_gradient
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.typing import Array

MOMENTS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
SECONDS_PER_DAY = 86_400.0

_COVER = 0.5
"""Boxes that the faces cover less are left out."""

_FEWEST = 4
"""Boxes of a size that are needed."""


@dataclass(frozen=True)
class Scaling:
    """Moments of the total deformation by box size.

    Attributes:
        lengths: (L,) m, sides of the boxes, ascending; the first is the spacing of the cells.
        orders: (Q,) orders of the moments.
        moments: (Q, L) day^-q, mean of the total deformation to the power q over boxes, members and times.
    """

    lengths: Array
    orders: Array
    moments: Array

    @property
    def exponents(self) -> Array:
        """(Q,) beta(q): minus the slope of log moment over log length."""
        return -np.polyfit(np.log(self.lengths), np.log(self.moments).T, 1)[0]

    @property
    def curvature(self) -> float:
        """The a of beta(q) = a q^2 + b q, by least squares."""
        terms = np.stack([self.orders**2, self.orders], axis=1)
        return float(np.linalg.lstsq(terms, self.exponents, rcond=None)[0][0])


def spatial_scaling(
    mesh: Mesh,
    u: Array,
    v: Array,
    location: Literal["node", "face"] = "face",
    *,
    ice: Array | None = None,
    orders: Sequence[float] = MOMENTS,
    lengths: Sequence[float] | None = None,
) -> Scaling:
    """Scaling of the deformation of a drift.

    Args:
        mesh: the mesh.
        u, v: drift in m/s along the axes of the plane, (..., N) or (..., F).
        location: where the drift is.
        ice: (F,) faces that count; all by default.
        orders: of the moments.
        lengths: sides of the boxes, m. By default the spacing times 1, 2, 4, ... up to a quarter of the domain.

    Raises:
        InputError: the shapes do not fit the mesh, or the domain is too small for two sizes of boxes.
    """
    return scaling_of_gradients(mesh, velocity_gradient(mesh, u, v, location), ice=ice, orders=orders, lengths=lengths)


def scaling_of_gradients(
    mesh: Mesh,
    gradient: Array,
    *,
    ice: Array | None = None,
    orders: Sequence[float] = MOMENTS,
    lengths: Sequence[float] | None = None,
) -> Scaling:
    """Scaling of velocity gradients (2, 2, ..., F) in 1/s; further arguments as of :func:`spatial_scaling`."""
    faces = np.arange(mesh.n_faces) if ice is None else np.flatnonzero(ice)
    if len(faces) == 0:
        raise InputError("scaling: no face counts; the mask 'ice' is False everywhere")
    flat = gradient[..., faces].reshape(4, -1, len(faces)) * SECONDS_PER_DAY
    sizes, moments = [], []
    for length in _lengths(mesh, faces) if lengths is None else lengths:
        boxes = _boxes(mesh, faces, length)
        if boxes.shape[0] >= _FEWEST:
            sizes.append(length)
            moments.append(_moments(boxes, flat, np.asarray(orders)))
    if len(sizes) < 2:
        raise InputError("scaling: fewer than two sizes of boxes fit into the domain; take a larger one, or lengths=")
    return Scaling(np.asarray(sizes), np.asarray(orders), np.stack(moments, axis=1))


def _lengths(mesh: Mesh, faces: Array) -> list[float]:
    spacing = float(np.median(mesh.spacing[faces]))
    extent = float(np.ptp(mesh.centres[faces], axis=0).max()) + spacing
    count = int(np.floor(np.log2(max(extent / 4 / spacing, 1.0)) + 1e-9))
    return [spacing * 2**step for step in range(count + 1)]


def _boxes(mesh: Mesh, faces: Array, length: float) -> csr_array:
    """Area of every face in its box: (boxes, faces). A box as large as a cell is the cell."""
    areas = mesh.areas[faces]
    if length <= float(np.median(mesh.spacing[faces])) * (1 + 1e-6):
        return csr_array((areas, (np.arange(len(faces)),) * 2))
    corner = mesh.nodes.min(axis=0)
    column, row = np.floor((mesh.centres[faces] - corner) / length + 1e-9).astype(np.int64).T
    _, box = np.unique(row * (column.max() + 1) + column, return_inverse=True)
    cover = np.bincount(box, areas) / length**2
    kept = np.flatnonzero(cover >= _COVER)
    number = np.full(len(cover), -1)
    number[kept] = np.arange(len(kept))
    inside = number[box] >= 0
    shape = (len(kept), len(faces))
    return csr_array((areas[inside], (number[box[inside]], np.flatnonzero(inside))), shape=shape)


def _moments(boxes: csr_array, gradient: Array, orders: Array) -> Array:
    """(Q,) means over boxes by covered area, and over the rest."""
    area = np.asarray(boxes.sum(axis=1)).ravel()
    mean = np.stack([(boxes @ part.T).T / area for part in gradient]).reshape(2, 2, -1, len(area))
    total = invariants(mean).total
    return np.array([np.average(total**q, axis=-1, weights=area).mean() for q in orders])

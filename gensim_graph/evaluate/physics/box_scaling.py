"""Scaling in space: how the deformation depends on the size of the box over which it is averaged.

The velocity gradient is averaged over boxes of side L; e_L is the total deformation of that mean. For sea ice the
moments fall off as a power of L, the higher moments faster (Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501):

    <e_L^q> ~ L^-beta(q),        beta(q) = a q^2 + b q,

where a curvature a > 0 means that the deformation is multifractal: the smaller the scale, the more localised it is.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics.scaling import SCALING_ORDERS, Scaling, mean_powers, scaling_rows
from gensim_graph.evaluate.tally import Step, Tally
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import invariants, velocity_gradient
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

_LEAST_COVER = 0.5
"""Boxes are left out if faces cover less than this share of them."""

_FEWEST_BOXES = 4
"""A size is left out if there are fewer boxes of it."""


def spatial_scaling(
    mesh: Mesh,
    u: Array,
    v: Array,
    location: Literal["node", "face"] = "face",
    *,
    ice: Array | None = None,
    orders: Sequence[float] = SCALING_ORDERS,
    lengths: Sequence[float] | None = None,
) -> Scaling:
    """Compute the scaling in space of the deformation of a drift.

    Args:
        mesh: the mesh.
        u: x component of the drift in m/s along the axes of the plane, (..., N) at nodes or (..., F) on faces.
        v: y component, of the same shape.
        location: ``node`` or ``face``.
        ice: (F,) True for the faces to use; all faces by default.
        orders: orders q of the moments.
        lengths: sides of the boxes, m. By default the spacing times 1, 2, 4, ... up to a quarter of the domain.

    Returns:
        The moments by the side of the box, in m.

    Raises:
        InputError: the shapes do not fit the mesh, or the domain is too small for two sizes of boxes.

    Example:
        A uniform shear is the same at all scales, so its exponents are zero:

        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import spatial_scaling
        >>> centres = 1e3 * np.arange(16)
        >>> mesh = gg.Mesh.from_grid(centres, centres)
        >>> x, y = mesh.centres.T
        >>> scaling = spatial_scaling(mesh, 1e-6 * y, 0 * x)
        >>> scaling.lengths
        array([1000., 2000., 4000.])
        >>> bool(np.allclose(scaling.exponents, 0))
        True
    """
    return scaling_of_gradients(mesh, velocity_gradient(mesh, u, v, location), ice=ice, orders=orders, lengths=lengths)


def scaling_of_gradients(
    mesh: Mesh,
    gradient: Array,
    *,
    ice: Array | None = None,
    orders: Sequence[float] = SCALING_ORDERS,
    lengths: Sequence[float] | None = None,
) -> Scaling:
    """Compute the scaling in space of velocity gradients.

    Args:
        mesh: the mesh.
        gradient: (2, 2, ..., F) [[u_x, u_y], [v_x, v_y]] in 1/s.
        ice: see :func:`spatial_scaling`, as for ``orders`` and ``lengths``.
        orders: orders q of the moments.
        lengths: sides of the boxes, m.

    Raises:
        InputError: ``ice`` is False everywhere, or the domain is too small for two sizes of boxes.
    """
    faces = np.arange(mesh.n_faces) if ice is None else np.flatnonzero(ice)
    if len(faces) == 0:
        raise InputError("scaling: no face counts; the mask 'ice' is False everywhere")

    boxes = boxes_by_size(mesh, faces, lengths)
    if len(boxes) < 2:
        raise InputError("scaling: fewer than two sizes of boxes fit into the domain; take a larger one, or lengths=")

    return _scaling(boxes, gradient[..., faces] * SECONDS_PER_DAY, orders)


def boxes_by_size(mesh: Mesh, faces: Array, lengths: Sequence[float] | None = None) -> dict[float, csr_array]:
    """Sort faces into square boxes of several sizes.

    Args:
        mesh: the mesh.
        faces: (P,) numbers of the faces to use.
        lengths: sides of the boxes, m; see :func:`spatial_scaling`.

    Returns:
        Side in m -> area of each face in each box (boxes, P), m2; only sizes of which there are enough boxes.
    """
    found = {length: _boxes(mesh, faces, length) for length in lengths or _default_lengths(mesh, faces)}
    return {length: boxes for length, boxes in found.items() if boxes.shape[0] >= _FEWEST_BOXES}


def _default_lengths(mesh: Mesh, faces: Array) -> list[float]:
    """Spacing times 1, 2, 4, ... up to a quarter of the domain, m."""
    spacing = float(np.median(mesh.spacing[faces]))
    extent = float(np.ptp(mesh.centres[faces], axis=0).max()) + spacing
    count = int(np.floor(np.log2(max(extent / 4 / spacing, 1.0)) + 1e-9))
    return [spacing * 2**step for step in range(count + 1)]


def _boxes(mesh: Mesh, faces: Array, length: float) -> csr_array:
    """Area of every face in its box, (boxes, faces) m2; each face is a box of its own at the spacing of the mesh."""
    areas = mesh.areas[faces]
    if length <= float(np.median(mesh.spacing[faces])) * (1 + 1e-6):
        return csr_array((areas, (np.arange(len(faces)),) * 2))

    corner = mesh.nodes.min(axis=0)
    column, row = np.floor((mesh.centres[faces] - corner) / length + 1e-9).astype(np.int64).T
    _, box = np.unique(row * (column.max() + 1) + column, return_inverse=True)

    cover = np.bincount(box, areas) / length**2
    kept = np.flatnonzero(cover >= _LEAST_COVER)
    number = np.full(len(cover), -1)
    number[kept] = np.arange(len(kept))

    inside = number[box] >= 0
    entries = (number[box[inside]], np.flatnonzero(inside))

    return csr_array((areas[inside], entries), shape=(len(kept), len(faces)))


def _scaling(boxes: Mapping[float, csr_array], gradient: Array, orders: Sequence[float] = SCALING_ORDERS) -> Scaling:
    """Scaling of velocity gradients (2, 2, ..., P), 1/day, on the P faces that were sorted into boxes."""
    columns = np.ascontiguousarray(gradient.reshape(-1, gradient.shape[-1]).T)
    moments = [_moments(of_size, columns, orders) for of_size in boxes.values()]
    return Scaling(np.array([*boxes]), np.asarray(orders), np.stack(moments, axis=1))


def _moments(boxes: csr_array, columns: Array, orders: Sequence[float]) -> Array:
    """Moments (Q,) of gradients (P, 4 M): means over the boxes, weighted by covered area, and over the M members."""
    area = np.asarray(boxes.sum(axis=1))
    mean = (boxes.astype(columns.dtype) @ columns) / area.astype(columns.dtype)[:, None]
    gradient = np.ascontiguousarray(mean.T).reshape(2, 2, -1, len(area))
    return mean_powers(invariants(gradient).total, area, orders)


class ScalingTally(Tally):
    """Gather the scaling in space of truth and forecasts, over the faces where the truth has ice."""

    def __init__(self) -> None:
        self._scalings: dict[tuple[str, float], list[Scaling]] = {}
        self._faces: Array = np.zeros(0, dtype=np.int64)
        self._boxes: dict[float, csr_array] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if step.operator is None or not step.matched.has("siu", "siv"):
            return
        if step.is_truth:
            self._place_boxes(step)

        if len(self._boxes) > 1:
            all_faces = len(self._faces) == len(step.ice)
            gradient = step.gradient if all_faces else step.gradient[..., self._faces]
            self._scalings.setdefault((step.model, step.hours), []).append(_scaling(self._boxes, gradient))

    def _place_boxes(self, step: Step) -> None:
        """Place the boxes over the ice of this instant; all models share them."""
        faces = np.flatnonzero(step.ice)
        if not np.array_equal(faces, self._faces):
            self._faces = faces
            self._boxes = boxes_by_size(step.mesh, faces) if len(faces) else {}

    def table(self) -> pd.DataFrame:
        """Return one row per model, lead time, order and size of the box.

        Returns:
            Columns model, lead_hours, order, length_km, moment (day^-q, mean over members and starts) and beta, the
            exponent of that order, which is the same for all lengths. Empty if there is no drift, or if the domain is
            too small for two sizes of boxes.
        """
        return scaling_rows(self._scalings, "length_km", 1e-3)

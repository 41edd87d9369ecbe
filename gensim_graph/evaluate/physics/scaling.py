"""How deformation depends on the size at which one looks: the scaling of sea ice.

Over boxes of a side L the velocity gradient is averaged, and its total deformation e_L taken. For sea ice the moments
fall off as a power of L, high ones faster (Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501):

    <e_L^q> ~ L^-beta(q),        beta(q) = a q^2 + b q,

where a curvature a > 0 means that deformation is localised the more, the closer one looks (multifractal).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.sparse import csr_array

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import invariants, velocity_gradient
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

SCALING_ORDERS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)

_COVER = 0.5
"""Boxes that the faces cover less are left out."""

_FEWEST = 4
"""Boxes of a size that are needed."""


@dataclass(frozen=True)
class Scaling:
    """Moments of the total deformation by the size, or the time, over which the velocity gradient is averaged.

    Attributes:
        lengths: (L,) m, sides of the boxes, ascending; the first is the spacing of the cells. In time, s.
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
    orders: Sequence[float] = SCALING_ORDERS,
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
    orders: Sequence[float] = SCALING_ORDERS,
    lengths: Sequence[float] | None = None,
) -> Scaling:
    """Scaling of velocity gradients (2, 2, ..., F) in 1/s; further arguments as of :func:`spatial_scaling`."""
    faces = np.arange(mesh.n_faces) if ice is None else np.flatnonzero(ice)
    if len(faces) == 0:
        raise InputError("scaling: no face counts; the mask 'ice' is False everywhere")

    boxes = boxes_by_size(mesh, faces, lengths)
    if len(boxes) < 2:
        raise InputError("scaling: fewer than two sizes of boxes fit into the domain; take a larger one, or lengths=")

    return _scaling(boxes, gradient[..., faces] * SECONDS_PER_DAY, orders)


def boxes_by_size(mesh: Mesh, faces: Array, lengths: Sequence[float] | None = None) -> dict[float, csr_array]:
    """Side in m -> area of some faces in each box, (boxes, faces), where there are enough boxes of a size."""
    found = {length: _boxes(mesh, faces, length) for length in lengths or _lengths(mesh, faces)}
    return {length: boxes for length, boxes in found.items() if boxes.shape[0] >= _FEWEST}


def _scaling(boxes: Mapping[float, csr_array], gradient: Array, orders: Sequence[float] = SCALING_ORDERS) -> Scaling:
    """Of gradients (4, M, faces), 1/day."""
    columns = np.ascontiguousarray(gradient.reshape(-1, gradient.shape[-1]).T)
    moments = [_moments(part, columns, orders) for part in boxes.values()]
    return Scaling(np.array([*boxes]), np.asarray(orders), np.stack(moments, axis=1))


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


def _moments(boxes: csr_array, columns: Array, orders: Sequence[float]) -> Array:
    """(Q,) means over boxes by covered area, and over the rest, of gradients (faces, 4 M)."""
    area = np.asarray(boxes.sum(axis=1))
    mean = (boxes.astype(columns.dtype) @ columns) / area.astype(columns.dtype)[:, None]
    return mean_powers(invariants(np.ascontiguousarray(mean.T).reshape(2, 2, -1, len(area))).total, area, orders)


def mean_powers(total: Array, weights: Array, orders: Sequence[float]) -> Array:
    """Means of the powers of a total deformation (..., places), weighted by place: (Q,)."""
    shares = (weights / weights.sum()).astype(total.dtype)
    return np.array([float((_power(total, order) @ shares).mean()) for order in orders])


def _power(values: Array, order: float) -> Array:
    """values**order, of which numpy is fast at roots and products alone."""
    whole = int(order)
    found = values ** (order - whole)
    for _ in range(whole):
        found = found * values
    return found


def scaling_table(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Scaling of truth and forecasts per lead time, over faces where the truth has ice.

    Returns:
        Columns model, lead_hours, order, length_km, moment (day^-q, a mean over members and starts) and beta, the
        exponent of that order, which is the same for all lengths. Empty where there is no drift, or the domain is too
        small for two sizes of boxes.
    """
    return tabulate(models, ScalingTally())


class ScalingTally(Tally):
    """Gathers :func:`scaling_table`."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, float], list[Scaling]] = {}
        self._faces: Array = np.zeros(0, dtype=np.int64)
        self._boxes: dict[float, csr_array] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if step.operator is None or not step.matched.has("siu", "siv"):
            return
        if step.is_truth:
            self._look(step)

        if len(self._boxes) > 1:
            whole = len(self._faces) == len(step.ice)
            gradient = step.gradient if whole else step.gradient[..., self._faces]
            self._found.setdefault((step.model, step.hours), []).append(_scaling(self._boxes, gradient))

    def _look(self, step: Step) -> None:
        """Boxes over the ice of an instant, which all models share."""
        faces = np.flatnonzero(step.ice)
        if not np.array_equal(faces, self._faces):
            self._faces, self._boxes = faces, boxes_by_size(step.mesh, faces) if len(faces) else {}

    def table(self) -> pd.DataFrame:
        """See :func:`scaling_table`."""
        return scaling_rows(self._found, "length_km", 1e-3)


def scaling_rows(found: Mapping[tuple[str, float], Iterable[Scaling]], length: str, units: float) -> pd.DataFrame:
    """Rows of :func:`scaling_table`: scalings of one model and lead time are averaged, at the lengths they share."""
    rows = []
    for (model, hours), several in found.items():
        parts = [*several]
        shared = sorted(set.intersection(*({*part.lengths} for part in parts)))
        at = [part.moments[:, np.isin(part.lengths, shared)] for part in parts]
        mean = Scaling(np.array(shared), parts[0].orders, np.mean(at, axis=0))
        betas = mean.exponents if len(shared) > 1 and (mean.moments > 0).all() else np.full(len(mean.orders), np.nan)

        for order, moments, beta in zip(mean.orders, mean.moments, betas, strict=True):
            rows += [
                (model, hours, order, units * at, moment, beta) for at, moment in zip(shared, moments, strict=True)
            ]

    return by_model(pd.DataFrame(rows, columns=["model", "lead_hours", "order", length, "moment", "beta"]))

"""Moments of the deformation by scale, and their exponents: the common part of scaling in space and in time.

The total deformation e_s of a velocity gradient averaged over a scale s has moments that fall off as a power of s:

    <e_s^q> ~ s^-beta(q),        beta(q) = a q^2 + b q.

In space s is the side of a box (:mod:`~gensim_graph.evaluate.physics.box_scaling`), in time the length of a window
(:mod:`~gensim_graph.evaluate.physics.intermittency`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from gensim_graph.evaluate.tally import by_model
from gensim_graph.typing import Array

SCALING_ORDERS = (0.5, 1.0, 1.5, 2.0, 2.5, 3.0)
"""Orders q of the moments."""


@dataclass(frozen=True)
class Scaling:
    """Moments of the total deformation by the scale over which the velocity gradient is averaged.

    Attributes:
        lengths: (L,) scales, ascending; in space the sides of the boxes in m, of which the first is the spacing of
            the cells, in time the lengths of the windows in s.
        orders: (Q,) orders q of the moments.
        moments: (Q, L) in day^-q, mean of the total deformation to the power q over boxes, members and times.
    """

    lengths: Array
    orders: Array
    moments: Array

    @property
    def exponents(self) -> Array:
        """Exponents beta(q), (Q,): minus the slope of the logarithm of the moment over that of the length."""
        return -np.polyfit(np.log(self.lengths), np.log(self.moments).T, 1)[0]

    @property
    def curvature(self) -> float:
        """Coefficient a of beta(q) = a q^2 + b q, by least squares; positive for multifractal deformation."""
        terms = np.stack([self.orders**2, self.orders], axis=1)
        return float(np.linalg.lstsq(terms, self.exponents, rcond=None)[0][0])


def mean_powers(total: Array, weights: Array, orders: Sequence[float]) -> Array:
    """Compute weighted means of powers of the total deformation.

    Args:
        total: (..., P) total deformation at P faces or boxes, 1/day.
        weights: (P,) their areas, in any units.
        orders: (Q,) exponents q.

    Returns:
        (Q,) in day^-q, means over the area and all leading dimensions.
    """
    shares = (weights / weights.sum()).astype(total.dtype)
    return np.array([float((_power(total, order) @ shares).mean()) for order in orders])


def _power(values: Array, order: float) -> Array:
    """Compute values**order from a root and products: numpy is slow at other powers."""
    whole = int(order)
    found = values ** (order - whole)
    for _ in range(whole):
        found = found * values

    return found


def scaling_rows(
    found: Mapping[tuple[str, float], Sequence[Scaling]], length_column: str, length_unit: float
) -> pd.DataFrame:
    """Return one row per model, lead time, order and length, averaged over the starts.

    Args:
        found: (model, lead time in h) -> the scaling of every start; their means are taken at the lengths they share.
        length_column: name of the column of the lengths.
        length_unit: factor from the units of the scalings to those of the column.

    Returns:
        Columns model, lead_hours, order, the length, moment (day^-q) and beta, the exponent of that order, which is the
        same for all lengths; NaN where there is a single length or a moment is zero.
    """
    rows = []
    for (model, hours), scalings in found.items():
        mean = _mean_scaling(scalings)
        has_slope = len(mean.lengths) > 1 and (mean.moments > 0).all()
        betas = mean.exponents if has_slope else np.full(len(mean.orders), np.nan)

        for order, moments, beta in zip(mean.orders, mean.moments, betas, strict=True):
            for length, moment in zip(mean.lengths, moments, strict=True):
                rows.append((model, hours, order, length_unit * length, moment, beta))

    return by_model(pd.DataFrame(rows, columns=["model", "lead_hours", "order", length_column, "moment", "beta"]))


def _mean_scaling(scalings: Sequence[Scaling]) -> Scaling:
    """Mean of the moments at the lengths that all scalings share."""
    shared = sorted(set.intersection(*({*scaling.lengths} for scaling in scalings)))
    moments = [scaling.moments[:, np.isin(scaling.lengths, shared)] for scaling in scalings]
    return Scaling(np.array(shared), scalings[0].orders, np.mean(moments, axis=0))

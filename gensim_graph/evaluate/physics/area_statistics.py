"""Statistics of a field on faces, weighted by area: quantiles, localisation, histograms and their distance."""

import numpy as np

from gensim_graph.typing import Array

FLOOR, CEILING = 1e-5, 1e3
"""Range of the histograms, 1/day. Smaller rates count as ``FLOOR``, so that their logarithm is finite."""

BINS_PER_DECADE = 100
"""Points of a histogram per decade of the rate."""


class AreaDistribution:
    """Values in ascending order with the area that they cover.

    Args:
        values: (F,) in any units.
        areas: (F,) m2.
    """

    def __init__(self, values: Array, areas: Array) -> None:
        order = np.argsort(values)
        self._values = values[order].astype(np.float64)
        self._areas = areas[order]
        self._area_below = np.cumsum(self._areas)

    @property
    def mean(self) -> float:
        """Mean over the area."""
        return float(self._values @ self._areas / self._area_below[-1])

    def quantile(self, level: float) -> float:
        """Return the smallest value that is not exceeded on the share ``level`` of the area."""
        position = int(np.searchsorted(self._area_below, level * self._area_below[-1]))
        return float(self._values[min(position, len(self._values) - 1)])

    def localisation_share(self, fraction: float = 0.1) -> float:
        """Return the share of the integral that lies within the ``fraction`` of the area with the largest values.

        It equals ``fraction`` for a uniform field, and 1 if the field is zero outside that area. The cell at the limit
        counts in proportion. NaN if the field is zero everywhere.
        """
        area = np.concatenate([[0.0], np.cumsum(self._areas[::-1])])
        integral = np.concatenate([[0.0], np.cumsum((self._values * self._areas)[::-1])])
        if not integral[-1] > 0:
            return float("nan")

        return float(np.interp(fraction * area[-1], area, integral) / integral[-1])


def area_quantile(values: Array, areas: Array, level: float) -> float:
    """Return the smallest value that is not exceeded on a share of the area.

    Args:
        values: (F,) in any units.
        areas: (F,) m2.
        level: the share, from 0 to 1.
    """
    return AreaDistribution(values, areas).quantile(level)


def log_histogram(rates: Array, areas: Array) -> Array:
    """Compute the histogram of the logarithm of deformation rates, weighted by area.

    A rate is shared between the two points next to it, which preserves the mean of its logarithm.

    Args:
        rates: (..., F) 1/day.
        areas: (F,) m2.

    Returns:
        Shares of the area at :func:`histogram_points` evenly spaced points of log10, from ``FLOOR`` to ``CEILING``;
        their sum is 1.
    """
    points = histogram_points()
    position = BINS_PER_DECADE * (np.log10(np.clip(rates, FLOOR, CEILING)) - round(np.log10(FLOOR))).ravel()
    lower = np.clip(position.astype(np.int64), 0, points - 2)

    weights = np.broadcast_to(areas, rates.shape).ravel()
    to_upper = weights * (position - lower)
    counts = np.bincount(lower, weights - to_upper, minlength=points)
    counts[1:] += np.bincount(lower, to_upper, minlength=points)[:-1]

    return np.asarray(counts / counts.sum())


def histogram_points() -> int:
    """Return the number of points of a histogram."""
    return round(np.log10(CEILING / FLOOR)) * BINS_PER_DECADE + 1


def histogram_distance(first: Array, second: Array) -> float:
    """Compute the Wasserstein distance of two histograms of :func:`log_histogram`, in decades.

    Args:
        first: shares of the area.
        second: shares of the area.
    """
    return float(np.abs(np.cumsum(first - second)).sum() / BINS_PER_DECADE)


def log_distance(forecast: Array, truth: Array, areas: Array) -> float:
    """Compute the Wasserstein distance of log10 of the total deformation, weighted by area, in decades.

    A distance of 0.3 means that magnitudes differ by a factor of two on average. Members are pooled.

    Args:
        forecast: (..., F) 1/day.
        truth: (F,) 1/day.
        areas: (F,) m2.
    """
    return histogram_distance(log_histogram(forecast, areas), log_histogram(truth, areas))

"""Sums over observed values, from which the scores of a forecast against observations are computed.

Observations have gaps, so each sum goes over the places that have a value, weighted with their areas.
"""

from dataclasses import dataclass, field

import numpy as np

from gensim_graph.evaluate.tally import ICE_EDGE
from gensim_graph.evaluate.verify import fair_crps
from gensim_graph.typing import Array

_KM2_PER_M2 = 1e-6


@dataclass
class ScoreSums:
    """Sums of one model, variable and lead time.

    Attributes:
        members: number of members of the model.
        count: number of observed places.
        sums: weight, error, squared error, absolute error, CRPS, variance of the members, squared error of the product.
    """

    members: int
    count: int = 0
    sums: Array = field(default_factory=lambda: np.zeros(7))

    def add(self, deviation: Array, error: Array | None, areas: Array) -> None:
        """Add members minus observations.

        Args:
            deviation: (M, P).
            error: (P,) standard deviation of the error of the observations; None if it is not known.
            areas: (P,) m2.
        """
        mean = deviation.mean(axis=0)
        single = len(deviation) == 1
        crps = np.abs(mean) if single else fair_crps(deviation)
        variance = np.full(mean.shape, np.nan) if single else deviation.var(axis=0, ddof=1)
        squared = np.full(mean.shape, np.nan) if error is None else error**2
        parts = np.stack([np.ones(mean.shape), mean, mean**2, np.abs(mean), crps, variance, squared])

        self.count += len(mean)
        self.sums += parts @ areas

    def scores(self) -> dict[str, int | float]:
        """Return the scores; see :mod:`~gensim_graph.evaluate.observations.observation_scores`."""
        bias, squared, mae, crps, variance, observed = self.sums[1:] / self.sums[0]
        rmse = float(np.sqrt(squared))
        inflated = (self.members + 1) / self.members * variance
        expected = float(np.sqrt(inflated + (0.0 if np.isnan(observed) else observed)))

        return {
            "n": self.count,
            "rmse": rmse,
            "bias": float(bias),
            "mae": float(mae),
            "crps": float(crps),
            "spread": float(np.sqrt(variance)),
            "observation_error": float(np.sqrt(observed)),
            "spread_error": expected / rmse if rmse > 0 else float("nan"),
        }


@dataclass
class EdgeSums:
    """Sums for the ice edge of one model and lead time, over the places with an observed concentration.

    Attributes:
        records: number of records.
        sums: extent of the forecast and of the observations, and area with ice in only one of them, m2.
    """

    records: int = 0
    sums: Array = field(default_factory=lambda: np.zeros(4))

    def add(self, forecast: Array, observed: Array, areas: Array) -> None:
        """Add a record.

        Args:
            forecast: (M, P) concentration.
            observed: (P,) concentration.
            areas: (P,) m2.
        """
        ice, true_ice = forecast > ICE_EDGE, observed > ICE_EDGE
        over = (ice & ~true_ice).mean(axis=0) @ areas
        under = (~ice & true_ice).mean(axis=0) @ areas

        self.records += 1
        self.sums += np.array([ice.mean(axis=0) @ areas, true_ice @ areas, over, under])

    def scores(self) -> dict[str, int | float]:
        """Return extents and the integrated ice-edge error, km2, means over the records."""
        extent, observed, over, under = (float(part) for part in _KM2_PER_M2 * self.sums / self.records)
        return {
            "records": self.records,
            "extent": extent,
            "observed_extent": observed,
            "overestimate": over,
            "underestimate": under,
            "iiee": over + under,
        }


@dataclass
class VectorSums:
    """Sums for the drift of one model and lead time, with vectors as complex numbers.

    Attributes:
        count: number of observed vectors.
        sums: weight, squared error of the ensemble mean, speed, observed speed, product with the observed vector, and
            the squares of both.
    """

    count: int = 0
    sums: Array = field(default_factory=lambda: np.zeros(7, dtype=complex))

    def add(self, forecast: Array, observed: Array, areas: Array) -> None:
        """Add vectors.

        Args:
            forecast: (M, P) complex.
            observed: (P,) complex, in the same unit.
            areas: (P,) m2.
        """
        error = np.abs(forecast.mean(axis=0) - observed) ** 2
        speed, square = np.abs(forecast).mean(axis=0), (np.abs(forecast) ** 2).mean(axis=0)
        product = (forecast * observed.conj()).mean(axis=0)
        ones = np.ones(len(observed))
        parts = np.stack([ones, error, speed, np.abs(observed), product, square, np.abs(observed) ** 2])

        self.count += len(observed)
        self.sums += parts @ areas

    def scores(self) -> dict[str, int | float]:
        """Return errors of the vectors and of their length (unit of the vectors), angle and complex correlation."""
        error, speed, observed, product, square, observed_square = self.sums[1:] / self.sums[0]
        norm = np.sqrt(square.real * observed_square.real)

        return {
            "n": self.count,
            "vector_rmse": float(np.sqrt(error.real)),
            "length": float(speed.real),
            "observed_length": float(observed.real),
            "veering": float(np.degrees(np.angle(product))),
            "correlation": float(abs(product) / norm) if norm > 0 else float("nan"),
        }

"""Whether the ensemble knows where it is uncertain: error by spread.

Faces are sorted by the spread of the members into bins of equal area. In a reliable ensemble the RMSE of the mean in a
bin equals the root mean square spread there, times sqrt((M + 1) / M) (Leutbecher and Palmer 2008, doi
10.1016/j.jcp.2007.02.014): points on the diagonal. A flat curve says that the spread tells nothing about the error.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, tabulate
from gensim_graph.typing import Array

BINS = 10
_FINE, _LOW, _HIGH = 2048, -30.0, 14.0  # fine bins of log10 of the variance, which are put together in the end


def spread_error(models: Mapping[str, Verification], bins: int = BINS) -> pd.DataFrame:
    """Error by spread of models with several members.

    Returns:
        Columns model, variable, lead_hours, bin, share (of the area), spread and rmse (units of the variable); the
        spread is inflated for the finite ensemble.
    """
    return tabulate(models, SpreadErrorTally(bins))


class SpreadErrorTally(Tally):
    """Gathers :func:`spread_error`."""

    def __init__(self, bins: int = BINS) -> None:
        self._bins = bins
        self._sums: dict[tuple[str, str, float], Array] = {}
        self._members: dict[str, int] = {}

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None or step.matched.members < 2:
            return

        self._members[step.model] = step.matched.members
        for variable in step.matched.variables:
            deviation = step[variable.name] - step.truth[variable.name][0]
            key = (step.model, variable.name, step.hours)
            self._sums[key] = self._sums.get(key, 0.0) + fine_sums(deviation, step.matched.weights)

    def table(self) -> pd.DataFrame:
        """See :func:`spread_error`."""
        rows = []
        for (model, variable, hours), sums in self._sums.items():
            inflation = 1 + 1 / self._members[model]
            for number, (share, variance, squared) in enumerate(_put_together(sums, self._bins)):
                values = share / sums[0].sum(), np.sqrt(inflation * variance / share), np.sqrt(squared / share)
                rows.append((model, variable, hours, number, *values))

        return pd.DataFrame(rows, columns=["model", "variable", "lead_hours", "bin", "share", "spread", "rmse"])


def fine_sums(deviation: Array, weights: Array) -> Array:
    """Weight, weighted variance and squared error of the mean in fine bins of the variance: (M, F) -> (3, fine)."""
    variance = deviation.var(axis=0, ddof=1, dtype=np.float64)
    squared = deviation.mean(axis=0, dtype=np.float64) ** 2
    logarithm = np.log10(np.maximum(variance, 10.0**_LOW))
    place = np.clip((logarithm - _LOW) / (_HIGH - _LOW) * _FINE, 0, _FINE - 1).astype(np.int64)

    return np.stack(
        [np.bincount(place, part, minlength=_FINE) for part in (weights, weights * variance, weights * squared)]
    )


def _put_together(sums: Array, bins: int) -> list[Array]:
    """Neighbouring fine bins together, such that each has about an equal share; (3) sums of each."""
    middle = np.cumsum(sums[0]) - sums[0] / 2
    coarse = np.minimum((middle / max(sums[0].sum(), 1e-300) * bins).astype(np.int64), bins - 1)
    filled = np.unique(coarse[sums[0] > 0])
    return [sums[:, coarse == number].sum(axis=1) for number in filled]

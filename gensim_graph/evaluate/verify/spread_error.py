"""Error by spread: a test of whether the ensemble is wide where its error is large.

Faces are sorted by the spread of the members into bins of equal area. In a reliable ensemble the RMSE of the ensemble
mean in a bin equals the root mean square spread there, times sqrt((M + 1) / M) (Leutbecher and Palmer 2008, doi
10.1016/j.jcp.2007.02.014): the points lie on the diagonal. A flat curve means that the spread does not predict the
error.
"""

import numpy as np
import pandas as pd

from gensim_graph.evaluate.tally import Step, Tally
from gensim_graph.typing import Array

SPREAD_BINS = 10

# The range of the spread is not known before the end: faces are counted in many fine bins of log10 of the variance,
# which the table joins to bins of equal area.
_FINE_BINS = 2048
_LOWEST, _HIGHEST = -30.0, 14.0


class SpreadErrorTally(Tally):
    """Gather the error by spread of models with several members.

    Args:
        bins: number of bins of the table.
    """

    def __init__(self, bins: int = SPREAD_BINS) -> None:
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
        """Return one row per model, variable, lead time and bin.

        Returns:
            Columns model, variable, lead_hours, bin, share (of the area), spread and rmse (units of the variable); the
            spread is multiplied with sqrt((M + 1) / M), for the finite ensemble.
        """
        rows = []
        for (model, variable, hours), sums in self._sums.items():
            inflation = 1 + 1 / self._members[model]
            for number, (share, variance, squared_error) in enumerate(_join_bins(sums, self._bins)):
                spread = np.sqrt(inflation * variance / share)
                rmse = np.sqrt(squared_error / share)
                rows.append((model, variable, hours, number, share / sums[0].sum(), spread, rmse))

        return pd.DataFrame(rows, columns=["model", "variable", "lead_hours", "bin", "share", "spread", "rmse"])


def fine_sums(deviation: Array, weights: Array) -> Array:
    """Sum weight, weighted variance and weighted squared error of the ensemble mean in fine bins of the variance.

    Args:
        deviation: (M, F) members minus truth.
        weights: (F,).

    Returns:
        (3, fine bin).
    """
    variance = deviation.var(axis=0, ddof=1, dtype=np.float64)
    squared_error = deviation.mean(axis=0, dtype=np.float64) ** 2

    logarithm = np.log10(np.maximum(variance, 10.0**_LOWEST))
    position = (logarithm - _LOWEST) / (_HIGHEST - _LOWEST) * _FINE_BINS
    fine_bin = np.clip(position, 0, _FINE_BINS - 1).astype(np.int64)
    parts = (weights, weights * variance, weights * squared_error)

    return np.stack([np.bincount(fine_bin, part, minlength=_FINE_BINS) for part in parts])


def _join_bins(sums: Array, bins: int) -> list[Array]:
    """Join neighbouring fine bins to bins of about equal area; the three sums of each bin that is not empty."""
    total = sums[0].sum()
    middle = np.cumsum(sums[0]) - sums[0] / 2
    coarse = np.minimum((middle / max(total, 1e-300) * bins).astype(np.int64), bins - 1)
    filled = np.unique(coarse[sums[0] > 0])

    return [sums[:, coarse == number].sum(axis=1) for number in filled]

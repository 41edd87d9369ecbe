"""Rank histograms: the position of the truth among the members.

If truth and members are draws from the same distribution, every rank is equally likely, 1 / (M + 1) (Hamill 2001, doi
10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2). A U shape means that the ensemble is too narrow, a dome that it is too
wide, a slope that it is biased. Where some members equal the truth, as in full ice cover, the weight of the face is
divided evenly among the possible ranks; faces where all members equal the truth carry no information and are left out.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.tally import Step, Tally, tabulate
from gensim_graph.evaluate.verification import Verification
from gensim_graph.typing import Array


def rank_histogram(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Compute rank histograms, weighted with area, of models with several members.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.

    Returns:
        Columns model, variable, lead_hours, rank (0 where the truth is below all members, up to M), frequency (sum 1)
        and expected, 1 / (M + 1).

    Raises:
        InputError: a value is not finite.

    Example:
        Two members; the truth is below both on the first face, and above both on the second and third face:

        >>> import numpy as np, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import match_models, rank_histogram
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> truth = xr.Dataset({"sit": (("time", "face"), [[0.5, 3.0, 3.0], [0.5, 3.0, 3.0]])}, {"time": times})
        >>> forecast = xr.Dataset(
        ...     {"sit": (("member", "lead_time", "face"), [[[1.0, 1.0, 1.0]], [[2.0, 2.0, 2.0]]])},
        ...     {"lead_time": times[1:] - times[0], "valid_time": ("lead_time", times[1:])},
        ... )
        >>> models = match_models(forecast, truth, gg.default_variables(), areas=np.array([1e6, 1e6, 2e6]))
        >>> rank_histogram(models)[["rank", "frequency", "expected"]].round(3)
           rank  frequency  expected
        0     0       0.25     0.333
        1     1       0.00     0.333
        2     2       0.75     0.333
    """
    return tabulate(models, RankTally())


class RankTally(Tally):
    """Gather :func:`rank_histogram`."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, float], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None or step.matched.members < 2:
            return

        for variable in step.matched.variables:
            counts = rank_counts(step[variable.name], step.truth[variable.name][0], step.matched.weights)
            key = (step.model, variable.name, step.hours)
            self._counts[key] = self._counts.get(key, 0.0) + counts

    def table(self) -> pd.DataFrame:
        """Return the table of :func:`rank_histogram`."""
        rows = []
        for (model, variable, hours), counts in self._counts.items():
            total = counts.sum()
            for rank, count in enumerate(counts):
                frequency = count / total if total > 0 else np.nan
                rows.append((model, variable, hours, rank, frequency, 1 / len(counts)))

        return pd.DataFrame(rows, columns=["model", "variable", "lead_hours", "rank", "frequency", "expected"])


def rank_counts(ensemble: Array, truth: Array, weights: Array) -> Array:
    """Sum the weights of the faces by the rank of the truth.

    Args:
        ensemble: (M, F).
        truth: (F,).
        weights: (F,).

    Returns:
        (M + 1,).
    """
    members = len(ensemble)
    below, equal = (ensemble < truth).sum(axis=0), (ensemble == truth).sum(axis=0)

    informative = equal < members
    below, equal = below[informative], equal[informative]
    share = weights[informative] / (equal + 1)

    # A face adds its share to each of the ranks below .. below + equal: the running sum rises at the first of them
    # and falls after the last.
    rises = np.bincount(below, share, minlength=members + 2)
    falls = np.bincount(below + equal + 1, share, minlength=members + 2)
    counts = np.cumsum(rises - falls)[:-1]

    return np.maximum(counts, 0.0)  # rounding may leave a negative share

"""Where the truth stands among the members: rank histograms.

For an ensemble from the distribution of the truth every rank is equally likely, 1 / (M + 1) (Hamill 2001, doi
10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2). A U says that the ensemble is too narrow, a dome that it is too wide,
a slope that it is biased. Where members equal the truth, as in full ice cover, the ranks in question share the face;
faces where all members and the truth are equal say nothing and are left out.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, tabulate
from gensim_graph.typing import Array


def rank_histogram(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Rank histograms, weighted with area, of models with several members.

    Returns:
        Columns model, variable, lead_hours, rank (0 where the truth is below all members, up to M), frequency (sum 1)
        and expected, 1 / (M + 1).
    """
    return tabulate(models, RankTally())


class RankTally(Tally):
    """Gathers :func:`rank_histogram`."""

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
        """See :func:`rank_histogram`."""
        rows = []
        for (model, variable, hours), counts in self._counts.items():
            total = counts.sum()
            for rank, count in enumerate(counts):
                frequency = count / total if total > 0 else np.nan
                rows.append((model, variable, hours, rank, frequency, 1 / len(counts)))

        return pd.DataFrame(rows, columns=["model", "variable", "lead_hours", "rank", "frequency", "expected"])


def rank_counts(ensemble: Array, truth: Array, weights: Array) -> Array:
    """Weight of each rank of the truth: (M, F), (F), (F) -> (M + 1)."""
    members = len(ensemble)
    below, equal = (ensemble < truth).sum(axis=0), (ensemble == truth).sum(axis=0)
    tells = equal < members
    below, equal, share = below[tells], equal[tells], weights[tells] / (equal[tells] + 1)
    # A face adds its share to the ranks below .. below + equal: up by it at the first, down again after the last.
    up = np.bincount(below, share, minlength=members + 2)
    down = np.bincount(below + equal + 1, share, minlength=members + 2)

    return np.maximum(np.cumsum(up - down)[:-1], 0.0)  # rounding leaves no negative share

r"""Reliability of the forecast probability of ice, P(sic > 15 %), and its Brier score.

The forecast probability p is the share of members with ice; o is 1 where the truth has ice and 0 elsewhere. For each
value p_k that p takes, let w_k be the share of the area with this value and o_k the frequency of ice there. Then
(Murphy 1973, doi 10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2)

.. math:: BS = \sum_k w_k (p_k - o_k)^2 - \sum_k w_k (o_k - \bar o)^2 + \bar o (1 - \bar o)

is reliability (best: 0) minus resolution (best: equal to the uncertainty) plus uncertainty. The sum is exact because
every value of p is a bin of its own. The fair Brier score subtracts p (1 - p) / (M - 1), so that it does not punish
small ensembles (Ferro 2014, doi 10.1002/qj.2270). The Brier score times the area is the spatial probability score of
the ice edge (Goessling and Jung 2018, doi 10.1002/qj.3242).
"""

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import Sampling, choose_sampling, interval_ends, redraw
from gensim_graph.evaluate.tally import ICE_EDGE, Step, Tally
from gensim_graph.evaluate.verification import Verification
from gensim_graph.typing import Array


class ReliabilityTally(Tally):
    """Gather reliability diagrams and Brier scores of the presence of ice; both are empty without a concentration.

    Args:
        matched: the forecast beside the truth.
    """

    def __init__(self, matched: Verification) -> None:
        self._sampling = choose_sampling(matched)
        self._sums: dict[tuple[str, float], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None or not step.matched.has("sic"):
            return

        key, members = (step.model, step.hours), step.matched.members
        if key not in self._sums:
            self._sums[key] = np.zeros((2, members + 1, len(self._sampling.groups)))

        counts = (step["sic"] > ICE_EDGE).sum(axis=0)
        sums = ice_by_count(counts, step.ice, members, self._sampling)
        self._sampling.add(self._sums[key], step.start, sums)

    def table(self) -> pd.DataFrame:
        """Return the reliability diagrams: one row per model, lead time and forecast probability.

        Returns:
            Columns model, lead_hours, probability, observed (frequency of ice), low, high (ends of its interval) and
            share (of the area).
        """
        rows = []
        for (model, hours), sums in self._sums.items():
            weight, ice = sums.sum(axis=-1)
            drawn_weight, drawn_ice = np.moveaxis(redraw(sums, self._sampling), 1, 0)
            low, high = interval_ends(_frequency(drawn_weight, drawn_ice))

            for count in np.flatnonzero(weight):
                probability, observed = count / (len(weight) - 1), ice[count] / weight[count]
                share = weight[count] / weight.sum()
                rows.append((model, hours, probability, observed, low[count], high[count], share))

        return pd.DataFrame(rows, columns=["model", "lead_hours", "probability", "observed", "low", "high", "share"])

    def brier(self) -> pd.DataFrame:
        """Return the Brier scores: one row per model and lead time.

        Returns:
            Columns model, lead_hours, brier, reliability, resolution, uncertainty, fair_brier, and the ends brier_low
            and brier_high of the interval of the score.
        """
        rows = []
        for (model, hours), sums in self._sums.items():
            weight, ice = sums.sum(axis=-1)[:, None]
            parts = {name: float(value[0]) for name, value in brier_parts(weight, ice).items()}

            drawn_weight, drawn_ice = np.moveaxis(redraw(sums, self._sampling), 1, 0)
            low, high = interval_ends(brier_parts(drawn_weight, drawn_ice)["brier"])
            rows.append({"model": model, "lead_hours": hours, **parts, "brier_low": low, "brier_high": high})

        return pd.DataFrame(rows)


def ice_by_count(counts: Array, ice: Array, members: int, sampling: Sampling) -> Array:
    """Sum the area, and the area with ice in the truth, by the number of members with ice.

    Args:
        counts: (F,) number of members with ice.
        ice: (F,) True where the truth has ice.
        members: size of the ensemble, M.
        sampling: its parts are the blocks of the domain, or the whole domain.

    Returns:
        (2, M + 1, part) shares of the area of the domain.
    """
    parts = []
    for row in range(sampling.weights.shape[0]):
        begin, end = sampling.weights.indptr[row : row + 2]
        faces, shares = sampling.weights.indices[begin:end], sampling.weights.data[begin:end]
        both = (shares, shares * ice[faces])
        parts.append([np.bincount(counts[faces], part, minlength=members + 1) for part in both])

    return np.moveaxis(np.array(parts), 0, -1)


def brier_parts(weight: Array, ice: Array) -> dict[str, Array]:
    """Compute the Brier score, its parts, and the fair score.

    Args:
        weight: (draw, M + 1) area of each forecast probability.
        ice: (draw, M + 1) area of it with ice in the truth.

    Returns:
        Name -> (draw,).
    """
    members = weight.shape[-1] - 1
    probability = np.arange(members + 1) / members

    total = weight.sum(axis=-1)
    share, observed = weight / total[..., None], np.nan_to_num(_frequency(weight, ice))
    mean_observed = ice.sum(axis=-1) / total

    reliability = (share * (probability - observed) ** 2).sum(axis=-1)
    resolution = (share * (observed - mean_observed[..., None]) ** 2).sum(axis=-1)
    brier = (share * (probability**2 * (1 - observed) + (1 - probability) ** 2 * observed)).sum(axis=-1)
    small_ensemble = (share * probability * (1 - probability)).sum(axis=-1) / max(members - 1, 1)

    return {
        "brier": brier,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": mean_observed * (1 - mean_observed),
        "fair_brier": brier - small_ensemble,
    }


def _frequency(weight: Array, ice: Array) -> Array:
    """Share of the area that has ice; NaN without area."""
    return np.divide(ice, weight, out=np.full(np.shape(weight), np.nan), where=weight > 0)

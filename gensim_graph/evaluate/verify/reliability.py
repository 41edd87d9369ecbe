r"""Whether a probability of ice means what it says: reliability of P(sic > 15 %) and the Brier score.

The forecast probability p is the share of members with ice, o is 1 where the truth has ice. With the values p_k that it
takes, the share of area w_k that gets them and the frequency o_k of ice there (Murphy 1973, doi
10.1175/1520-0450(1973)012<0595:ANVPOT>2.0.CO;2),

.. math:: BS = \sum_k w_k (p_k - o_k)^2 - \sum_k w_k (o_k - \bar o)^2 + \bar o (1 - \bar o)

is reliability (0 is best) minus resolution (as large as the uncertainty at best) plus uncertainty, exactly, as every
value is a bin of its own. The fair Brier score takes p (1 - p) / (M - 1) off: it does not punish small ensembles
(Ferro 2014, doi 10.1002/qj.2270). The Brier score times the area is the spatial probability score of the ice edge
(Goessling and Jung 2018, doi 10.1002/qj.3242).
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import Sampling, choose_sampling, ends, redraw
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import ICE_EDGE, Step, Tally, take_stock
from gensim_graph.typing import Array


def reliability(models: Mapping[str, Verification]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reliability diagrams and Brier scores of the presence of ice.

    Returns:
        Reliability: columns model, lead_hours, probability, observed (frequency of ice), low, high (its interval) and
        share (of the area). Brier: columns model, lead_hours, brier, reliability, resolution, uncertainty, fair_brier,
        brier_low, brier_high. Both are empty where there is no concentration.
    """
    tally = ReliabilityTally(next(iter(models.values())))
    take_stock(models, [tally])
    return tally.table(), tally.brier()


class ReliabilityTally(Tally):
    """Gathers :func:`reliability`."""

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
        """Reliability, see :func:`reliability`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            weight, ice = sums.sum(axis=-1)
            low, high = ends(_frequency(*np.moveaxis(redraw(sums, self._sampling), 1, 0)))
            for count in np.flatnonzero(weight):
                place = count / (len(weight) - 1), ice[count] / weight[count], low[count], high[count]
                rows.append((model, hours, *place, weight[count] / weight.sum()))

        return pd.DataFrame(rows, columns=["model", "lead_hours", "probability", "observed", "low", "high", "share"])

    def brier(self) -> pd.DataFrame:
        """Brier scores, see :func:`reliability`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            parts = {name: float(value[0]) for name, value in brier_parts(*sums.sum(axis=-1)[:, None]).items()}
            drawn = np.moveaxis(redraw(sums, self._sampling), 1, 0)
            low, high = ends(brier_parts(*drawn)["brier"])
            rows.append({"model": model, "lead_hours": hours, **parts, "brier_low": low, "brier_high": high})

        return pd.DataFrame(rows)


def ice_by_count(counts: Array, ice: Array, members: int, sampling: Sampling) -> Array:
    """Area share, and of it what has ice in the truth, by the number of members with ice: (2, M + 1, parts)."""
    parts = []
    for row in range(sampling.weights.shape[0]):
        begin, end = sampling.weights.indptr[row : row + 2]
        faces, shares = sampling.weights.indices[begin:end], sampling.weights.data[begin:end]
        both = (shares, shares * ice[faces])
        parts.append([np.bincount(counts[faces], part, minlength=members + 1) for part in both])

    return np.moveaxis(np.array(parts), 0, -1)


def brier_parts(weight: Array, ice: Array) -> dict[str, Array]:
    """Brier score and its parts from the area, and the area with ice, of each forecast probability: (draw, M + 1)."""
    members = weight.shape[-1] - 1
    probability = np.arange(members + 1) / members
    total = weight.sum(axis=-1)
    share, observed = weight / total[..., None], np.nan_to_num(_frequency(weight, ice))
    base = ice.sum(axis=-1) / total
    reliability = (share * (probability - observed) ** 2).sum(axis=-1)
    resolution = (share * (observed - base[..., None]) ** 2).sum(axis=-1)
    brier = (share * (probability**2 * (1 - observed) + (1 - probability) ** 2 * observed)).sum(axis=-1)
    own = (share * probability * (1 - probability)).sum(axis=-1) / max(members - 1, 1)

    return {
        "brier": brier,
        "reliability": reliability,
        "resolution": resolution,
        "uncertainty": base * (1 - base),
        "fair_brier": brier - own,
    }


def _frequency(weight: Array, ice: Array) -> Array:
    return np.divide(ice, weight, out=np.full(np.shape(weight), np.nan), where=weight > 0)

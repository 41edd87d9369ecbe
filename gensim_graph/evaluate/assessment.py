"""Everything that is said of a forecast, in one pass over it: scores, calibration, ice, drift and physics.

Each field is read once, two lead times at a time; whatever the forecast lacks, such as a drift or the state at its
start, leaves a table empty.
"""

from collections.abc import Callable, Mapping

import pandas as pd
import xarray as xr

from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.physics import (
    BudgetTally,
    DeformationTally,
    EventTally,
    IntermittencyTally,
    ScalingTally,
    SpectrumTally,
    StructureTally,
)
from gensim_graph.evaluate.tally import take_stock
from gensim_graph.evaluate.verify import (
    BuoyTally,
    DriftTally,
    IceTally,
    MomentTally,
    RankTally,
    ReliabilityTally,
    SpreadErrorTally,
    score_table,
)

TABLES = {
    "scores": "scores per variable and lead time",
    "ranks": "rank histograms",
    "spread_error": "error by spread",
    "reliability": "reliability of the probability of ice",
    "brier": "Brier score of the probability of ice",
    "ice": "extent, area and volume of the ice, and its edge",
    "drift": "speed and direction of the drift",
    "buoys": "virtual buoys",
    "deformation": "statistics of the total deformation",
    "distribution": "distribution of the deformation rates",
    "scaling": "scaling of the deformation in space",
    "intermittency": "scaling of the deformation in time",
    "structure": "structure functions",
    "spectra": "power spectra, on grids",
    "events": "opening, ridging and healing",
    "budget": "volume budget",
}
"""Name -> what it holds."""


def assess(
    models: Mapping[str, Verification],
    climatology: xr.Dataset | None = None,
    on_lead: Callable[[], object] | None = None,
) -> dict[str, pd.DataFrame]:
    """All tables of an evaluation.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times; see
            :func:`~gensim_graph.evaluate.matching.match_models`.
        climatology: what anomalies are departures from, see :func:`~gensim_graph.evaluate.verify.scores.evaluate`.
        on_lead: called after every lead time of every start, for a progress bar.

    Returns:
        The tables named in ``TABLES``, each as the function of its module gives it.

    Raises:
        InputError: values that are not finite.
    """
    first = next(iter(models.values()))
    moments, reliability, deformation = MomentTally(models, climatology), ReliabilityTally(first), DeformationTally()
    others = {
        "ranks": RankTally(),
        "spread_error": SpreadErrorTally(),
        "reliability": reliability,
        "ice": IceTally(first),
        "drift": DriftTally(first),
        "buoys": BuoyTally(first),
        "deformation": deformation,
        "scaling": ScalingTally(),
        "intermittency": IntermittencyTally(),
        "structure": StructureTally(first),
        "spectra": SpectrumTally(first),
        "events": EventTally(first),
        "budget": BudgetTally(first),
    }
    take_stock(models, [moments, *others.values()], on_lead)
    tables = {name: tally.table() for name, tally in others.items()}
    tables |= {"scores": score_table(moments.moments()), "brier": reliability.brier()}
    tables["distribution"] = deformation.distribution()

    return {name: tables[name] for name in TABLES}

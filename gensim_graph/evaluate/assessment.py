"""All tables of an evaluation in one pass over the forecast: scores, calibration, ice, drift and physics.

``TABLES`` lists the tables and :func:`assess` computes them. If the forecast lacks what a table needs, such as the
drift or the state at its start, that table stays empty.
"""

from collections.abc import Callable, Mapping

import pandas as pd
import xarray as xr

from gensim_graph.evaluate.physics import (
    BudgetTally,
    DeformationTally,
    EventTally,
    IntermittencyTally,
    ScalingTally,
    SpectrumTally,
    StructureTally,
)
from gensim_graph.evaluate.tally import run_tallies
from gensim_graph.evaluate.verification import Verification
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
"""Name of a table -> its contents."""


def assess(
    models: Mapping[str, Verification],
    climatology: xr.Dataset | None = None,
    on_lead: Callable[[], object] | None = None,
) -> dict[str, pd.DataFrame]:
    """Compute all tables of an evaluation.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times; see
            :func:`~gensim_graph.evaluate.matching.match_models`.
        climatology: reference of the anomalies, see :func:`~gensim_graph.evaluate.verify.scores.evaluate`.
        on_lead: called after every lead time of every start, for a progress bar.

    Returns:
        Name in ``TABLES`` -> table; its columns are described in the tally of the table.

    Raises:
        InputError: a value is not finite.

    Example:
        Extent of the ice, and the tables that are not empty, for a forecast of the concentration alone:

        >>> import numpy as np, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import assess, match_models, persistence
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> truth = xr.Dataset({"sic": (("time", "face"), [[1.0, 0.9, 0.0], [1.0, 0.0, 0.0]])}, {"time": times})
        >>> forecast = persistence(truth.isel(time=0), [np.timedelta64(12, "h")])
        >>> models = match_models(forecast, truth, gg.default_variables(), areas=np.array([4e6, 2e6, 1e6]))
        >>> tables = assess(models)
        >>> tables["ice"][["model", "lead_hours", "extent", "overestimate"]]
              model  lead_hours  extent  overestimate
        0     truth        12.0     4.0           NaN
        1  forecast        12.0     6.0           2.0
        >>> [name for name, table in tables.items() if not table.empty]
        ['scores', 'reliability', 'brier', 'ice']
    """
    first = next(iter(models.values()))
    moments = MomentTally(models, climatology)
    reliability = ReliabilityTally(first)
    deformation = DeformationTally()

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
    run_tallies(models, [moments, *others.values()], on_lead)

    tables = {name: tally.table() for name, tally in others.items()}
    tables["scores"] = score_table(moments.moments())
    tables["brier"] = reliability.brier()
    tables["distribution"] = deformation.distribution()

    return {name: tables[name] for name in TABLES}

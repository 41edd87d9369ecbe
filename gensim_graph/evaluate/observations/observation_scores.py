"""Scores of a forecast against observations, per product, variable and lead time.

The forecast is first brought to what the product sees: in space
(:class:`~gensim_graph.evaluate.observations.footprint.Footprint`) and in time
(:func:`~gensim_graph.evaluate.observations.forecast_fields.weigh_leads`). Then, with means over the observed places
weighted with their areas, x the ensemble mean, y the observation, v the variance of the M members and e the standard
deviation of the error of the product:

====================== ==========================================================================================
n                      number of places, over all records and starts
rmse, bias, mae        of x - y
crps                   fair continuous ranked probability score (Ferro 2014); equal to mae for one member
spread                 sqrt(mean v); NaN for one member
observation_error      sqrt(mean e^2); NaN if the product does not give it
spread_error           sqrt((M + 1) / M mean v + mean e^2) / rmse: one if the ensemble and the error of the product
                       explain the error; e is taken as 0 where the product does not give it
====================== ==========================================================================================

Displacements are scored as ``drift_x`` and ``drift_y``, km along the axes of the mesh; the table ``observed_drift`` has
the scores of the vectors, ``observed_edge`` those of the ice edge, ``observed_sources`` the values of each product that
were used and left out.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.observations.comparison import Comparison
from gensim_graph.evaluate.observations.forecast_fields import ForecastFields
from gensim_graph.evaluate.observations.observed import ObservedProduct

log = logging.getLogger(__name__)

OBSERVATION_TABLES = {
    "observations": "scores against observations",
    "observed_edge": "ice edge against observations",
    "observed_drift": "drift vectors against observations",
    "observed_sources": "observed values that were used and left out",
}
"""Name of a table -> its contents."""

_KEYS = ["source", "model", "variable", "lead_hours"]


@dataclass
class _Rows:
    """Rows of the tables so far."""

    tables: dict[str, list[dict]] = field(default_factory=lambda: {name: [] for name in OBSERVATION_TABLES})

    def add(self, name: str, key: tuple, scores: Mapping[str, int | float]) -> None:
        self.tables[name].append(dict(zip(_KEYS, key, strict=True)) | dict(scores))


def score_observations(
    forecast: xr.Dataset, observations: Sequence[ObservedProduct], baselines: Mapping[str, xr.Dataset] | None = None
) -> dict[str, pd.DataFrame]:
    """Score a forecast, and baselines beside it, against observations.

    One line per product in the log says what was compared and what was left out.

    Args:
        forecast: dims ([start], [member], lead_time, face), with its mesh.
        observations: as :func:`~gensim_graph.evaluate.open_observations` returns them.
        baselines: name -> forecast. ``persistence`` of the initial state is added, if the forecast contains that state
            (a lead time of zero) and no baseline has this name.

    Returns:
        Name in :data:`OBSERVATION_TABLES` -> table. The scores are defined in
        :mod:`~gensim_graph.evaluate.observations.observation_scores`.

    Raises:
        InputError: no observed value can be compared, or a value of the forecast is not finite.

    Example:
        A concentration that is 0.1 too large, observed at 12 h in all cells but one:

        >>> import numpy as np, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import open_observations, score_observations
        >>> mesh = gg.Mesh.from_grid(np.arange(3) * 1e4, np.arange(2) * 1e4)
        >>> start, lead = np.datetime64("2020-01-01", "ns"), np.array([12], "timedelta64[h]").astype("timedelta64[ns]")
        >>> times = {"lead_time": lead, "valid_time": ("lead_time", start + lead)}
        >>> field = xr.Dataset({"sic": (("lead_time", "face"), np.full((1, 6), 0.9))}, times)
        >>> forecast = gg.io.mesh_to_dataset(mesh).merge(field)
        >>> seen = np.full((1, 2, 3), 80.0)
        >>> seen[0, 0, 0] = np.nan
        >>> km = {"units": "km"}
        >>> axes = {"time": start + lead, "y": ("y", [0.0, 10.0], km), "x": ("x", [0.0, 10.0, 20.0], km)}
        >>> product = xr.Dataset({"ice_conc": (("time", "y", "x"), seen, {"units": "%"})}, axes)
        >>> scores = score_observations(forecast, open_observations(product, forecast))["observations"]
        >>> scores[["variable", "lead_hours", "n", "rmse", "bias"]].round(3)
          variable  lead_hours  n  rmse  bias
        0      sic        12.0  5   0.1   0.1
    """
    models = _models(forecast, baselines or {})
    rows = _Rows()

    for product in observations:
        comparison = Comparison(product, models)
        comparison.run()
        log.warning("%s", comparison.line())
        for (model, variable, hours), sums in comparison.scores.items():
            rows.add("observations", (product.name, model, variable, hours), sums.scores())
        for (model, hours), edge in comparison.edges.items():
            rows.add("observed_edge", (product.name, model, "sic", hours), edge.scores())
        for (model, hours), vectors in comparison.vectors.items():
            rows.add("observed_drift", (product.name, model, comparison.vector_unit, hours), vectors.scores())
        rows.tables["observed_sources"] += comparison.sources()

    tables = {name: pd.DataFrame(found) for name, found in rows.tables.items()}
    tables["observed_drift"] = tables["observed_drift"].rename(columns={"variable": "units"})
    if tables["observations"].empty:
        raise InputError(_nothing_left(tables["observed_sources"]))

    return {name: _sorted(table) for name, table in tables.items()}


def _models(forecast: xr.Dataset, baselines: Mapping[str, xr.Dataset]) -> dict[str, ForecastFields]:
    own = ForecastFields(forecast)
    models = {"forecast": own}
    others = dict(baselines)
    still = own.initial()

    if "persistence" not in others and still is not None:
        others = {"persistence": still, **others}
    for name, dataset in others.items():
        if name in ("forecast", "truth"):
            raise InputError(f"a baseline must not be called '{name}'; give it another name")
        models[name] = ForecastFields(dataset, f"baseline '{name}'", own.mesh)

    return models


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Lead times in order; sources, models and variables as they first appear."""
    if "lead_hours" not in table:
        return table

    keys = [key for key in _KEYS if key in table and key != "lead_hours"]
    order = table[keys].apply(lambda column: column.map({one: rank for rank, one in enumerate(column.unique())}))
    return table.loc[order.assign(lead_hours=table["lead_hours"]).sort_values([*keys, "lead_hours"]).index].reset_index(
        drop=True
    )


def _nothing_left(sources: pd.DataFrame) -> str:
    rows = [
        f"{row['source']}: '{row['variable']}' has no value that can be compared; left out: {row['left_out'] or 'none'}"
        for row in sources.to_dict("records")
    ]
    return "; ".join(rows) or "there are no observations to compare with"

"""Scores of an ensemble forecast against the truth, weighted with the areas of the faces.

For one variable and lead time, with members x_m, ensemble mean x, truth y, weights w (areas, sum 1), and averages over
the starts taken of the squares and products, before roots and ratios:

======================= =========================================================================================
rmse                    sqrt(mean w (x - y)^2)
bias, mae               mean w (x - y), mean w |x - y|
crps                    fair continuous ranked probability score (Ferro 2014, doi 10.1002/qj.2270): unbiased in the
                        number of members; equals mae for one member
spread                  sqrt(mean w var), var the unbiased variance over the members; NaN for one member
spread_skill            sqrt((M + 1) / M) spread / rmse (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1): one where
                        truth and members are draws from one distribution
acc                     anomaly correlation, sum w (x - c)(y - c) / sqrt(sum w (x - c)^2 sum w (y - c)^2) with the
                        climate c: a given one, or else the mean of the truth over its times
out_of_bounds           share of values beyond the bounds of the variable table, without tolerance
n                       truth values that went in: starts times faces
======================= =========================================================================================

With the ending ``_ice`` over faces where the truth has a concentration above 15 %: drift in open water says nothing
about ice. With the endings ``_low`` and ``_high`` the ends of a bootstrap interval that holds 90 %; ``interval_over``
says of what, see :mod:`~gensim_graph.evaluate.bootstrap`.
"""

import json
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.bootstrap import draw_weights, interval
from gensim_graph.evaluate.matching import match_models
from gensim_graph.evaluate.verify.moments import MOMENTS, score_moments
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array, Path
from gensim_graph.variables import VariableTable, default_variables

SCORES = ("rmse", "bias", "mae", "crps", "spread", "spread_skill", "acc")
ON_ICE = ("rmse", "bias", "crps", "spread_skill", "acc")
WITH_INTERVAL = ("rmse", "bias", "mae", "crps", "spread_skill", "acc")
RATIO = ("rmse_ratio", "rmse_ratio_low", "rmse_ratio_high")
SCORE_COLUMNS = (
    *("model", "variable", "lead_hours", "rmse", "bias", "mae", "crps", "spread", "spread_skill", "out_of_bounds", "n"),
    *("acc", *(f"{name}_ice" for name in ON_ICE)),
    *(f"{name}_{end}" for name in WITH_INTERVAL for end in ("low", "high")),
    *RATIO,
    "interval_over",
)


def evaluate(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    areas: Array | None = None,
    baselines: Mapping[str, xr.Dataset] | None = None,
    variables: VariableTable | None = None,
    climatology: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Score a forecast, and baselines beside it, per state variable and lead time.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``; a lead time of zero is left out.
        truth: dims (time, face); it must hold every valid time. Velocities may be on nodes, then they are averaged
            to the faces.
        areas: (face) m2; taken from the mesh in the datasets when not given.
        baselines: name -> forecast with the same valid times.
        variables: which variables are state, and their bounds; the table that ships when not given.
        climatology: what anomalies are departures from, (face) or (month, face); the mean of the truth over its times
            when not given.

    Returns:
        One row a model (``forecast`` or the name of the baseline), variable and lead time, columns ``SCORE_COLUMNS``;
        rmse, bias, mae, crps and spread in the units of the variable. ``rmse_ratio`` is over the RMSE of the baseline
        ``persistence``, where there is one.

    Raises:
        InputError: what does not fit together, and values that are not finite; the message names the variable.
    """
    models = match_models(forecast, truth, variables or default_variables(), areas, baselines)
    return score_table(score_moments(models, climatology))


def score_table(moments: xr.Dataset, reference: str = "persistence") -> pd.DataFrame:
    """Scores of moments (:func:`~gensim_graph.evaluate.verify.moments.score_moments`), as :func:`evaluate` gives them."""
    sums, members = moments[[*MOMENTS]], moments["members"]
    scores = scores_of(sums.sum("case", skipna=False), members)
    table = {name: scores[name].sel(where="all", drop=True) for name in SCORES}
    table |= {f"{name}_ice": scores[name].sel(where="ice", drop=True) for name in ON_ICE}
    table |= {"out_of_bounds": moments["outside"], "n": moments["starts"] * moments.attrs["faces"]}
    table |= _ratio(scores["rmse"].sel(where="all", drop=True), reference, "rmse_ratio")

    ends = [
        _intervals(sums.sel(variable=[name], where="all").drop_vars("where"), moments, reference)
        for name in sums["variable"].values
    ]
    table |= {str(name): column for name, column in xr.concat(ends, "variable").data_vars.items()}
    frame = xr.Dataset(table).to_dataframe(["model", "variable", "lead_hours"])

    return frame.reset_index().assign(interval_over=moments.attrs["over"])[[*SCORE_COLUMNS]]


def scores_of(sums: xr.Dataset, members: xr.DataArray) -> xr.Dataset:
    """Scores of sums of moments, whatever else their dimensions are."""
    mean = sums / sums["weight"].where(sums["weight"] > 0)  # there may be no ice
    rmse, spread = mean["squared"] ** 0.5, mean["variance"] ** 0.5
    inflated = ((members + 1) / members) ** 0.5 * spread
    norm = (mean["forecast_square"] * mean["truth_square"]) ** 0.5

    return xr.Dataset(
        {
            "rmse": rmse,
            "bias": mean["bias"],
            "mae": mean["mae"],
            "crps": mean["crps"],
            "spread": spread,
            "spread_skill": (inflated / rmse).where(rmse > 0),
            "acc": (mean["product"] / norm).where(norm > 0),
        }
    )


def _intervals(sums: xr.Dataset, moments: xr.Dataset, reference: str) -> xr.Dataset:
    """Ends of the intervals of one variable; of the ratio, the same cases are drawn from both."""
    groups = moments["group"].values
    if moments.attrs["over"] == "not sampled":
        replicates = scores_of(sums.sum("case", skipna=False), moments["members"]).expand_dims("draw") * np.nan
    else:
        weights = draw_weights(groups)
        drawn = xr.Dataset({name: xr.dot(weights, sums[name], dim="case") for name in MOMENTS})
        replicates = scores_of(drawn, moments["members"])

    fields = {name: replicates[name] for name in WITH_INTERVAL} | _ratio(replicates["rmse"], reference, "rmse_ratio")
    ends = {name: interval(field) for name, field in fields.items()}
    names = {f"{name}_{end}": (name, number) for name in ends for number, end in enumerate(("low", "high"))}

    return xr.Dataset({name: ends[source].isel(end=number) for name, (source, number) in names.items()})


def _ratio(rmse: xr.DataArray, reference: str, name: str) -> dict[str, xr.DataArray]:
    """RMSE over that of the reference; NaN where it makes no error, or is not there."""
    if reference not in rmse["model"].values:
        return {name: xr.full_like(rmse, np.nan)}
    base = rmse.sel(model=reference, drop=True)
    return {name: rmse / base.where(base > 0)}


def skill_table(scores: pd.DataFrame, reference: str = "persistence") -> pd.DataFrame:
    """RMSE over that of a reference: below one is better than it.

    NaN where the reference makes no error, as where the truth does not change.

    Args:
        scores: what :func:`evaluate` returns.
        reference: name of the model to divide by.

    Returns:
        Columns model, variable, lead_hours, rmse_ratio; the reference itself is left out.

    Raises:
        InputError: the reference was not scored.
    """
    if reference not in set(scores["model"]):
        raise InputError(
            f"no scores of '{reference}' to compare with; evaluate(..., baselines={{'{reference}': ...}}) adds them"
        )

    key = ["variable", "lead_hours"]
    base = scores[scores["model"] == reference].set_index(key)["rmse"]
    others = scores[scores["model"] != reference]
    divisor = base.reindex(pd.MultiIndex.from_frame(others[key])).to_numpy()
    ratio = np.divide(others["rmse"].to_numpy(), divisor, out=np.full(len(others), np.nan), where=divisor > 0)

    return others[["model", *key]].assign(rmse_ratio=ratio).reset_index(drop=True)


def write_scores(scores: pd.DataFrame, folder: Path) -> tuple[FilePath, FilePath]:
    """Write ``scores.json`` (a list of rows, null where there is no value) and ``scores.csv`` into a folder.

    Each file is written beside its place and then moved there.

    Returns:
        The two paths.
    """
    folder = FilePath(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{key: _jsonable(value) for key, value in row.items()} for row in scores.to_dict("records")]
    texts = {"scores.json": json.dumps(rows, indent=1) + "\n", "scores.csv": scores.to_csv(index=False)}
    for name, text in texts.items():
        write_atomically(folder / name, partial(FilePath.write_text, data=text, encoding="utf-8"))

    return folder / "scores.json", folder / "scores.csv"


def _jsonable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

"""Scores of an ensemble forecast against the truth, weighted with the areas of the faces.

Notation, for one variable and one lead time: members x_m, ensemble mean x, truth y, weights w (areas, sum 1). Squares
and products are averaged over the starts before roots and ratios are taken.

======================= =========================================================================================
rmse                    sqrt(mean w (x - y)^2)
bias, mae               mean w (x - y), mean w |x - y|
crps                    fair continuous ranked probability score (Ferro 2014, doi 10.1002/qj.2270): unbiased in the
                        number of members; equals mae for one member
spread                  sqrt(mean w var), var the unbiased variance over the members; NaN for one member
spread_skill            sqrt((M + 1) / M) spread / rmse (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1): one if
                        truth and members are draws from the same distribution
acc                     anomaly correlation, sum w (x - c)(y - c) / sqrt(sum w (x - c)^2 sum w (y - c)^2) with a
                        given climatology c, by default the mean of the truth over its times
out_of_bounds           share of values beyond the bounds of the variable table, without tolerance
n                       number of truth values: starts times faces
======================= =========================================================================================

Columns that end in ``_ice`` are over faces where the truth has a concentration above 15 %, because the drift in open
water tells nothing about the ice. Columns that end in ``_low`` and ``_high`` are the ends of a bootstrap interval of
90 %; ``interval_over`` names what the bootstrap draws, see :mod:`~gensim_graph.evaluate.bootstrap`.

Reading order: :mod:`~gensim_graph.evaluate.verify.moments` gathers the sums; :func:`score_table` turns them into
scores; :func:`evaluate` does both.
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
from gensim_graph.evaluate.scored_variables import scored_table
from gensim_graph.evaluate.verify.moments import MOMENTS, score_moments
from gensim_graph.system import write_atomically
from gensim_graph.typing import Array, Path
from gensim_graph.variables import VariableTable

SCORES = ("rmse", "bias", "mae", "crps", "spread", "spread_skill", "acc")
SCORES_ON_ICE = ("rmse", "bias", "crps", "spread_skill", "acc")
SCORES_WITH_INTERVAL = ("rmse", "bias", "mae", "crps", "spread_skill", "acc")

_COLUMNS = (
    *("model", "variable", "lead_hours", "rmse", "bias", "mae", "crps", "spread", "spread_skill", "out_of_bounds", "n"),
    *("acc", *(f"{name}_ice" for name in SCORES_ON_ICE)),
    *(f"{name}_{end}" for name in SCORES_WITH_INTERVAL for end in ("low", "high")),
    *("rmse_ratio", "rmse_ratio_low", "rmse_ratio_high", "interval_over"),
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
        truth: dims (time, face); it must contain every valid time. Velocities may be at nodes; they are averaged to
            the faces.
        areas: (face,) m2; by default from the mesh in the datasets.
        baselines: name -> forecast with the same valid times.
        variables: table of the state variables and their bounds; by default the one that ships, with the further
            variables of the forecast (:func:`~gensim_graph.evaluate.scored_variables.scored_table`).
        climatology: reference of the anomalies, (face) or (month, face); by default the mean of the truth over its
            times.

    Returns:
        One row per model (``forecast`` or the name of the baseline), variable and lead time. Columns model, variable,
        lead_hours; rmse, bias, mae, crps, spread (units of the variable); spread_skill, out_of_bounds, n, acc; some of
        them again with the ending ``_ice`` (over ice only) or ``_low`` and ``_high`` (bootstrap interval of 90 %); and
        rmse_ratio, the RMSE over that of the baseline ``persistence``, NaN without this baseline. The scores are
        defined in :mod:`~gensim_graph.evaluate.verify.scores`.

    Raises:
        InputError: the datasets do not fit together, or a value is not finite; the message names the variable.

    Example:
        A forecast of the thickness with two members, beside persistence, on a mesh of two faces:

        >>> import numpy as np, xarray as xr
        >>> from gensim_graph.evaluate import evaluate, persistence
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> truth = xr.Dataset({"sit": (("time", "face"), [[1.0, 1.0], [2.0, 3.0]])}, {"time": times})
        >>> still = persistence(truth.isel(time=0), [np.timedelta64(12, "h")])
        >>> forecast = xr.Dataset(
        ...     {"sit": (("member", "lead_time", "face"), [[[1.0, 2.0]], [[2.0, 3.0]]])},
        ...     {"lead_time": times[1:] - times[0], "valid_time": ("lead_time", times[1:])},
        ... )
        >>> scores = evaluate(forecast, truth, np.array([3e6, 1e6]), {"persistence": still})
        >>> scores[["model", "variable", "lead_hours", "rmse", "bias", "crps", "rmse_ratio"]].round(3)
                 model variable  lead_hours   rmse  bias  crps  rmse_ratio
        0     forecast      sit        12.0  0.500 -0.50  0.00       0.378
        1  persistence      sit        12.0  1.323 -1.25  1.25       1.000
    """
    models = match_models(forecast, truth, scored_table(forecast, variables), areas, baselines)
    return score_table(score_moments(models, climatology))


def score_table(moments: xr.Dataset, reference: str = "persistence") -> pd.DataFrame:
    """Compute the table of :func:`evaluate` from moments.

    Args:
        moments: as :func:`~gensim_graph.evaluate.verify.moments.score_moments` returns them.
        reference: name of the model whose RMSE is the denominator of ``rmse_ratio``.
    """
    sums = moments[[*MOMENTS]]
    scores = scores_from_sums(sums.sum("case", skipna=False), moments["members"])
    everywhere, on_ice = (scores.sel(where=region, drop=True) for region in ("all", "ice"))

    table = {name: everywhere[name] for name in SCORES}
    table |= {f"{name}_ice": on_ice[name] for name in SCORES_ON_ICE}
    table["out_of_bounds"] = moments["outside"]
    table["n"] = moments["starts"] * moments.attrs["faces"]
    table["rmse_ratio"] = _rmse_ratio(everywhere["rmse"], reference)

    # One variable at a time: the draws of all variables at once would need much more memory.
    intervals = [
        _intervals(sums.sel(variable=[name], where="all").drop_vars("where"), moments, reference)
        for name in sums["variable"].values
    ]
    table |= {str(name): column for name, column in xr.concat(intervals, "variable").data_vars.items()}
    frame = xr.Dataset(table).to_dataframe(["model", "variable", "lead_hours"])

    return frame.reset_index().assign(interval_over=moments.attrs["over"])[[*_COLUMNS]]


def scores_from_sums(sums: xr.Dataset, members: xr.DataArray) -> xr.Dataset:
    """Compute the scores from sums of moments over cases.

    Args:
        sums: variables ``MOMENTS`` of any dimensions, among them ``model``.
        members: (model) number of members.
    """
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
    """Ends of the intervals of one variable; each draw takes the same cases of all models, also for the ratio."""
    if moments.attrs["over"] == "not sampled":
        scores = scores_from_sums(sums.sum("case", skipna=False), moments["members"])
        replicates = scores.expand_dims("draw") * np.nan
    else:
        weights = draw_weights(moments["group"].values)
        drawn = xr.Dataset({name: xr.dot(weights, sums[name], dim="case") for name in MOMENTS})
        replicates = scores_from_sums(drawn, moments["members"])

    fields = {name: replicates[name] for name in SCORES_WITH_INTERVAL}
    fields["rmse_ratio"] = _rmse_ratio(replicates["rmse"], reference)
    columns = {}

    for name, field in fields.items():
        ends = interval(field)
        columns[f"{name}_low"] = ends.isel(end=0)
        columns[f"{name}_high"] = ends.isel(end=1)

    return xr.Dataset(columns)


def _rmse_ratio(rmse: xr.DataArray, reference: str) -> xr.DataArray:
    """RMSE over that of the reference; NaN if the reference makes no error or is not there."""
    if reference not in rmse["model"].values:
        return xr.full_like(rmse, np.nan)
    base = rmse.sel(model=reference, drop=True)
    return rmse / base.where(base > 0)


def skill_table(scores: pd.DataFrame, reference: str = "persistence") -> pd.DataFrame:
    """Divide the RMSE of each model by that of a reference; below one, the model is better than the reference.

    Args:
        scores: table of :func:`evaluate`.
        reference: name of the model to divide by.

    Returns:
        Columns model, variable, lead_hours, rmse_ratio; the reference itself is left out. The ratio is NaN where the
        reference makes no error, for instance because the truth does not change.

    Raises:
        InputError: the reference was not scored.

    Example:
        >>> import pandas as pd
        >>> from gensim_graph.evaluate import skill_table
        >>> scores = pd.DataFrame(
        ...     {
        ...         "model": ["forecast", "forecast", "persistence", "persistence"],
        ...         "variable": "sit",
        ...         "lead_hours": [12.0, 24.0, 12.0, 24.0],
        ...         "rmse": [0.1, 0.15, 0.2, 0.6],
        ...     }
        ... )
        >>> skill_table(scores)
              model variable  lead_hours  rmse_ratio
        0  forecast      sit        12.0        0.50
        1  forecast      sit        24.0        0.25
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
    """Write ``scores.json`` (a list of rows, null for a missing value) and ``scores.csv`` into a folder.

    Each file is written beside its final place and then moved there.

    Args:
        scores: table of :func:`evaluate`.
        folder: it is created if it does not exist.

    Returns:
        Paths of the JSON and of the CSV file.
    """
    folder = FilePath(folder)
    folder.mkdir(parents=True, exist_ok=True)

    rows = [{key: _json_value(value) for key, value in row.items()} for row in scores.to_dict("records")]
    texts = {"scores.json": json.dumps(rows, indent=1) + "\n", "scores.csv": scores.to_csv(index=False)}
    for name, text in texts.items():
        write_atomically(folder / name, partial(FilePath.write_text, data=text, encoding="utf-8"))

    return folder / "scores.json", folder / "scores.csv"


def _json_value(value: Any) -> Any:
    """None for NaN and infinity, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value

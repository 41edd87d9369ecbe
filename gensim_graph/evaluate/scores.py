"""Scores of an ensemble forecast against the truth, weighted with the areas of the faces.

For one variable and lead time, with members x_m, ensemble mean x, truth y, weights w (areas, sum 1), and averages over
the starts taken of the squares, before the root:

======================= =========================================================================================
rmse                    sqrt(mean w (x - y)^2)
bias, mae               mean w (x - y), mean w |x - y|
crps                    fair continuous ranked probability score (Ferro 2014, doi 10.1002/qj.2270): unbiased in the
                        number of members; equals mae for one member
spread                  sqrt(mean w var), var the unbiased variance over the members; NaN for one member
spread_skill            sqrt((M + 1) / M) spread / rmse (Fortin et al. 2014, doi 10.1175/JHM-D-14-0008.1): one where
                        truth and members are draws from one distribution
out_of_bounds           share of values beyond the bounds of the variable table, without tolerance
n                       truth values that went in: starts times faces
======================= =========================================================================================
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
from scores.probability import crps_for_ensemble

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification, match
from gensim_graph.typing import Array, Path
from gensim_graph.variables import Variable, VariableTable, default_variables
from gensim_graph.writing import write_atomically

COLUMNS = (
    "model",
    "variable",
    "lead_hours",
    "rmse",
    "bias",
    "mae",
    "crps",
    "spread",
    "spread_skill",
    "out_of_bounds",
    "n",
)


def evaluate(
    forecast: xr.Dataset,
    truth: xr.Dataset,
    areas: Array | None = None,
    baselines: Mapping[str, xr.Dataset] | None = None,
    variables: VariableTable | None = None,
) -> pd.DataFrame:
    """Score a forecast, and baselines beside it, per state variable and lead time.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``; a lead time of zero is left out.
        truth: dims (time, face); it must hold every valid time. Velocities may be on nodes, then they are averaged
            to the faces.
        areas: (face) m2; taken from the mesh in the datasets when not given.
        baselines: name -> forecast with the same valid times.
        variables: which variables are state, and their bounds; the table that ships when not given.

    Returns:
        One row a model (``forecast`` or the name of the baseline), variable and lead time, columns ``COLUMNS``;
        rmse, bias, mae, crps and spread in the units of the variable.

    Raises:
        InputError: what does not fit together, and values that are not finite; the message names the variable.
    """
    table = variables or default_variables()
    models = {"forecast": match(forecast, truth, table, areas)}
    for name, baseline in (baselines or {}).items():
        if name in models:
            raise InputError("a baseline must not be called 'forecast'; give it another name")
        models[name] = match(baseline, truth, table, models["forecast"].areas, f"baseline '{name}'")
        _check_times(name, models[name], models["forecast"])
    rows = [row for name, matched in models.items() for row in _rows(name, matched)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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


def _check_times(name: str, baseline: Verification, forecast: Verification) -> None:
    if not np.array_equal(baseline.valid_times, forecast.valid_times):
        raise InputError(
            f"baseline '{name}': its valid times {baseline.valid_times.shape} differ from those of the forecast "
            f"{forecast.valid_times.shape} (starts, leads); start it at the same times with the same lead times"
        )


def _rows(model: str, matched: Verification) -> list[dict[str, Any]]:
    rows = []
    for variable in matched.variables:
        for lead, hours in enumerate(matched.lead_hours):
            pairs = (matched.pair(variable.name, start, lead) for start in range(matched.starts))
            moments = [_moments(ensemble, truth, matched.weights, variable) for ensemble, truth in pairs]
            mean = {key: float(np.mean([row[key] for row in moments])) for key in moments[0]}
            rows.append(
                {"model": model, "variable": variable.name, "lead_hours": float(hours)} | _scores(mean, matched)
            )
    return rows


def _moments(ensemble: Array, truth: Array, weights: Array, variable: Variable) -> dict[str, float]:
    outside = out_of_bounds(ensemble, variable)
    ensemble, truth = ensemble.astype(np.float64), truth.astype(np.float64)
    error = ensemble.mean(axis=0) - truth
    single = len(ensemble) == 1
    return {
        "squared": float(weights @ error**2),
        "bias": float(weights @ error),
        "mae": float(weights @ np.abs(error)),
        "crps": float(weights @ np.abs(error)) if single else _fair_crps(ensemble, truth, weights),
        "variance": math.nan if single else float(weights @ ensemble.var(axis=0, ddof=1)),
        "out_of_bounds": outside,
    }


def _scores(mean: Mapping[str, float], matched: Verification) -> dict[str, float]:
    rmse, spread = math.sqrt(mean["squared"]), math.sqrt(mean["variance"])
    inflation = math.sqrt((matched.members + 1) / matched.members)
    kept = {key: mean[key] for key in ("bias", "mae", "crps", "out_of_bounds")}
    ratio = inflation * spread / rmse if rmse > 0 else math.nan
    return kept | {"rmse": rmse, "spread": spread, "spread_skill": ratio, "n": matched.starts * len(matched.areas)}


def out_of_bounds(values: Array, variable: Variable) -> float:
    """Share of values beyond the bounds of a variable, which are rounded to the precision of the values first."""
    lower, upper = (np.asarray(bound, dtype=values.dtype) for bound in (variable.lower, variable.upper))
    return float(np.count_nonzero((values < lower) | (values > upper)) / values.size)


def _fair_crps(ensemble: Array, truth: Array, weights: Array) -> float:
    score = crps_for_ensemble(
        xr.DataArray(ensemble, dims=("member", "face")),
        xr.DataArray(truth, dims="face"),
        "member",
        method="fair",
        weights=xr.DataArray(weights, dims="face"),
    )
    return float(score)


def _jsonable(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

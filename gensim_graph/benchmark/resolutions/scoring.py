"""Scores of one contender on one data set by variable and lead time, means over trajectories and starts."""

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.benchmark.resolutions.contenders import Forecast
from gensim_graph.errors import InputError
from gensim_graph.evaluate import Verification, evaluate, match
from gensim_graph.evaluate.physics import SCALING_ORDERS, deformation_scores, spatial_scaling
from gensim_graph.variables import default_variables

_SQUARES = ("rmse", "spread")
"""Columns whose squares are averaged."""


@dataclass(frozen=True)
class Protocol:
    """Settings of the forecasts of a study.

    Attributes:
        members: ensemble members.
        steps: forecast steps of 12 h.
        starts: forecasts of each trajectory, 12 h apart.
    """

    members: int = 16
    steps: int = 4
    starts: int = 3


def score(forecast: Forecast, truths: list[xr.Dataset], since: float, protocol: Protocol) -> dict[str, Any]:
    """Forecast trajectories and score the forecasts.

    Args:
        forecast: forecast function of the contender.
        truths: trajectories to forecast.
        since: start of the first forecast, hours after the first record of a trajectory.
        protocol: settings of the forecasts.

    Returns:
        Rows of scores, rows of deformation and its scaling, and the time per cell, member and step in microseconds.

    Raises:
        InputError: a trajectory is too short for one step.
    """
    scores, deformation, seconds, work = [], [], 0.0, 0
    for truth in truths:
        begun = time.perf_counter()
        initial, steps = starts_of(truth, since, protocol)
        found = forecast(initial, truth, steps, protocol.members)
        seconds += time.perf_counter() - begun
        work += steps * initial.sizes["time"] * found.sizes["member"] * found.sizes["face"]
        scores.append(evaluate(found, truth).assign(starts=initial.sizes["time"]))
        deformation += _deformation(match(found, truth, default_variables()))

    return {
        "scores": average(pd.concat(scores)).to_dict("records"),
        "deformation": pd.DataFrame(deformation).groupby("lead_hours").mean().reset_index().to_dict("records"),
        "microseconds_per_cell_step": 1e6 * seconds / work,
        "trajectories": len(truths),
    }


def starts_of(truth: xr.Dataset, since: float, protocol: Protocol) -> tuple[xr.Dataset, int]:
    """Return the initial states, 12 h apart, and the number of steps of each forecast.

    Args:
        truth: trajectory to forecast.
        since: start of the first forecast, hours after the first record.
        protocol: settings of the forecasts; there are fewer steps or starts if the trajectory is short.

    Raises:
        InputError: the trajectory is too short for one step.
    """
    times = truth["time"].values
    step = np.timedelta64(12, "h")
    first = times[0] + np.timedelta64(round(since * 3600), "s")
    steps = min(protocol.steps, int((times[-1] - first) // step))

    if steps < 1:
        raise InputError(f"{truth.attrs.get('origin', 'data')}: ends before a forecast from {since:g} h on has a step")

    wanted = first + np.arange(protocol.starts) * step
    wanted = wanted[np.isin(wanted, times) & (wanted + steps * step <= times[-1])]

    return truth.sel(time=wanted), steps


def average(scores: pd.DataFrame) -> pd.DataFrame:
    """Average scores over trajectories, weighted by their starts; RMSE and spread as root of the mean square."""
    scores = scores.assign(**{name: scores[name] ** 2 for name in _SQUARES})
    columns = ["rmse", "bias", "mae", "crps", "spread", "out_of_bounds"]
    weighted = (
        scores[columns]
        .mul(scores["starts"], axis=0)
        .assign(starts=scores["starts"], variable=scores["variable"], lead_hours=scores["lead_hours"])
    )
    total = weighted.groupby(["variable", "lead_hours"], sort=False).sum(min_count=1)
    mean = total[columns].div(total["starts"], axis=0)
    for name in _SQUARES:
        mean[name] = np.sqrt(mean[name])

    return mean.assign(starts=total["starts"]).reset_index()


def _deformation(matched: Verification) -> list[dict[str, float]]:
    """Deformation by lead time: distance of the distributions, mean, 99 % quantile and exponents of the scaling."""
    table = deformation_scores({"forecast": matched})
    rows = []

    for lead, hours in enumerate(matched.lead_hours):
        of_lead = table[table["lead_hours"] == hours].set_index("model")
        row = {"lead_hours": float(hours), "log_distance": float(of_lead.loc["forecast", "log_distance"])}
        row |= {
            f"{model}_{name}": float(of_lead.loc[model, name])
            for model in ("truth", "forecast")
            for name in ("mean", "q99")
        }
        row |= _exponents(matched, lead)
        rows.append(row)

    return rows


def _exponents(matched: Verification, lead: int) -> dict[str, float]:
    """Exponents and curvature of the spatial scaling of forecast and truth; empty if the mesh is too small."""
    assert matched.mesh is not None
    u, v = (
        np.stack([matched.pair(name, start, lead)[0] for start in range(matched.starts)]) for name in ("siu", "siv")
    )
    x, y = (
        np.stack([matched.truth_at(name, start, lead) for start in range(matched.starts)]) for name in ("siu", "siv")
    )

    try:
        found, true = spatial_scaling(matched.mesh, u, v), spatial_scaling(matched.mesh, x, y)
    except InputError:  # the mesh is too small for boxes
        return {}

    exponents = {
        f"{name}_beta_{q:g}": float(b)
        for name, scaling in (("forecast", found), ("truth", true))
        for q, b in zip(SCALING_ORDERS, scaling.exponents, strict=True)
    }
    return exponents | {"forecast_curvature": found.curvature, "truth_curvature": true.curvature}


def spread_skill(row: dict[str, Any], members: int) -> float:
    """Spread over RMSE of averaged scores, corrected for the size of the ensemble.

    The factor is sqrt((members + 1) / members), see :mod:`gensim_graph.evaluate.verify.scores`.

    Args:
        row: scores with ``rmse`` and ``spread``.
        members: ensemble members.

    Returns:
        The ratio; NaN for one member or without an error.
    """
    if not row["rmse"] or members < 2:
        return math.nan

    return math.sqrt((members + 1) / members) * row["spread"] / row["rmse"]

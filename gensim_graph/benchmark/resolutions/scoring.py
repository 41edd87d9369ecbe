"""Scores of one contender on one data set: over its trajectories and starts, by variable and lead time."""

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
"""Columns that are averaged as squares."""


@dataclass(frozen=True)
class Protocol:
    """How forecasts are made.

    Attributes:
        members: of the ensemble.
        steps: of 12 h.
        starts: forecasts of each trajectory, a lead step apart.
    """

    members: int = 16
    steps: int = 4
    starts: int = 3


def score(forecast: Forecast, truths: list[xr.Dataset], since: float, protocol: Protocol) -> dict[str, Any]:
    """Rows of scores, of deformation and its scaling, and what a step of a member cost.

    Args:
        forecast: the contender.
        truths: trajectories.
        since: hours from their beginning at which the first forecast starts.
        protocol: how to forecast.

    Raises:
        InputError: trajectories that are too short for one step.
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
    """Initial states, 12 h apart, and the steps that fit behind the first of them."""
    times, step = truth["time"].values, np.timedelta64(12, "h")
    first = times[0] + np.timedelta64(round(since * 3600), "s")
    steps = min(protocol.steps, int((times[-1] - first) // step))

    if steps < 1:
        raise InputError(f"{truth.attrs.get('origin', 'data')}: ends before a forecast from {since:g} h on has a step")

    wanted = first + np.arange(protocol.starts) * step
    wanted = wanted[np.isin(wanted, times) & (wanted + steps * step <= times[-1])]

    return truth.sel(time=wanted), steps


def average(scores: pd.DataFrame) -> pd.DataFrame:
    """Over trajectories, weighted with their starts: squares before the root, the rest as it is."""
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
    """Distance of the distributions, and exponents of forecast and truth, by lead time."""
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
    assert matched.mesh is not None
    u, v = (
        np.stack([matched.pair(name, start, lead)[0] for start in range(matched.starts)]) for name in ("siu", "siv")
    )
    x, y = (
        np.stack([matched.truth_at(name, start, lead) for start in range(matched.starts)]) for name in ("siu", "siv")
    )

    try:
        found, true = spatial_scaling(matched.mesh, u, v), spatial_scaling(matched.mesh, x, y)
    except InputError:  # a mesh too small for boxes
        return {}

    exponents = {
        f"{name}_beta_{q:g}": float(b)
        for name, scaling in (("forecast", found), ("truth", true))
        for q, b in zip(SCALING_ORDERS, scaling.exponents, strict=True)
    }
    return exponents | {"forecast_curvature": found.curvature, "truth_curvature": true.curvature}


def spread_skill(row: dict[str, Any], members: int) -> float:
    """Of averaged scores, see :mod:`gensim_graph.evaluate.verify.scores`."""
    if not row["rmse"] or members < 2:
        return math.nan
    return math.sqrt((members + 1) / members) * row["spread"] / row["rmse"]

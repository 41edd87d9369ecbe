"""Statistics of innovations: how well forecast and analysis agree with the observations, and with the stated errors.

With the observed value d, its error s_o, and the mean y and spread s of K members at its place:

    innovation                      d - y
    reduced centred variable        (d - y) / sqrt(s_o^2 + (1 + 1/K) s^2)      Candille et al. (2007)
    rank                            number of members, each with a random error of s_o, below d     Hamill (2001)

The reduced centred variable of a reliable forecast has mean 0 and standard deviation 1, and its observations have each
rank equally often. The analysis has seen the observations, so these numbers say little of it.

References: Candille, Côté, Houtekamer, Pellerin (2007), doi:10.1175/MWR3414.1; Hamill (2001),
doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import chisquare

from gensim_graph.errors import InputError
from gensim_graph.typing import Array

INNOVATION_TABLES = {
    "innovations": "observed minus forecast and minus analysis, by variable",
    "innovation_times": "the same over lead time",
    "innovation_ranks": "ranks of the observations among the members",
}
"""Name of a table -> its contents."""

_STAGES = ("forecast", "analysis")


def score_innovations(innovations: xr.Dataset, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Return the tables of :data:`INNOVATION_TABLES`.

    Columns of ``innovations``: variable, model (``forecast`` or ``analysis``), n, bias (mean innovation), rmse (root of
    the mean square innovation), spread (root of the mean variance of the members), rcrv_mean and rcrv_std (reduced
    centred variable), chi_square of the ranks and p_value (probability of a larger one if they are flat and the
    observations independent). Those that need two members are NaN for one. Columns of ``innovation_times``: the same
    with lead_hours, without the test of the ranks; of ``innovation_ranks``: variable, model, rank, count, frequency
    and expected.

    Args:
        innovations: as :func:`~gensim_graph.open_innovations` returns them; observations without all members are left
            out.
        seed: of the observation errors that are added to the members for the ranks.

    Raises:
        InputError: no observation has all members.
    """
    complete = np.isfinite(innovations["forecast"].values).all(axis=0)
    if not complete.any():
        raise InputError("no observation has the values of all members: the forecast is not finished")

    chosen = innovations.isel(obs=complete)
    noise = np.random.default_rng(seed).standard_normal(chosen["forecast"].shape) * chosen["error"].values
    hours = chosen["lead_time"].values / np.timedelta64(1, "h")
    tables: dict[str, list[dict]] = {name: [] for name in INNOVATION_TABLES}

    for key, rows in _groups(chosen["variable"].values):
        for stage in _STAGES:
            one = chosen.isel(obs=rows)
            numbers = one["value"].values, one["error"].values, one[stage].values
            label = {"variable": key, "model": stage}
            ranks = rank_counts_with_errors(numbers[0], numbers[2], noise[:, rows])
            tables["innovations"].append(label | innovation_numbers(*numbers) | _flatness(ranks))
            tables["innovation_ranks"] += [label | row for row in _rank_rows(ranks)]

            for hour, some in _groups(hours[rows]):
                part = [values[..., some] for values in numbers]
                tables["innovation_times"].append(label | {"lead_hours": float(hour)} | innovation_numbers(*part))

    return {name: pd.DataFrame(rows) for name, rows in tables.items()}


def _groups(keys: Array) -> Iterator[tuple[Any, Array]]:
    """Each key with the numbers of its places, in the order of their first appearance."""
    for key in pd.unique(keys):
        yield key, np.flatnonzero(keys == key)


def innovation_numbers(observed: Array, error: Array, members: Array) -> dict[str, int | float]:
    """Return n, bias, rmse, spread, rcrv_mean and rcrv_std.

    Args:
        observed: (P,) observed values.
        error: (P,) standard deviations of their errors.
        members: (K, P) what the members say of them.
    """
    count = len(members)
    innovation = observed - members.mean(axis=0, dtype=np.float64)
    variance = members.var(axis=0, ddof=1, dtype=np.float64) if count > 1 else np.full(len(observed), np.nan)
    reduced = innovation / np.sqrt(error**2 + (1.0 + 1.0 / count) * variance)

    return {
        "n": len(observed),
        "bias": float(innovation.mean()),
        "rmse": float(np.sqrt((innovation**2).mean())),
        "spread": float(np.sqrt(variance.mean())),
        "rcrv_mean": float(reduced.mean()),
        "rcrv_std": float(reduced.std()),
    }


def rank_counts_with_errors(observed: Array, members: Array, noise: Array) -> Array:
    """Return the number of observations of each rank, (K + 1,).

    Args:
        observed: (P,).
        members: (K, P).
        noise: (K, P), errors of observations that are added to the members.
    """
    return np.bincount((members + noise < observed).sum(axis=0), minlength=len(members) + 1)


def _flatness(ranks: Array) -> dict[str, float]:
    test = chisquare(ranks)
    return {"chi_square": float(test.statistic), "p_value": float(test.pvalue)}


def _rank_rows(ranks: Array) -> list[dict[str, int | float]]:
    total, expected = ranks.sum(), 1.0 / len(ranks)
    return [
        {"rank": rank, "count": int(count), "frequency": float(count / total), "expected": expected}
        for rank, count in enumerate(ranks)
    ]

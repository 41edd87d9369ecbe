"""Statistics of innovations: how well forecast and analysis agree with the observations, and with the stated errors.

With the observed value d, its error s_o, and the mean y and spread s of K members at its place:

    innovation                      d - y
    reduced centred variable        (d - y) / sqrt(s_o^2 + (1 + 1/K) s^2)      Candille et al. (2007)
    rank                            number of members, each with a random error of s_o, below d     Hamill (2001)

The factor 1 + 1/K is for the sampling of the mean. A reliable forecast has a reduced centred variable with mean 0 and
standard deviation 1 (up to 1.07 with 16 members, whose spread is a sample itself), and equally many observations of
each rank. An analysis has seen the observations, so for it these hold only with observations that it has not used.

References: Candille, Côté, Houtekamer, Pellerin (2007), doi:10.1175/MWR3414.1; Hamill (2001),
doi:10.1175/1520-0493(2001)129<0550:IORHFV>2.0.CO;2; Desroziers, Berre, Chapnik, Poli (2005), doi:10.1256/qj.05.108.
"""

import numpy as np
import xarray as xr
from scipy.stats import chisquare

from gensim_graph.assimilate.observation_operator import ObservationOperator
from gensim_graph.errors import InputError
from gensim_graph.evaluate.innovations import innovation_numbers, rank_counts_with_errors
from gensim_graph.typing import Array, Float, Tensor

_LONG_NAMES = {
    "bias": "mean innovation",
    "innovation_std": "standard deviation of the innovations",
    "rmse": "root of the mean square innovation",
    "spread": "root of the mean ensemble variance at the observations",
    "rcrv_mean": "mean of the reduced centred variable",
    "rcrv_std": "standard deviation of the reduced centred variable",
    "rank_count": "observations of each rank among the members with observation error",
    "chi_square": "chi-square of the ranks against equal counts",
    "p_value": "probability of a larger chi-square if the ranks are flat and the observations independent",
}


def innovation_statistics(
    operator: ObservationOperator,
    forecast: Float[Tensor, "member obs"],
    analysis: Float[Tensor, "member obs"] | None = None,
    seed: int = 0,
) -> xr.Dataset:
    """Return the statistics of innovations by variable.

    Args:
        operator: of the observations.
        forecast: members at the observations, ``operator.apply(states)``.
        analysis: the same after the observations were used.
        seed: of the observation errors that are added to the members for the ranks.

    Returns:
        Dataset (stage, variable), stages ``forecast`` and ``analysis``, with ``count`` (variable) and ``rank_count``
        (stage, variable, rank). With an analysis also ``diagnosed_error`` and ``stated_error`` (variable): the standard
        deviation of the observation errors, from the mean product of both innovations (Desroziers et al. 2005), and as
        the observations say.

    Raises:
        InputError: no observations, or fewer than two members.

    Example:
        >>> import torch
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import pandas as pd
        >>> from gensim_graph.assimilate import ObservationOperator, innovation_statistics
        >>> mesh = gg.Mesh.from_grid(np.arange(4) * 10e3, np.arange(4) * 10e3)
        >>> table = pd.DataFrame({"variable": "sit", "x": [0.0, 1e4], "y": 0.0, "value": [1.0, 2.0], "error": 0.1,
        ...                       "time": "2020-03-01"})
        >>> operator = ObservationOperator.of(mesh, gg.Observations.from_table(table), gg.default_variables())
        >>> found = innovation_statistics(operator, torch.tensor([[0.9, 1.9], [1.0, 2.0]]))
        >>> round(float(found["bias"].sel(stage="forecast", variable="sit")), 3)
        0.05
    """
    if not len(operator) or len(forecast) < 2:
        raise InputError(f"expected observations and two members or more; came {len(operator)} and {len(forecast)}")

    stages = {"forecast": forecast} | ({} if analysis is None else {"analysis": analysis})
    arrays = {stage: values.double().cpu().numpy() for stage, values in stages.items()}
    observed, error = operator.value.cpu().numpy(), operator.error.cpu().numpy()
    channel = operator.variable.cpu().numpy()
    chosen = {operator.names[one]: channel == one for one in np.unique(channel)}

    noise = np.random.default_rng(seed).standard_normal(arrays["forecast"].shape) * error
    rows = [
        [_statistics(observed[one], error[one], values[:, one], noise[:, one]) for one in chosen.values()]
        for values in arrays.values()
    ]
    dims = {"rank_count": ("stage", "variable", "rank")}
    columns = {
        name: (dims.get(name, ("stage", "variable")), np.array([[row[name] for row in line] for line in rows]))
        for name in _LONG_NAMES
    }
    ds = xr.Dataset(columns, {"stage": list(stages), "variable": list(chosen)})
    ds["count"] = "variable", [int(one.sum()) for one in chosen.values()]
    for name, text in _LONG_NAMES.items():
        ds[name].attrs["long_name"] = text

    return ds if analysis is None else ds.assign(_diagnosed(observed, error, arrays, chosen))


def _statistics(observed: Array, error: Array, members: Array, noise: Array) -> dict[str, float | Array]:
    """Statistics of one variable and stage.

    Args:
        observed: (P,).
        error: (P,).
        members: (K, P).
        noise: (K, P), errors of observations.
    """
    ranks = rank_counts_with_errors(observed, members, noise)
    test = chisquare(ranks)
    own: dict[str, float | Array] = {
        "innovation_std": float((observed - members.mean(axis=0)).std()),
        "rank_count": ranks,
        "chi_square": float(test.statistic),
        "p_value": float(test.pvalue),
    }
    return own | innovation_numbers(observed, error, members)


def _diagnosed(observed: Array, error: Array, arrays: dict[str, Array], chosen: dict[str, Array]) -> xr.Dataset:
    """Standard deviations of observation errors, diagnosed and stated.

    mean[(d - y_a) (d - y_f)] is the variance of the errors if the filter is optimal (Desroziers et al. 2005).
    """
    before, after = (observed - arrays[stage].mean(axis=0) for stage in ("forecast", "analysis"))
    product = [max(float((before * after)[one].mean()), 0.0) for one in chosen.values()]
    stated = [float((error[one] ** 2).mean()) for one in chosen.values()]

    return xr.Dataset(
        {"diagnosed_error": ("variable", np.sqrt(product)), "stated_error": ("variable", np.sqrt(stated))}
    )

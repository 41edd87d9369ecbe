"""Moments: area-weighted sums from which the scores of a field are computed.

Moments can be added over starts, over blocks of the domain, and over trajectories; scores cannot. There is one value of
each moment per model, variable, lead time, region (all faces, or those with ice) and case (a start or a block, see
:mod:`~gensim_graph.evaluate.bootstrap`):

================================ ================================================================================
weight                           share of the area
bias, squared, mae               error of the ensemble mean, its square and its absolute value
crps                             fair continuous ranked probability score
variance                         unbiased variance of the members; NaN for one member
product                          anomaly of the ensemble mean times anomaly of the truth
forecast_square, truth_square    squares of these anomalies
================================ ================================================================================

Anomalies are departures from the climatology. :mod:`~gensim_graph.evaluate.verify.scores` turns moments into scores.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.bootstrap import CaseKind, Sampling, choose_sampling
from gensim_graph.evaluate.tally import Step, Tally, run_tallies
from gensim_graph.evaluate.verification import Verification
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

MOMENTS = ("weight", "bias", "squared", "mae", "crps", "variance", "product", "forecast_square", "truth_square")

REGIONS = ("all", "ice")
"""All faces, and those where the truth has ice."""


def score_moments(
    models: Mapping[str, Verification], climatology: xr.Dataset | None = None, over: CaseKind | None = None
) -> xr.Dataset:
    """Compute the moments of forecasts.

    To pool several trajectories, concatenate their moments along ``case`` (with ``over="starts"``); cases with the same
    number in the coordinate ``group`` are drawn together in the bootstrap.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        climatology: reference of the anomalies, (face) or (month, face); by default the mean of the truth over its
            times.
        over: kind of the cases; by default chosen by their number.

    Returns:
        Variables ``MOMENTS`` of dims (model, variable, lead_hours, where, case); ``outside``, the share of values
        beyond their bounds, (model, variable, lead_hours); ``members`` and ``starts`` (model).

    Raises:
        InputError: the climatology does not fit, or a value is not finite.
    """
    tally = MomentTally(models, climatology, over)
    run_tallies(models, [tally])
    return tally.moments()


class MomentTally(Tally):
    """Gather the moments of :func:`score_moments`.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        climatology: reference of the anomalies, (face) or (month, face); by default the mean of the truth over its
            times.
        over: kind of the cases; by default chosen by their number.
    """

    def __init__(
        self, models: Mapping[str, Verification], climatology: xr.Dataset | None = None, over: CaseKind | None = None
    ) -> None:
        self._models, self._first = models, next(iter(models.values()))
        self.sampling = choose_sampling(self._first, over)
        self._names = [variable.name for variable in self._first.variables]
        self._climate = {name: climate_of(self._first, name, climatology) for name in self._names}

        sizes = (len(models), len(self._names), len(self._first.lead_hours))
        self._sums = np.zeros((len(MOMENTS), *sizes, len(REGIONS), len(self.sampling.groups)))
        self._outside = np.zeros(sizes)

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None:
            return

        model = list(self._models).index(step.model)
        month = step.matched.valid_times[step.start, step.lead].astype("datetime64[M]").astype(int) % 12

        for position, variable in enumerate(self._first.variables):
            climate = self._climate[variable.name]
            reference = climate if climate.ndim == 1 else climate[month]
            fields = error_fields(step[variable.name], step.truth[variable.name][0], reference)

            sums = regional_sums(fields, step.ice, self.sampling)
            self.sampling.add(self._sums[:, model, position, step.lead], step.start, sums)
            self._outside[model, position, step.lead] += out_of_bounds(step[variable.name], variable)

    def moments(self) -> xr.Dataset:
        """Return the moments, see :func:`score_moments`."""
        starts = self._first.starts
        count = starts if self.sampling.over == "space" else 1  # blocks have been summed over the starts
        dims = ("model", "variable", "lead_hours")
        fields = dict(zip(MOMENTS, self._sums / count, strict=True))

        return xr.Dataset(
            {name: ((*dims, "where", "case"), values) for name, values in fields.items()}
            | {
                "outside": (dims, self._outside / starts),
                "members": ("model", [matched.members for matched in self._models.values()]),
                "starts": ("model", [starts] * len(self._models)),
            },
            coords={
                "model": list(self._models),
                "variable": self._names,
                "lead_hours": self._first.lead_hours,
                "where": list(REGIONS),
                "group": ("case", self.sampling.groups),
            },
            attrs={"over": self.sampling.over, "faces": len(self._first.areas)},
        )

    def table(self) -> pd.DataFrame:
        """Return the moments as rows."""
        return self.moments().to_dataframe().reset_index()


def error_fields(ensemble: Array, truth: Array, climate: Array) -> Array:
    """Compute ``MOMENTS`` per face, without the weight.

    Args:
        ensemble: (M, F) in the units of the variable.
        truth: (F,) in the same units.
        climate: (F,) reference of the anomalies, in the same units.

    Returns:
        (moment, F), in these units or their square.
    """
    deviation = ensemble - truth
    error = deviation.mean(axis=0, dtype=np.float64)

    single = len(ensemble) == 1
    crps = np.abs(error) if single else fair_crps(deviation)
    variance = np.full(error.shape, np.nan) if single else deviation.var(axis=0, ddof=1)

    anomaly = truth - climate.astype(np.float64)
    forecast = anomaly + error

    return np.stack([error, error**2, np.abs(error), crps, variance, forecast * anomaly, forecast**2, anomaly**2])


def fair_crps(deviation: Array) -> Array:
    r"""Compute the fair continuous ranked probability score of members minus truth: (M, F) -> (F,), M at least 2.

    .. math:: \frac1M \sum_i |x_i - y| - \frac{1}{2 M (M - 1)} \sum_{i,j} |x_i - x_j|

    (Ferro 2014, doi 10.1002/qj.2270). The double sum equals a single sum over the sorted members; the cost grows with
    M log M.
    """
    members = len(deviation)
    ascending = np.sort(np.ascontiguousarray(deviation.T), axis=1)
    weights = (2 * np.arange(members) - members + 1) / (members * (members - 1))
    return np.abs(deviation).mean(axis=0) - ascending @ weights.astype(deviation.dtype)


def regional_sums(fields: Array, ice: Array, sampling: Sampling) -> Array:
    """Compute the weight and the weighted sums of fields over each region and each part of the domain.

    Args:
        fields: (K, F).
        ice: (F,) True where the truth has ice.
        sampling: its parts are the blocks of the domain, or the whole domain.

    Returns:
        (K + 1, region, part); the first row is the weight.
    """
    columns = np.concatenate([np.ones((1, fields.shape[1])), fields])
    both = np.concatenate([columns, np.where(ice, columns, 0.0)])
    sums = (sampling.weights @ both.T).T

    return sums.reshape(2, len(columns), -1).swapaxes(0, 1)


def out_of_bounds(values: Array, variable: Variable) -> float:
    """Compute the share of values beyond the bounds of a variable.

    The bounds are rounded to the precision of the values first, so that a value on a bound is within it.

    Args:
        values: any shape, in the units of the variable.
        variable: it gives the bounds.
    """
    lower, upper = (np.asarray(bound, dtype=values.dtype) for bound in (variable.lower, variable.upper))
    return float(np.count_nonzero((values < lower) | (values > upper)) / values.size)


def climate_of(matched: Verification, name: str, climatology: xr.Dataset | None) -> Array:
    """Return the mean state of a variable, the reference of its anomalies.

    Args:
        matched: the forecast beside the truth.
        name: state variable.
        climatology: dims (face) or (month, face); None for the mean of the truth over its times.

    Returns:
        (face,), or (month, face) if the climatology has months; in the units of the variable.

    Raises:
        InputError: the climatology lacks the variable or has other dimensions.
    """
    if climatology is None:
        times = matched.truth["time"].values
        return np.asarray(sum(matched.truth_at_time(name, time).astype(np.float64) for time in times) / len(times))

    if name not in climatology:
        raise InputError(f"climatology: '{name}' is missing; it needs every state variable that is scored")

    field = climatology[name]
    months, faces = field.sizes.get("month", 12), len(matched.areas)

    if not {*field.dims} <= {"month", "face", "node"} or months != 12 or field.sizes.get("face", faces) != faces:
        raise InputError(
            f"climatology: '{name}' has dims {dict(field.sizes)}; expected (face) or (month, face) with 12 months and "
            f"{faces} faces"
        )

    first = ["month"] if "month" in field.dims else []
    return matched.on_faces(field.transpose(*first, ...), "climatology")

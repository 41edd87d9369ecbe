"""What the scores of a field are made of: sums over faces that add up over starts, over blocks of the domain, and over
trajectories.

Of every model, variable and lead time, for all faces and for those with ice, per case (a start or a block, see
:mod:`~gensim_graph.evaluate.bootstrap`). Errors are those of the ensemble mean; ``weight`` is the share of the area.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.bootstrap import Over, Sampling, choose_sampling
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, take_stock
from gensim_graph.typing import Array
from gensim_graph.variables import Variable

MOMENTS = ("weight", "bias", "squared", "mae", "crps", "variance", "product", "forecast_square", "truth_square")
"""Error, its square and absolute value, fair CRPS, variance of the members, and of the departures from the climate:
their product and their squares."""

WHERE = ("all", "ice")
"""All faces, and those where the truth has ice."""


def score_moments(
    models: Mapping[str, Verification], climatology: xr.Dataset | None = None, over: Over | None = None
) -> xr.Dataset:
    """Moments of forecasts.

    Several trajectories are pooled by concatenating theirs along ``case`` (with ``over="starts"``); what is drawn
    together in the bootstrap has one number in the coordinate ``group``.

    Args:
        models: name -> a forecast beside the truth, all with the same valid times.
        climatology: mean state (face), or (month, face), from which anomalies are taken; the mean of the truth over
            its times by default.
        over: what the cases are; chosen by their number by default.

    Returns:
        Variables ``MOMENTS`` of dims (model, variable, lead_hours, where, case), ``outside``, the share of values
        beyond their bounds, (model, variable, lead_hours), and ``members``, ``starts`` (model).
    """
    tally = MomentTally(models, climatology, over)
    take_stock(models, [tally])
    return tally.moments()


class MomentTally(Tally):
    """Gathers :func:`score_moments`."""

    def __init__(
        self, models: Mapping[str, Verification], climatology: xr.Dataset | None = None, over: Over | None = None
    ) -> None:
        self._models, self._first = models, next(iter(models.values()))
        self.sampling = choose_sampling(self._first, over)
        self._names = [variable.name for variable in self._first.variables]
        self._climate = {name: climate_of(self._first, name, climatology) for name in self._names}
        sizes = (len(models), len(self._names), len(self._first.lead_hours))
        self._sums = np.zeros((len(MOMENTS), *sizes, len(WHERE), len(self.sampling.groups)))
        self._outside = np.zeros(sizes)

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None:
            return

        model = list(self._models).index(step.model)
        month = step.matched.valid_times[step.start, step.lead].astype("datetime64[M]").astype(int) % 12

        for position, variable in enumerate(self._first.variables):
            climate = self._climate[variable.name]
            normal = climate if climate.ndim == 1 else climate[month]
            fields = error_fields(step[variable.name], step.truth[variable.name][0], normal)
            sums = regional_sums(fields, step.ice, self.sampling)
            self.sampling.add(self._sums[:, model, position, step.lead], step.start, sums)
            self._outside[model, position, step.lead] += out_of_bounds(step[variable.name], variable)

    def moments(self) -> xr.Dataset:
        """See :func:`score_moments`."""
        starts = self._first.starts
        count = starts if self.sampling.over == "space" else 1  # blocks add up over the starts
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
                "where": list(WHERE),
                "group": ("case", self.sampling.groups),
            },
            attrs={"over": self.sampling.over, "faces": len(self._first.areas)},
        )

    def table(self) -> pd.DataFrame:
        """Moments as rows."""
        return self.moments().to_dataframe().reset_index()


def error_fields(ensemble: Array, truth: Array, normal: Array) -> Array:
    """``MOMENTS`` per face without the weight: (M, F), (F), (F) -> (moments - 1, F)."""
    deviation = ensemble - truth
    error = deviation.mean(axis=0, dtype=np.float64)
    single = len(ensemble) == 1
    crps = np.abs(error) if single else fair_crps(deviation)
    variance = np.full(error.shape, np.nan) if single else deviation.var(axis=0, ddof=1)
    anomaly = truth - normal.astype(np.float64)
    forecast = anomaly + error

    return np.stack([error, error**2, np.abs(error), crps, variance, forecast * anomaly, forecast**2, anomaly**2])


def fair_crps(deviation: Array) -> Array:
    r"""Fair continuous ranked probability score of members minus truth: (M, F) -> (F), M at least 2.

    .. math:: \frac1M \sum_i |x_i - y| - \frac{1}{2 M (M - 1)} \sum_{i,j} |x_i - x_j|

    (Ferro 2014, doi 10.1002/qj.2270). The double sum is one over the sorted members, so M log M.
    """
    members = len(deviation)
    ascending = np.sort(np.ascontiguousarray(deviation.T), axis=1)
    weights = (2 * np.arange(members) - members + 1) / (members * (members - 1))
    return np.abs(deviation).mean(axis=0) - ascending @ weights.astype(deviation.dtype)


def regional_sums(fields: Array, ice: Array, sampling: Sampling) -> Array:
    """Weight and weighted sums of fields (K, F) over all faces and those with ice: (K + 1, where, parts)."""
    columns = np.concatenate([np.ones((1, fields.shape[1])), fields])
    both = np.concatenate([columns, np.where(ice, columns, 0.0)])
    sums = (sampling.weights @ both.T).T
    return sums.reshape(2, len(columns), -1).swapaxes(0, 1)


def out_of_bounds(values: Array, variable: Variable) -> float:
    """Share of values beyond the bounds of a variable, which are rounded to the precision of the values first."""
    lower, upper = (np.asarray(bound, dtype=values.dtype) for bound in (variable.lower, variable.upper))
    return float(np.count_nonzero((values < lower) | (values > upper)) / values.size)


def climate_of(matched: Verification, name: str, climatology: xr.Dataset | None) -> Array:
    """Mean state of a variable: (face), or (month, face) where the climatology has months.

    Raises:
        InputError: a climatology that lacks the variable, or has other dimensions.
    """
    if climatology is None:
        times = matched.truth["time"].values
        return np.asarray(sum(matched.at(name, time).astype(np.float64) for time in times) / len(times))

    if name not in climatology:
        raise InputError(f"climatology: '{name}' is missing; it needs every state variable that is scored")

    field = climatology[name]
    months, faces = field.sizes.get("month", 12), len(matched.areas)

    if not {*field.dims} <= {"month", "face", "node"} or months != 12 or field.sizes.get("face", faces) != faces:
        raise InputError(
            f"climatology: '{name}' has dims {dict(field.sizes)}; expected (face) or (month, face) with 12 months and "
            f"{faces} faces"
        )

    return matched.on_faces(field.transpose(*(["month"] if "month" in field.dims else []), ...), "climatology")

r"""Errors of the drift in speed and direction.

With the drift of a member u + i v as a complex number f, that of the truth t, and means over area:

=============== =================================================================================================
speed           mean of abs(f); speed_bias and speed_mae are of abs(f) - abs(t)
truth_speed     mean of abs(t)
vector_rmse     root mean square of abs(f - t)
angle_bias      mean angle from t to f in degrees, positive to the left; angle_mae is the mean of its absolute value;
                both only where truth and forecast are faster than 1 cm/s, because ice at rest has no direction
correlation     absolute value of mean(f conj(t)) / sqrt(mean(abs(f)^2) mean(abs(t)^2)), in [0, 1] (complex correlation,
                Kundu 1976, doi 10.1175/1520-0485(1976)006<0238:ECONTO>2.0.CO;2, about zero, not about the means)
veering         its phase in degrees: the mean angle, in which fast drift counts more
=============== =================================================================================================

Each member is scored by itself and the scores are averaged; a row of its own scores the ensemble mean. The rows with
``where`` equal to ``ice`` are over faces where the truth has ice; those over ``all`` faces are for comparison.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import choose_sampling, interval_ends, redraw
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.evaluate.verification import Verification
from gensim_graph.evaluate.verify.moments import REGIONS, regional_sums
from gensim_graph.typing import Array

SLOWEST_DRIFT = 0.01
"""Speed up to which the ice counts as at rest, without a direction, m/s."""

_SPEEDS = ("speed", "truth_speed", "speed_bias", "speed_mae", "vector_rmse")
_ANGLES = ("angle_bias", "angle_mae", "correlation", "veering")
_WITH_INTERVAL = ("speed_bias", "vector_rmse", "angle_mae", "correlation")
_COLUMNS = (
    *("model", "lead_hours", "where", *_SPEEDS, *_ANGLES),
    *(f"{name}_{end}" for name in _WITH_INTERVAL for end in ("low", "high")),
)


def drift_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Score speed and direction of the drift per model, lead time and region.

    Args:
        models: name -> a forecast with ``siu`` and ``siv`` beside the truth, all with the same valid times.

    Returns:
        Columns model, lead_hours, where (``all`` or ``ice``); speed, truth_speed, speed_bias, speed_mae, vector_rmse
        (m/s); angle_bias, angle_mae, veering (degrees); correlation; and the ends ``_low`` and ``_high`` of bootstrap
        intervals of 90 % (:mod:`~gensim_graph.evaluate.bootstrap`). The scores are defined in
        :mod:`~gensim_graph.evaluate.verify.drift`. Empty if there is no drift.

    Raises:
        InputError: a value is not finite.

    Example:
        The forecast is twice as fast as the truth, and turned to the left by 90 degrees:

        >>> import numpy as np, xarray as xr
        >>> import gensim_graph as gg
        >>> from gensim_graph.evaluate import drift_scores, match_models
        >>> times = np.array(["2020-01-01T00", "2020-01-01T12"], dtype="datetime64[ns]")
        >>> east, rest = np.full((2, 3), 0.1), np.zeros((2, 3))
        >>> truth = xr.Dataset({"siu": (("time", "face"), east), "siv": (("time", "face"), rest)}, {"time": times})
        >>> forecast = xr.Dataset(
        ...     {"siu": (("lead_time", "face"), rest[1:]), "siv": (("lead_time", "face"), 2 * east[1:])},
        ...     {"lead_time": times[1:] - times[0], "valid_time": ("lead_time", times[1:])},
        ... )
        >>> table = drift_scores(match_models(forecast, truth, gg.default_variables(), areas=np.ones(3)))
        >>> table.loc[[0], ["where", "speed", "truth_speed", "angle_bias", "correlation"]]
          where  speed  truth_speed  angle_bias  correlation
        0   all    0.2          0.1        90.0          1.0
    """
    return tabulate(models, DriftTally(next(iter(models.values()))))


class DriftTally(Tally):
    """Gather :func:`drift_scores`.

    Args:
        matched: the forecast beside the truth.
    """

    def __init__(self, matched: Verification) -> None:
        self._sampling = choose_sampling(matched)
        self._sums: dict[tuple[str, float], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None or not step.matched.has("siu", "siv"):
            return

        u, v = step["siu"], step["siv"]
        true_u, true_v = step.truth["siu"][0], step.truth["siv"][0]
        self._add_fields(step.model, step, drift_fields(u, v, true_u, true_v))

        if len(u) > 1:
            mean_u, mean_v = u.mean(axis=0, keepdims=True), v.mean(axis=0, keepdims=True)
            self._add_fields(f"{step.model}, ensemble mean", step, drift_fields(mean_u, mean_v, true_u, true_v))

    def _add_fields(self, model: str, step: Step, fields: Array) -> None:
        key = (model, step.hours)
        sums = regional_sums(fields, step.ice, self._sampling)
        if key not in self._sums:
            self._sums[key] = np.zeros((*sums.shape[:2], len(self._sampling.groups)))
        self._sampling.add(self._sums[key], step.start, sums)

    def table(self) -> pd.DataFrame:
        """Return the table of :func:`drift_scores`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            scores = _scores_from_sums(sums.sum(axis=-1))
            drawn = _scores_from_sums(np.moveaxis(redraw(sums, self._sampling), 0, -1))
            intervals = {name: interval_ends(drawn[name].T) for name in _WITH_INTERVAL}

            for number, region in enumerate(REGIONS):
                row = {"model": model, "lead_hours": hours, "where": region}
                row |= {name: float(values[number]) for name, values in scores.items()}
                for name, (low, high) in intervals.items():
                    row |= {f"{name}_low": float(low[number]), f"{name}_high": float(high[number])}
                rows.append(row)

        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))


def drift_fields(u: Array, v: Array, true_u: Array, true_v: Array) -> Array:
    """Compute the fields of which the drift scores need the area means; means over the members.

    Args:
        u: (M, F) x component of the drift of the members, m/s.
        v: (M, F) y component.
        true_u: (F,) x component of the drift of the truth, m/s.
        true_v: (F,) y component.

    Returns:
        (12, F), in the order in which the scores are computed from their sums.
    """
    speed = np.sqrt(u * u + v * v)
    true_speed = np.sqrt(true_u * true_u + true_v * true_v)

    # Real and imaginary part of f conj(t).
    real = u * true_u + v * true_v
    imaginary = v * true_u - u * true_v
    moves = (speed > SLOWEST_DRIFT) & (true_speed > SLOWEST_DRIFT)
    angle = np.where(moves, np.degrees(np.arctan2(imaginary, real)), 0.0)

    per_member = [
        speed,
        speed - true_speed,
        np.abs(speed - true_speed),
        (u - true_u) ** 2 + (v - true_v) ** 2,
        moves,
        angle,
        np.abs(angle),
        real,
        imaginary,
        speed * speed,
    ]
    means = [field.mean(axis=0, dtype=np.float64) for field in per_member]

    return np.stack([true_speed, *means, true_speed * true_speed]).astype(np.float64)


def _scores_from_sums(sums: Array) -> dict[str, Array]:
    """Scores from the weight and the sums of :func:`drift_fields`, (13, ...)."""
    weight, true_speed, speed, bias, mae, squared_error = sums[:6]
    moves, angle, absolute_angle = sums[6:9]
    real, imaginary, squared_speed, true_squared_speed = sums[9:]

    with np.errstate(invalid="ignore", divide="ignore"):  # a region without ice has no weight
        norm = np.sqrt(squared_speed * true_squared_speed)
        return {
            "speed": speed / weight,
            "truth_speed": true_speed / weight,
            "speed_bias": bias / weight,
            "speed_mae": mae / weight,
            "vector_rmse": np.sqrt(squared_error / weight),
            "angle_bias": angle / moves,
            "angle_mae": absolute_angle / moves,
            "correlation": np.hypot(real, imaginary) / norm,
            "veering": np.degrees(np.arctan2(imaginary, real)),
        }

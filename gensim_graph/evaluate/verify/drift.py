r"""Speed and direction of the drift.

With the drift of a member u + i v as a complex number f, that of the truth t, and means over area:

=============== =================================================================================================
speed           mean of abs(f); speed_bias and speed_mae are of abs(f) - abs(t)
vector_rmse     root mean square of abs(f - t)
angle_bias      mean angle from t to f in degrees, positive to the left; angle_mae the mean of its absolute value; both
                where truth and forecast are faster than 1 cm/s, as a drift at rest has no direction
correlation     absolute value of mean(f conj(t)) / sqrt(mean(abs(f)^2) mean(abs(t)^2)), in [0, 1] (complex correlation,
                Kundu 1976, doi 10.1175/1520-0485(1976)006<0238:ECONTO>2.0.CO;2, about zero, not about the means)
veering         its phase in degrees: the mean turning, fast drift counting more
=============== =================================================================================================

Members are scored one by one and averaged, and the ensemble mean beside them. Drift counts where the truth has ice;
over all faces it is there for comparison.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from gensim_graph.evaluate.bootstrap import choose_sampling, ends, redraw
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.evaluate.verify.moments import WHERE, regional_sums
from gensim_graph.typing import Array

AT_REST = 0.01
"""m/s: what is slower has no direction."""

DRIFT_SCORES = ("speed", "truth_speed", "speed_bias", "speed_mae", "vector_rmse")
ANGLES = ("angle_bias", "angle_mae", "correlation", "veering")
DRIFT_WITH_INTERVAL = ("speed_bias", "vector_rmse", "angle_mae", "correlation")
DRIFT_COLUMNS = (
    *("model", "lead_hours", "where", *DRIFT_SCORES, *ANGLES),
    *(f"{name}_{end}" for name in DRIFT_WITH_INTERVAL for end in ("low", "high")),
)


def drift_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Speed and direction errors per model, lead time and ``where`` (``ice`` or ``all``).

    Returns:
        Columns ``DRIFT_COLUMNS``; m/s, degrees, and intervals of 90 % (:mod:`~gensim_graph.evaluate.bootstrap`). Empty where
        there is no drift.
    """
    return tabulate(models, DriftTally(next(iter(models.values()))))


class DriftTally(Tally):
    """Gathers :func:`drift_scores`."""

    def __init__(self, matched: Verification) -> None:
        self._sampling = choose_sampling(matched)
        self._sums: dict[tuple[str, float], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step of a model."""
        if step.truth is None or not step.matched.has("siu", "siv"):
            return

        u, v = step["siu"], step["siv"]
        x, y = step.truth["siu"][0], step.truth["siv"][0]
        self._keep(step.model, step, drift_fields(u, v, x, y))

        if len(u) > 1:
            mean = u.mean(axis=0, keepdims=True), v.mean(axis=0, keepdims=True)
            self._keep(f"{step.model}, ensemble mean", step, drift_fields(*mean, x, y))

    def _keep(self, model: str, step: Step, fields: Array) -> None:
        key, sums = (model, step.hours), regional_sums(fields, step.ice, self._sampling)
        if key not in self._sums:
            self._sums[key] = np.zeros((*sums.shape[:2], len(self._sampling.groups)))
        self._sampling.add(self._sums[key], step.start, sums)

    def table(self) -> pd.DataFrame:
        """See :func:`drift_scores`."""
        rows = []
        for (model, hours), sums in self._sums.items():
            found = drift_scores_of(sums.sum(axis=-1))
            drawn = drift_scores_of(np.moveaxis(redraw(sums, self._sampling), 0, -1))
            limits = {name: ends(drawn[name].T) for name in DRIFT_WITH_INTERVAL}

            for number, where in enumerate(WHERE):
                row = {"model": model, "lead_hours": hours, "where": where}
                row |= {name: float(values[number]) for name, values in found.items()}
                for name, (low, high) in limits.items():
                    row |= {f"{name}_low": float(low[number]), f"{name}_high": float(high[number])}
                rows.append(row)

        return by_model(pd.DataFrame(rows, columns=[*DRIFT_COLUMNS]))


def drift_fields(u: Array, v: Array, x: Array, y: Array) -> Array:
    """What the scores are sums of, means over the members: u, v (M, F), truth x, y (F) -> (10, F)."""
    speed, true = np.sqrt(u * u + v * v), np.sqrt(x * x + y * y)
    along, across = u * x + v * y, v * x - u * y  # real and imaginary part of f conj(t)
    moves = (speed > AT_REST) & (true > AT_REST)
    angle = np.where(moves, np.degrees(np.arctan2(across, along)), 0.0)

    of_members = (
        *(speed, speed - true, np.abs(speed - true), (u - x) ** 2 + (v - y) ** 2),
        *(moves, angle, np.abs(angle), along, across, speed * speed),
    )
    means = [part.mean(axis=0, dtype=np.float64) for part in of_members]

    return np.stack([true, *means, true * true]).astype(np.float64)


def drift_scores_of(sums: Array) -> dict[str, Array]:
    """Scores of sums of the weight and of :func:`drift_fields`, (13, ...)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # where there is no ice
        weight, true, speed, bias, mae, squared, moves, angle, absolute, along, across, square, true_square = sums
        norm = np.sqrt(square * true_square)
        values = (
            *(speed / weight, true / weight, bias / weight, mae / weight, np.sqrt(squared / weight)),
            *(angle / moves, absolute / moves, np.hypot(along, across) / norm, np.degrees(np.arctan2(across, along))),
        )

    return dict(zip((*DRIFT_SCORES, *ANGLES), values, strict=True))

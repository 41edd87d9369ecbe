"""Effective resolution: the smallest scale from which on a forecast has the variability of the truth.

Structure functions and power spectra both measure how much of a field varies at which scale. This module holds what
they share: the variables that are measured, the ratio of forecast to truth at each scale, and the scale from which on
that ratio stays between one half and two. A ratio that is too small is the sign of a blurred field; one that is too
large is the sign of noise, which resolves nothing.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import pandas as pd

from gensim_graph.evaluate.tally import TRUTH, Step, Tally, by_model
from gensim_graph.evaluate.verification import Verification
from gensim_graph.typing import Array
from gensim_graph.variables import vector_pairs

RESOLVED_RATIO = 0.5
"""Smallest ratio of forecast to truth that counts as resolved; the largest one is its inverse, 2."""


class ScaleTally(Tally):
    """Gather the variability of every variable by scale, and compare it with the truth.

    A subclass implements :meth:`variability` and names two columns of the table.

    Args:
        matched: the forecast beside the truth.
        applies: False if the mesh does not allow the measurement; the table is then empty.

    Attributes:
        scale_column: name of the column of the scales, in km.
        value_column: name of the column of the variability.
    """

    scale_column: ClassVar[str]
    value_column: ClassVar[str]

    def __init__(self, matched: Verification, applies: bool) -> None:
        self._components = components(matched) if applies else {}
        self._values: dict[tuple[str, str, float], list[Array]] = {}
        self._scales: Array = np.zeros(0)

    @abstractmethod
    def variability(self, step: Step, parts: tuple[str, ...]) -> tuple[Array, Array]:
        """Measure one scalar or vector at one step.

        Args:
            step: the fields of one model at one instant.
            parts: names of the components, one for a scalar.

        Returns:
            Scales (R,) in m, ascending, and the variability (R,) at each of them in units squared, summed over the
            components and averaged over the members.
        """

    def add(self, step: Step) -> None:
        """Add a step."""
        for name, parts in self._components.items():
            self._scales, values = self.variability(step, parts)
            self._values.setdefault((step.model, name, step.hours), []).append(values)

    def table(self) -> pd.DataFrame:
        """Return one row per model, variable, lead time and scale.

        Returns:
            Columns model, variable (a vector is one variable: ``siu, siv``), lead_hours, the scale (km), the
            variability (units squared, mean over members and starts), ratio (to the truth) and resolved_km, the
            effective resolution.
        """
        means = {key: np.mean(values, axis=0) for key, values in self._values.items()}
        rows = []

        for (model, name, hours), values in means.items():
            truth = means[TRUTH, name, hours]
            ratio = np.divide(values, truth, out=np.full(len(truth), np.nan), where=truth > 0)
            resolved = 1e-3 * resolved_scale(self._scales, ratio)

            for row in zip(1e-3 * self._scales, values, ratio, strict=True):
                rows.append((model, name, hours, *row, resolved))

        columns = ["model", "variable", "lead_hours", self.scale_column, self.value_column, "ratio", "resolved_km"]
        return by_model(pd.DataFrame(rows, columns=columns))


def components(matched: Verification) -> dict[str, tuple[str, ...]]:
    """Return the components of every scalar and vector of a forecast: name -> names of the components.

    A vector has one entry, ``"siu, siv": ("siu", "siv")``.
    """
    found: dict[str, tuple[str, ...]] = {variable.name: (variable.name,) for variable in matched.variables}

    for x, y in vector_pairs(matched.variables):
        first, second = matched.variables[x].name, matched.variables[y].name
        del found[first], found[second]
        found[f"{first}, {second}"] = (first, second)

    return found


def resolved_scale(scales: Array, ratio: Array, level: float = RESOLVED_RATIO) -> float:
    """Return the smallest scale from which on the ratio of forecast to truth stays between ``level`` and 1 / ``level``.

    Args:
        scales: (R,) ascending.
        ratio: (R,) variability of the forecast over that of the truth at each scale; NaN is ignored.
        level: smallest ratio that counts as resolved; the largest one is its inverse.

    Returns:
        The scale, interpolated in its logarithm, in the units of ``scales``. The smallest scale if the ratio is within
        the limits everywhere; NaN if it is beyond them at the largest scale.
    """
    scales, ratio = scales[np.isfinite(ratio)], ratio[np.isfinite(ratio)]
    unresolved = np.flatnonzero((ratio < level) | (ratio > 1 / level))

    if len(ratio) == 0 or len(ratio) - 1 in unresolved:
        return float("nan")
    if len(unresolved) == 0:
        return float(scales[0])

    last = unresolved[-1]
    limit = level if ratio[last] < level else 1 / level
    share = (limit - ratio[last]) / (ratio[last + 1] - ratio[last])

    return float(scales[last] * (scales[last + 1] / scales[last]) ** share)

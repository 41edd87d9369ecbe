"""Means and deviations of state, forcing and residual, computed from the data and kept with the model.

A vector has mean zero and one deviation for both components: anything else would tie the model to the frame.
Deviations of the residual belong to a lead time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, vector_pairs

Moments = dict[str, tuple[float, float]]
"""Mean and standard deviation by name."""


@dataclass(frozen=True)
class Statistics:
    """Normalisation of a model.

    Attributes:
        lead_hours: lead time of the residual.
        values: mean and deviation of every variable that the data have.
        residuals: mean and deviation of the change of every state variable over the lead time.
    """

    lead_hours: float
    values: Moments = field(default_factory=dict)
    residuals: Moments = field(default_factory=dict)

    def of_values(self, variables: Iterable[Variable]) -> tuple[Array, Array]:
        """Means and deviations in order; 0 and 1 for a variable that the data lack."""
        return _columns(self.values, variables)

    def of_residuals(self, variables: Iterable[Variable]) -> tuple[Array, Array]:
        """Means and deviations of the residual in order."""
        return _columns(self.residuals, variables)

    def present(self, variables: Iterable[Variable]) -> Array:
        """Which variables the data have."""
        return np.array([variable.name in self.values for variable in variables])

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return {"lead_hours": self.lead_hours, "values": self.values, "residuals": self.residuals}

    @classmethod
    def from_dict(cls, rows: Mapping[str, object]) -> "Statistics":
        """Inverse of :meth:`to_dict`."""
        values, residuals = ({k: (m, s) for k, (m, s) in rows[key].items()} for key in ("values", "residuals"))  # type: ignore[attr-defined]
        return cls(float(rows["lead_hours"]), values, residuals)  # type: ignore[arg-type]


def _columns(moments: Moments, variables: Iterable[Variable]) -> tuple[Array, Array]:
    rows = [moments.get(variable.name, (0.0, 1.0)) for variable in variables]
    mean, std = np.array(rows, dtype=np.float32).reshape(-1, 2).T
    return mean, std


CONSTANT = 1e-6
"""Deviation over the mean up to which a variable is taken as constant: what is left is rounding."""


class RunningMoments:
    """Mean and deviation of columns, added chunk by chunk in float64 (Chan et al. 1979)."""

    def __init__(self, variables: tuple[Variable, ...]) -> None:
        self.variables = variables
        self.count = np.zeros(len(variables))
        self.mean = np.zeros(len(variables))
        self.squared = np.zeros(len(variables))  # sum of the squared distances from the mean

    def add(self, values: Array, present: Array) -> None:
        """Add values (..., variable); columns that are not present are passed over."""
        rows = values.reshape(-1, len(self.variables)).astype(np.float64)
        if not len(rows):
            return

        mean = rows.mean(axis=0)
        squared = ((rows - mean) ** 2).sum(axis=0)
        count, shift = self.count + len(rows), mean - self.mean
        share = len(rows) / count
        self.squared += (squared + shift**2 * self.count * share) * present
        self.mean += shift * share * present
        self.count = np.where(present, count, self.count)

    def moments(self, what: str) -> Moments:
        """Mean and deviation of every variable seen; the deviation of a constant one is 1.

        Raises:
            InputError: a state variable that never changes cannot be learned.
        """
        mean = self.mean.copy()
        variance = self.squared / np.maximum(self.count, 1)

        for x, y in vector_pairs(self.variables):
            variance[[x, y]] = (variance[[x, y]] + mean[[x, y]] ** 2).mean()
            mean[[x, y]] = 0.0

        seen = {}
        for index, variable in enumerate(self.variables):
            if self.count[index] == 0:
                continue

            std = float(np.sqrt(variance[index]))
            constant = std <= CONSTANT * max(abs(mean[index]), np.finfo(np.float32).tiny)

            if constant and what == "residual":
                raise InputError(
                    f"variable '{variable.name}' never changes in the training data, so its residual has no deviation; "
                    "leave it out of the data"
                )

            seen[variable.name] = (float(mean[index]), 1.0 if constant else std)

        return seen


def compute_statistics(
    chunks: Iterable[tuple[Array, Array, Array, Array]],
    table: VariableTable,
    present: Mapping[str, bool],
    lead_hours: float,
) -> Statistics:
    """Statistics of an iterable of (state, residual, forcing, slow), each (..., variable)."""
    state, residual = RunningMoments(table.state), RunningMoments(table.state)
    forcing, slow = RunningMoments(table.forcing), RunningMoments(table.slow)

    for parts in chunks:
        for running, values in zip((state, residual, forcing, slow), parts, strict=True):
            running.add(values, np.array([present[v.name] for v in running.variables]))

    moments = state.moments("state") | forcing.moments("forcing") | slow.moments("slow")
    return Statistics(lead_hours, moments, residual.moments("residual"))

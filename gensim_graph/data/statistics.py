"""Means, standard deviations and ranges of state, forcing and residual, computed from the data, saved with the model.

Both components of a vector have mean zero and the same deviation; otherwise the model would depend on the direction of
the axes. The statistics of the residual are valid for one lead time.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gensim_graph.errors import InputError
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, vector_pairs

Moments = dict[str, tuple[float, float]]
"""Mean and standard deviation by name."""

Ranges = dict[str, tuple[float, float]]
"""Smallest and largest value by name."""

_CONSTANT = 1e-6
"""A variable is constant if its deviation divided by its mean is smaller than this: the rest is rounding."""


@dataclass(frozen=True)
class Statistics:
    """Means and standard deviations for the normalisation, and ranges, in the units of the variable table.

    Attributes:
        lead_hours: lead time of the residual, h.
        values: variable -> (mean, deviation), for every variable that the data have.
        residuals: state variable -> (mean, deviation) of its change over the lead time; of transported variables, of
            the change beyond their transport by the drift; of the drift, of the change beyond its linear response.
        transported: names of the state variables whose residual is what their transport by the drift leaves.
        response: coefficients of the linear response of the drift (:mod:`~gensim_graph.data.drift_response`); none if
            the residual of the drift is its whole change.
        optional: names of the variables that some of the training data lacked: the model can do without them.
        ranges: variable -> (smallest, largest) value in the data; of both components of a vector, minus and plus its
            largest magnitude. Models of earlier versions have none.

    Example:
        >>> import gensim_graph as gg
        >>> statistics = gg.Surrogate.load("small").normaliser.statistics
        >>> statistics.lead_hours
        12.0
        >>> mean, deviation = statistics.values["sit"]
        >>> print(f"{mean:.2f} m, {deviation:.2f} m")
        1.05 m, 0.81 m
    """

    lead_hours: float
    values: Moments = field(default_factory=dict)
    residuals: Moments = field(default_factory=dict)
    transported: tuple[str, ...] = ()
    response: Moments = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    ranges: Ranges = field(default_factory=dict)

    def without(self, names: Iterable[str]) -> "Statistics":
        """Return the statistics for data that lack some variables, which then count as absent.

        Args:
            names: of the variables; names that the statistics do not have are allowed.
        """
        left_out = set(names)
        values, residuals = (
            {name: moments for name, moments in rows.items() if name not in left_out}
            for rows in (self.values, self.residuals)
        )
        return replace(self, values=values, residuals=residuals)

    def covering(self, other: "Statistics") -> "Statistics":
        """Return the same scales, with ranges that include those of other data; unknown ranges stay unknown.

        Args:
            other: of the data that a trained model continues with.
        """
        ranges = {}
        for name, own in self.ranges.items():
            both = (own, other.ranges.get(name, own))
            ranges[name] = min(low for low, _ in both), max(high for _, high in both)

        return replace(self, ranges=ranges)

    def of_values(self, variables: Iterable[Variable]) -> tuple[Array, Array]:
        """Return means and deviations, (variable,) each; 0 and 1 for a variable that the data lack."""
        return _columns(self.values, variables)

    def of_residuals(self, variables: Iterable[Variable]) -> tuple[Array, Array]:
        """Return means and deviations of the residual, (variable,) each."""
        return _columns(self.residuals, variables)

    def present(self, variables: Iterable[Variable]) -> Array:
        """Return (variable,) True for the variables that the data have."""
        return np.array([variable.name in self.values for variable in variables])

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON."""
        rows: dict[str, object] = {"lead_hours": self.lead_hours, "values": self.values, "residuals": self.residuals}
        rows |= {"transported": list(self.transported)} if self.transported else {}
        rows |= {"optional": list(self.optional)} if self.optional else {}
        rows |= {"ranges": self.ranges} if self.ranges else {}
        return rows | ({"response": self.response} if self.response else {})

    @classmethod
    def from_dict(cls, rows: Mapping[str, object]) -> "Statistics":
        """Read what :meth:`to_dict` returned."""
        values, residuals = (_moments_from(rows[key]) for key in ("values", "residuals"))
        transported: Any = rows.get("transported", ())  # models of earlier versions have none, and no response
        optional: Any = rows.get("optional", ())
        response, ranges = (_moments_from(rows.get(key, {})) for key in ("response", "ranges"))
        hours: Any = rows["lead_hours"]
        return cls(float(hours), values, residuals, tuple(transported), response, tuple(optional), ranges)


def _moments_from(rows: Any) -> Moments:
    """JSON has lists in place of tuples."""
    return {name: (first, second) for name, (first, second) in rows.items()}


def _columns(moments: Moments, variables: Iterable[Variable]) -> tuple[Array, Array]:
    rows = [moments.get(variable.name, (0.0, 1.0)) for variable in variables]
    mean, std = np.array(rows, dtype=np.float32).reshape(-1, 2).T
    return mean, std


class RunningMoments:
    """Mean, deviation and range of variables, accumulated chunk by chunk in float64 (Chan et al. 1979).

    Args:
        variables: the variables, in the order of the columns.

    Attributes:
        count: (variable,) number of values.
        mean: (variable,) their mean.
        squared: (variable,) sum of the squared distances from the mean.
        extent: (2, variable) smallest and largest value; of a vector, minus and plus its largest magnitude. NaN if
            some of the values came without their range.
    """

    def __init__(self, variables: tuple[Variable, ...]) -> None:
        self.variables = variables
        self.extent = _no_values((2, len(variables)))
        self.count = np.zeros(len(variables))
        self.mean = np.zeros(len(variables))
        self.squared = np.zeros(len(variables))

    def add(self, values: Array, present: Array) -> None:
        """Add a chunk of values.

        Args:
            values: (..., variable).
            present: (variable,) False for variables to leave out.
        """
        rows = values.reshape(-1, len(self.variables)).astype(np.float64)
        if not len(rows):
            return

        mean = rows.mean(axis=0)
        squared = ((rows - mean) ** 2).sum(axis=0)
        self._combine(np.where(present, len(rows), 0), mean, squared)
        self._extend(np.where(present, extent_of(rows, self.variables), _no_values(self.extent.shape)))

    def merge(self, count: Array, mean: Array, squared: Array, extent: Array | None = None) -> None:
        """Add the moments of many chunks, as :attr:`count`, :attr:`mean`, :attr:`squared` and :attr:`extent` of each.

        Args:
            count: (chunk, variable) number of values; 0 leaves a chunk out.
            mean: (chunk, variable) means.
            squared: (chunk, variable) sums of the squared distances from the mean of the chunk.
            extent: (chunk, 2, variable) smallest and largest values; None if they are not known.
        """
        unknown = np.full((len(count), *self.extent.shape), np.nan)
        extents = np.where((count > 0)[:, None], unknown if extent is None else extent, _no_values(unknown.shape))
        for one in extents:
            self._extend(one)

        total = count.sum(axis=0)
        whole = (count * mean).sum(axis=0) / np.maximum(total, 1)
        between = count * (mean - whole) ** 2
        self._combine(total, whole, (np.where(count > 0, squared, 0.0) + between).sum(axis=0))

    def _combine(self, added: Array, mean: Array, squared: Array) -> None:
        """Join two sets of values (Chan et al. 1979, equation 2.1)."""
        count = self.count + added
        shift = mean - self.mean
        share = added / np.maximum(count, 1)

        self.squared += np.where(added > 0, squared + shift**2 * self.count * share, 0.0)
        self.mean += np.where(added > 0, shift * share, 0.0)
        self.count = count

    def _extend(self, extent: Array) -> None:
        self.extent = np.stack([np.minimum(self.extent[0], extent[0]), np.maximum(self.extent[1], extent[1])])

    def ranges(self) -> Ranges:
        """Return the range of every variable that was present and whose range is known."""
        return {
            variable.name: (float(smallest), float(largest))
            for variable, smallest, largest in zip(self.variables, *self.extent, strict=True)
            if np.isfinite(smallest) and np.isfinite(largest)
        }

    def moments(self, what: str) -> Moments:
        """Return mean and deviation of every variable that was present; the deviation of a constant variable is 1.

        Args:
            what: ``residual`` refuses variables that never change.

        Raises:
            InputError: the residual of a variable is constant, so it cannot be learned.
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
            constant = std <= _CONSTANT * max(abs(mean[index]), np.finfo(np.float32).tiny)

            if constant and what == "residual":
                raise InputError(
                    f"variable '{variable.name}' never changes in the training data, so its residual has no deviation; "
                    "leave it out of the data"
                )

            seen[variable.name] = (float(mean[index]), 1.0 if constant else std)

        return seen


def extent_of(values: Array, variables: Sequence[Variable]) -> Array:
    """Return the smallest and the largest value of each variable; of a vector, minus and plus its largest magnitude.

    Args:
        values: (n, variable).
        variables: in the order of the columns.

    Returns:
        (2, variable) in the units of the values.
    """
    extent = np.stack([values.min(axis=0), values.max(axis=0)])
    for x, y in vector_pairs(variables):
        fastest = np.hypot(values[:, x], values[:, y]).max()
        extent[:, [x, y]] = [[-fastest], [fastest]]

    return extent


def _no_values(shape: tuple[int, ...]) -> Array:
    """Extent (..., 2, variable) of no values: any value is smaller and larger."""
    extent = np.empty(shape)
    extent[..., 0, :], extent[..., 1, :] = np.inf, -np.inf
    return extent


class TrainingMoments:
    """Moments of all that a training normalises: state, its residual, forcing and slow inputs.

    Args:
        table: the variable table.
        present: variable -> whether the data have it.

    Attributes:
        state: moments of the state.
        residual: moments of the change of the state over the lead time.
        forcing: moments of the forcing.
        slow: moments of the slow inputs.
    """

    def __init__(self, table: VariableTable, present: Mapping[str, bool]) -> None:
        self.table, self._present = table, present
        self.state, self.residual = RunningMoments(table.state), RunningMoments(table.state)
        self.forcing, self.slow = RunningMoments(table.forcing), RunningMoments(table.slow)

    def add(
        self, state: Array, residual: Array, forcing: Array, slow: Array, present: Mapping[str, bool] | None = None
    ) -> None:
        """Add a piece of the data.

        Args:
            state: (..., variable).
            residual: (..., variable).
            forcing: (..., variable).
            slow: (..., variable).
            present: variable -> whether this piece has it; None if it has all that are counted.
        """
        here = {name: has and (present is None or present[name]) for name, has in self._present.items()}
        running = (self.state, self.residual, self.forcing, self.slow)
        for moments, values in zip(running, (state, residual, forcing, slow), strict=True):
            moments.add(values, np.array([here[variable.name] for variable in moments.variables]))

    def statistics(self, lead_hours: float) -> Statistics:
        """Return the statistics of all that was added.

        Args:
            lead_hours: lead time of the residual, h.

        Raises:
            InputError: a state variable never changes.
        """
        values = self.state.moments("state") | self.forcing.moments("forcing") | self.slow.moments("slow")
        ranges = self.state.ranges() | self.forcing.ranges() | self.slow.ranges()
        return Statistics(lead_hours, values, self.residual.moments("residual"), ranges=ranges)

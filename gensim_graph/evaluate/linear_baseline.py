"""Linear regression of the change over one lead step, the same for every cell: a baseline that knows the wind.

:class:`LinearBaseline` is the second forecast, after persistence, that a surrogate must beat. Its regression keeps the
symmetry of the surrogate: a forecast in a rotated frame is the rotated forecast.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.baselines import as_initial_state, baseline_dataset, with_forecast_dims
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, default_variables, vector_pairs

Sample = tuple[Array, Array, Array, Array]
"""State at t, forcing at t, forcing at t + lead, state at t + lead, each (channel, face)."""


@dataclass(frozen=True)
class LinearBaseline:
    """Least-squares regression of the change over one lead step, the same for every cell, applied step after step.

    Vectors are complex numbers u + iv, along the axes of the plane of the mesh. They are regressed on the vectors
    alone (drift at t, winds at t and t + lead) with complex coefficients and without a constant. A rotation of the
    frame multiplies both sides by exp(i phi), so the forecast rotates with its frame. Scalars are regressed on the
    scalars, the speeds of all vectors, and a constant. Values beyond the bounds of a variable are clipped.

    Attributes:
        variables: the variable table; its order is the order of the channels.
        vector_weights: (vector features, vectors of the state) complex.
        scalar_weights: (scalar features, scalars of the state).

    Example:
        The drift is 2 % of the wind at the end of the step. The regression finds this from random samples and applies
        it to a state at rest:

        >>> import numpy as np
        >>> from gensim_graph.evaluate import LinearBaseline
        >>> from gensim_graph.variables import Variable, VariableTable
        >>> table = VariableTable(
        ...     (
        ...         Variable("siu", "state", "m s-1", vector="siv"),
        ...         Variable("siv", "state", "m s-1", vector="siu"),
        ...         Variable("uas", "forcing", "m s-1", vector="vas"),
        ...         Variable("vas", "forcing", "m s-1", vector="uas"),
        ...     )
        ... )
        >>> rng = np.random.default_rng(0)
        >>> drift, wind, next_wind = rng.normal(size=(3, 2, 100))
        >>> model = LinearBaseline.fit([(drift, wind, next_wind, 0.02 * next_wind)], table)
        >>> at_rest, calm = np.zeros((2, 1)), np.zeros((2, 1))
        >>> model.step(at_rest, calm, next_forcing=np.array([[10.0], [5.0]])).round(3)
        array([[0.2],
               [0.1]])
    """

    variables: VariableTable
    vector_weights: Array
    scalar_weights: Array

    @classmethod
    def fit(cls, pairs: Iterable[Sample], variables: VariableTable | None = None) -> "LinearBaseline":
        """Fit the regression to samples, in one pass; memory does not grow with their number.

        Args:
            pairs: (state at t, forcing at t, forcing at t + lead, state at t + lead), each (channel, face) in the
                order of the table and in its units; an absent variable is zero.
            variables: by default the variable table that ships.

        Raises:
            InputError: there are no pairs, or their number of channels is not that of the table.
        """
        table = variables or default_variables()
        vectors, scalars = _NormalEquations(), _NormalEquations()

        for state, forcing, next_forcing, next_state in pairs:
            _check_channels(table, state, forcing, next_forcing, next_state)
            change = np.asarray(next_state, np.float64) - state
            vector_change, scalar_change = _split(change, table.state)
            vector_features, scalar_features = _features(state, forcing, next_forcing, table)
            vectors.add(vector_features, vector_change)
            scalars.add(scalar_features, scalar_change)

        if vectors.samples == 0:
            raise InputError(
                "linear baseline: there are no pairs to fit; the data needs at least two times one lead step apart"
            )

        return cls(table, vectors.solution(), scalars.solution())

    def step(self, state: Array, forcing: Array, next_forcing: Array) -> Array:
        """Compute the state one lead step later, clipped to the bounds.

        Args:
            state: (..., channel, face) at t, in the units of the variable table.
            forcing: (..., channel, face) at t.
            next_forcing: (..., channel, face) at t + lead.

        Returns:
            (..., channel, face) state at t + lead.
        """
        vectors, scalars = _features(state, forcing, next_forcing, self.variables)
        drift = np.einsum("...if,ij->...jf", vectors, self.vector_weights)
        change = np.einsum("...if,ij->...jf", scalars, self.scalar_weights)

        new = np.array(state, dtype=np.float64)
        x, y, rest = _positions(self.variables.state)
        new[..., x, :] += drift.real
        new[..., y, :] += drift.imag
        new[..., rest, :] += change

        lower = np.array([variable.lower for variable in self.variables.state])
        upper = np.array([variable.upper for variable in self.variables.state])

        return np.clip(new, lower[:, None], upper[:, None])

    def forecast(
        self, initial: xr.Dataset, forcing: xr.Dataset, lead_times: Sequence[np.timedelta64] | Array
    ) -> xr.Dataset:
        """Forecast over consecutive lead steps.

        Args:
            initial: state with a coordinate ``time``: dims (face) or (time, face), where every time is a start.
            forcing: dims (time, face); it must contain the starts and every valid time.
            lead_times: timedelta64, the multiples 1, 2, ... of the lead step of the fit; zero may come before them.

        Returns:
            Dims ([start], member, lead_time, face), a single member.

        Raises:
            InputError: the lead times are not such multiples, or the forcing lacks a time.
        """
        leads = _regular_leads(lead_times)
        initial = as_initial_state(initial)
        has_starts = "start" in initial.dims
        starts = initial["start" if has_starts else "time"].values

        states = self._states(_stack(initial, self.variables.state), forcing, starts, leads)
        dims = ("lead_time", "start", "face") if has_starts else ("lead_time", "face")
        fields = {}

        for channel, variable in enumerate(self.variables.state):
            if variable.name in initial:
                field = xr.DataArray(states[..., channel, :], dims=dims, attrs=variable.attrs)
                fields[variable.name] = with_forecast_dims(field)

        lead_time = xr.DataArray(leads, dims="lead_time", name="lead_time")
        return baseline_dataset("linear regression", initial, fields, lead_time)

    def _states(self, state: Array, forcing: xr.Dataset, starts: Array | np.datetime64, leads: Array) -> Array:
        """States (lead_time, ..., channel, face) at all lead times."""
        states = []
        before = self._forcing(forcing, starts)

        for lead in leads:
            if lead > np.timedelta64(0):
                after = self._forcing(forcing, starts + lead)
                state = self.step(state, before, after)
                before = after
            states.append(state)

        return np.stack(states)

    def _forcing(self, forcing: xr.Dataset, times: Array | np.datetime64) -> Array:
        missing = np.setdiff1d(times, forcing["time"].values)
        if missing.size:
            raise InputError(
                f"forcing: time {missing[0]} is missing; the linear baseline needs it at every start and valid time"
            )

        return _stack(forcing.sel(time=times), self.variables.forcing)


class _NormalEquations:
    """Sums X^H X and X^H Y over samples, and their minimum-norm solution."""

    def __init__(self) -> None:
        self.samples = 0
        self._gram: Array = np.zeros(())
        self._moment: Array = np.zeros(())

    def add(self, features: Array, targets: Array) -> None:
        """Add samples.

        Args:
            features: (feature, face).
            targets: (target, face).
        """
        conjugate = features.conj()
        self._gram = self._gram + conjugate @ features.T
        self._moment = self._moment + conjugate @ targets.T
        self.samples += features.shape[1]

    def solution(self) -> Array:
        """Solve for the coefficients (feature, target).

        A feature that is zero in all samples, such as an absent variable, gets the coefficient zero.
        """
        # Features differ in size by orders of magnitude (K, kg/kg): scale them for a well-conditioned system.
        size = np.sqrt(self._gram.diagonal().real)
        size = np.where(size > 0, size, 1.0)

        gram = self._gram / np.outer(size, size)
        moment = self._moment / size[:, None]
        scaled = np.linalg.lstsq(gram, moment, rcond=1e-11)[0]

        return np.asarray(scaled / size[:, None])


def _features(state: Array, forcing: Array, next_forcing: Array, table: VariableTable) -> tuple[Array, Array]:
    """Complex vectors, and scalars with the speeds of the vectors and a constant; both (..., feature, face)."""
    parts = [_split(np.asarray(state, np.float64), table.state)]
    parts += [_split(np.asarray(values, np.float64), table.forcing) for values in (forcing, next_forcing)]

    vectors = np.concatenate([vector for vector, _ in parts], axis=-2)
    constant = np.ones_like(parts[0][1][..., :1, :])
    scalars = np.concatenate([*(scalar for _, scalar in parts), np.abs(vectors), constant], axis=-2)

    return vectors, scalars


def _split(values: Array, variables: Sequence[Variable]) -> tuple[Array, Array]:
    """Vectors as complex numbers, and scalars: both (..., channel, face)."""
    x, y, rest = _positions(variables)
    return values[..., x, :] + 1j * values[..., y, :], values[..., rest, :]


def _positions(variables: Sequence[Variable]) -> tuple[list[int], list[int], list[int]]:
    """Channels of the x components, of the y components, and of the scalars."""
    pairs = vector_pairs(variables)
    x, y = [i for i, _ in pairs], [j for _, j in pairs]
    return x, y, [i for i in range(len(variables)) if i not in {*x, *y}]


def _check_channels(table: VariableTable, state: Array, forcing: Array, next_forcing: Array, next_state: Array) -> None:
    expected = (len(table.state), len(table.forcing), len(table.forcing), len(table.state))
    got = tuple(len(values) for values in (state, forcing, next_forcing, next_state))

    if got != expected:
        raise InputError(
            f"linear baseline: pairs have {got} channels (state, forcing twice, state); the table has {expected}"
        )


def _regular_leads(lead_times: Sequence[np.timedelta64] | Array) -> Array:
    """Lead times as timedelta64[ns]; they must be 1, 2, ... times the first one that is not zero."""
    leads = np.asarray(lead_times).astype("timedelta64[ns]")
    first = 0 if (leads[:1] == np.timedelta64(0)).any() else 1
    step = leads[1 - first : 2 - first]

    if step.size == 0 or not np.array_equal(leads, step * np.arange(first, first + len(leads))):
        hours = [f"{lead / np.timedelta64(1, 'h'):g}" for lead in leads]
        raise InputError(f"linear baseline: lead times must be 1, 2, ... times its step; got {', '.join(hours)} h")

    return leads


def _stack(dataset: xr.Dataset, variables: Sequence[Variable]) -> Array:
    """Variables as channels, (..., channel, face); an absent one is zero."""
    present = {v.name: dataset[v.name].values.astype(np.float64) for v in variables if v.name in dataset}
    shape = next(iter(present.values())).shape if present else ()
    return np.stack([present.get(v.name, np.zeros(shape)) for v in variables], axis=-2)

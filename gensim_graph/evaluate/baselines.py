"""Forecasts that a surrogate must beat: persistence, and a linear regression cell by cell.

Both give a dataset of the same form as a forecast, with a single member.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.io import has_topology, mesh_from_dataset, mesh_to_dataset
from gensim_graph.typing import Array
from gensim_graph.variables import Variable, VariableTable, default_variables, vector_pairs

Sample = tuple[Array, Array, Array, Array]


def persistence(
    initial: xr.Dataset, lead_times: Sequence[np.timedelta64] | Array, variables: VariableTable | None = None
) -> xr.Dataset:
    """The initial state, unchanged at every lead time.

    Args:
        initial: state with a coordinate ``time``: dims (face) or (time, face), where every time is a start.
        lead_times: timedelta64.
        variables: its state variables are kept, other time-dependent ones are left out.

    Returns:
        Dims ([start], member, lead_time, face); ``start`` where the initial state has more than one time.
    """
    initial = _one_start_or_many(initial)
    state = [variable.name for variable in (variables or default_variables()).state if variable.name in initial]
    leads = xr.DataArray(np.asarray(lead_times).astype("timedelta64[ns]"), dims="lead_time", name="lead_time")
    fields = {name: _as_forecast(initial[name].expand_dims(lead_time=leads.values)) for name in state}
    return _forecast_dataset("persistence", initial, fields, leads)


def persistence_beside(forecast: xr.Dataset, truth: xr.Dataset, variables: VariableTable | None = None) -> xr.Dataset:
    """Persistence of the truth from the starts of a forecast, at its valid times.

    Raises:
        InputError: the truth does not hold the starts.
    """
    starts = (forecast["valid_time"] - forecast["lead_time"]).isel(lead_time=0)
    missing = np.setdiff1d(starts.values, truth["time"].values)

    if missing.size:
        raise InputError(
            f"truth: it lacks {missing.size} starts of the forecast, the first is {missing[0]}; persistence needs them"
        )

    return persistence(truth.sel(time=np.atleast_1d(starts.values)), forecast["lead_time"].values, variables)


@dataclass(frozen=True)
class LinearBaseline:
    """Least-squares regression of the change over one lead step, the same for every cell, applied step after step.

    Vectors are regressed as complex numbers u + iv on the vectors alone: drift at t, winds at t and t + lead, with
    complex coefficients and no constant. A rotation of the frame multiplies both sides by exp(i phi), so the forecast
    turns with its frame. Scalars are regressed on the scalars, the speeds of all vectors, and a constant. What the
    regression sends beyond the bounds is clipped.

    Attributes:
        variables: the table that gives the channels their meaning.
        vector_weights: (vector features, vectors of the state) complex.
        scalar_weights: (scalar features, scalars of the state).
    """

    variables: VariableTable
    vector_weights: Array
    scalar_weights: Array

    @classmethod
    def fit(cls, pairs: Iterable[Sample], variables: VariableTable | None = None) -> "LinearBaseline":
        """Fit on samples, one pass, in memory that does not grow with their number.

        Args:
            pairs: (state at t, forcing at t, forcing at t + lead, state at t + lead), each (channel, face) in the
                order of the table and in its units; an absent variable is zero.
            variables: the table that ships when not given.

        Raises:
            InputError: no pairs, or another number of channels than the table has.
        """
        table = variables or default_variables()
        vectors, scalars = _NormalEquations(), _NormalEquations()

        for state, forcing, next_forcing, next_state in pairs:
            _check_channels(table, state, forcing, next_forcing, next_state)
            change = _split(np.asarray(next_state, np.float64) - state, table.state)
            features = _features(state, forcing, next_forcing, table)
            vectors.add(features[0], change[0])
            scalars.add(features[1], change[1])

        if vectors.samples == 0:
            raise InputError(
                "linear baseline: there are no pairs to fit; the data needs at least two times one lead step apart"
            )

        return cls(table, vectors.solution(), scalars.solution())

    def step(self, state: Array, forcing: Array, next_forcing: Array) -> Array:
        """State one lead step later: (..., channel, face) -> the same, clipped to the bounds."""
        vectors, scalars = _features(state, forcing, next_forcing, self.variables)
        drift = np.einsum("...if,ij->...jf", vectors, self.vector_weights)
        change = np.einsum("...if,ij->...jf", scalars, self.scalar_weights)
        new = np.array(state, dtype=np.float64)
        x, y, rest = _positions(self.variables.state)
        new[..., x, :] += drift.real
        new[..., y, :] += drift.imag
        new[..., rest, :] += change
        lower, upper = (
            np.array([getattr(v, bound) for v in self.variables.state])[:, None] for bound in ("lower", "upper")
        )

        return np.clip(new, lower, upper)

    def forecast(
        self, initial: xr.Dataset, forcing: xr.Dataset, lead_times: Sequence[np.timedelta64] | Array
    ) -> xr.Dataset:
        """Forecast over lead times that follow each other by the step of the fit.

        Args:
            initial: state with a coordinate ``time``: dims (face) or (time, face), where every time is a start.
            forcing: dims (time, face); it must hold the starts and every valid time.
            lead_times: timedelta64, multiples 1, 2, ... of the lead step of the fit; zero may stand before them.

        Returns:
            Dims ([start], member, lead_time, face), a single member.

        Raises:
            InputError: lead times that are no such multiples, or a time that the forcing lacks.
        """
        leads = _regular_leads(lead_times)
        initial = _one_start_or_many(initial)
        starts = initial["start" if "start" in initial.dims else "time"].values
        present = [variable for variable in self.variables.state if variable.name in initial]
        state = _stack(initial, self.variables.state)
        states, before = [], self._forcing(forcing, starts)

        for lead in leads:
            if lead > np.timedelta64(0):
                after = self._forcing(forcing, starts + lead)
                state, before = self.step(state, before, after), after
            states.append(state)

        lead_time = xr.DataArray(leads, dims="lead_time", name="lead_time")
        dims = ("lead_time", "start", "face") if "start" in initial.dims else ("lead_time", "face")
        channels = {variable.name: channel for channel, variable in enumerate(self.variables.state)}

        fields = {
            v.name: _as_forecast(
                xr.DataArray(np.stack([s[..., channels[v.name], :] for s in states]), dims=dims, attrs=v.attrs)
            )
            for v in present
        }
        return _forecast_dataset("linear regression", initial, fields, lead_time)

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
        """Add samples: (feature, face) and (target, face)."""
        conjugate = features.conj()
        self._gram = self._gram + conjugate @ features.T
        self._moment = self._moment + conjugate @ targets.T
        self.samples += features.shape[1]

    def solution(self) -> Array:
        """Coefficients (feature, target); zero for features that are zero throughout, as absent variables are."""
        scale = np.sqrt(self._gram.diagonal().real)
        scale = np.where(scale > 0, scale, 1.0)  # features of very different size, as K and kg/kg, in one system
        scaled = np.linalg.lstsq(self._gram / np.outer(scale, scale), self._moment / scale[:, None], rcond=1e-11)[0]
        return np.asarray(scaled / scale[:, None])


def _features(state: Array, forcing: Array, next_forcing: Array, table: VariableTable) -> tuple[Array, Array]:
    """Complex vectors (..., feature, face), and scalars with the speeds and a constant (..., feature, face)."""
    parts = [_split(np.asarray(state, np.float64), table.state)]
    parts += [_split(np.asarray(values, np.float64), table.forcing) for values in (forcing, next_forcing)]
    vectors = np.concatenate([vector for vector, _ in parts], axis=-2)
    constant = np.ones_like(parts[0][1][..., :1, :])
    return vectors, np.concatenate([*(scalar for _, scalar in parts), np.abs(vectors), constant], axis=-2)


def _split(values: Array, variables: Sequence[Variable]) -> tuple[Array, Array]:
    x, y, rest = _positions(variables)
    return values[..., x, :] + 1j * values[..., y, :], values[..., rest, :]


def _positions(variables: Sequence[Variable]) -> tuple[list[int], list[int], list[int]]:
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


def _one_start_or_many(initial: xr.Dataset) -> xr.Dataset:
    if "time" not in initial.coords:
        raise InputError("initial state: coordinate 'time' is missing; it says when the forecast starts")
    if "time" not in initial.dims:
        return initial
    return initial.isel(time=0) if initial.sizes["time"] == 1 else initial.rename(time="start")


def _as_forecast(field: xr.DataArray) -> xr.DataArray:
    return field.expand_dims("member").transpose(
        *(["start"] if "start" in field.dims else []), "member", "lead_time", ...
    )


def _forecast_dataset(
    title: str, initial: xr.Dataset, fields: dict[str, xr.DataArray], lead_time: xr.DataArray
) -> xr.Dataset:
    """Fields with the coordinates of a forecast and the mesh of the initial state."""
    start = initial["start" if "start" in initial.dims else "time"]
    topology = mesh_to_dataset(mesh_from_dataset(initial)) if has_topology(initial) else xr.Dataset()
    dataset = topology.assign(fields).drop_vars("time", errors="ignore")

    dataset.attrs = {
        "title": title,
        "Conventions": "CF-1.8 UGRID-1.0",
    }  # those of the initial state speak of its source
    return dataset.assign_coords(lead_time=lead_time, valid_time=start.drop_vars("time", errors="ignore") + lead_time)

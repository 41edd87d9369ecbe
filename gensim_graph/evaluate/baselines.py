"""Persistence, the first forecast that a surrogate must beat, and the form of the datasets that baselines return.

A baseline is a dataset of the same form as a forecast, with a single member. The second baseline, a linear regression,
is in :mod:`~gensim_graph.evaluate.linear_baseline`.
"""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.scored_variables import scored_table
from gensim_graph.io import has_topology, mesh_from_dataset, mesh_to_dataset
from gensim_graph.typing import Array
from gensim_graph.variables import VariableTable, default_variables


def persistence(
    initial: xr.Dataset, lead_times: Sequence[np.timedelta64] | Array, variables: VariableTable | None = None
) -> xr.Dataset:
    """Forecast the initial state, unchanged, at every lead time.

    Args:
        initial: state with a coordinate ``time``: dims (face) or (time, face), where every time is a start.
        lead_times: timedelta64.
        variables: its state variables are kept, other time-dependent ones are left out; by default the variable table
            that ships.

    Returns:
        Dims ([start], member, lead_time, face); ``start`` if the initial state has more than one time.

    Raises:
        InputError: the initial state has no ``time``.

    Example:
        Two starts, two lead times, on a mesh of three faces:

        >>> import numpy as np, xarray as xr
        >>> from gensim_graph.evaluate import persistence
        >>> times = np.array(["2020-01-01", "2020-01-02"], dtype="datetime64[ns]")
        >>> state = xr.Dataset({"sit": (("time", "face"), [[1.0, 2.0, 0.0], [1.5, 2.5, 0.5]])}, {"time": times})
        >>> forecast = persistence(state, [np.timedelta64(hours, "h") for hours in (12, 24)])
        >>> forecast["sit"].dims
        ('start', 'member', 'lead_time', 'face')
        >>> forecast["sit"].isel(start=1, member=0).values
        array([[1.5, 2.5, 0.5],
               [1.5, 2.5, 0.5]])
        >>> forecast["valid_time"].values.astype("datetime64[h]")[1]
        array(['2020-01-02T12', '2020-01-03T00'], dtype='datetime64[h]')
    """
    initial = as_initial_state(initial)
    table = variables or default_variables()
    state = [variable.name for variable in table.state if variable.name in initial]

    leads = xr.DataArray(np.asarray(lead_times).astype("timedelta64[ns]"), dims="lead_time", name="lead_time")
    fields = {name: with_forecast_dims(initial[name].expand_dims(lead_time=leads.values)) for name in state}

    return baseline_dataset("persistence", initial, fields, leads)


def persistence_beside(forecast: xr.Dataset, truth: xr.Dataset, variables: VariableTable | None = None) -> xr.Dataset:
    """Forecast by persistence of the truth, from the starts of a forecast and at its lead times.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``.
        truth: dims (time, face).
        variables: its state variables are kept; by default those of the table that ships and the further ones of the
            forecast.

    Returns:
        As of :func:`persistence`.

    Raises:
        InputError: the truth does not contain the starts.
    """
    starts = (forecast["valid_time"] - forecast["lead_time"]).isel(lead_time=0)
    missing = np.setdiff1d(starts.values, truth["time"].values)

    if missing.size:
        raise InputError(
            f"truth: it lacks {missing.size} starts of the forecast, the first is {missing[0]}; persistence needs them"
        )

    initial = truth.sel(time=np.atleast_1d(starts.values))
    return persistence(initial, forecast["lead_time"].values, scored_table(forecast, variables))


def as_initial_state(initial: xr.Dataset) -> xr.Dataset:
    """Rename ``time`` to ``start`` if there are several times; remove the dimension if there is one.

    Raises:
        InputError: there is no coordinate ``time``.
    """
    if "time" not in initial.coords:
        raise InputError("initial state: coordinate 'time' is missing; it says when the forecast starts")
    if "time" not in initial.dims:
        return initial
    return initial.isel(time=0) if initial.sizes["time"] == 1 else initial.rename(time="start")


def with_forecast_dims(field: xr.DataArray) -> xr.DataArray:
    """Add a single member to a field with lead times: dims ([start], member, lead_time, ...)."""
    start = ["start"] if "start" in field.dims else []
    return field.expand_dims("member").transpose(*start, "member", "lead_time", ...)


def baseline_dataset(
    title: str, initial: xr.Dataset, fields: dict[str, xr.DataArray], lead_time: xr.DataArray
) -> xr.Dataset:
    """Combine fields with the coordinates of a forecast and the mesh of the initial state.

    Args:
        title: title of the dataset.
        initial: as :func:`as_initial_state` returns it.
        fields: name -> dims ([start], member, lead_time, face).
        lead_time: (lead_time,) timedelta64.
    """
    start = initial["start" if "start" in initial.dims else "time"]
    topology = mesh_to_dataset(mesh_from_dataset(initial)) if has_topology(initial) else xr.Dataset()
    dataset = topology.assign(fields).drop_vars("time", errors="ignore")

    # The attributes of the initial state describe its source, not this forecast.
    dataset.attrs = {"title": title, "Conventions": "CF-1.8 UGRID-1.0"}

    valid_time = start.drop_vars("time", errors="ignore") + lead_time
    return dataset.assign_coords(lead_time=lead_time, valid_time=valid_time)

"""Fields of a forecast for the comparison with observations, and their mean over the period of an observation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import with_ensemble_dims
from gensim_graph.evaluate.observations.footprint import ENOUGH, Footprint
from gensim_graph.io import has_topology, mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

DRIFT_COVER = 0.75
"""Smallest part of the period of a displacement that the lead times must cover."""


class ForecastFields:
    """A forecast, read one field at a time.

    Args:
        forecast: dims ([start], [member], lead_time, face), coordinate ``valid_time``.
        source: its name in error messages.
        mesh: its mesh; by default that in the dataset.

    Attributes:
        mesh: the mesh.
        leads: (L,) lead times, timedelta64; with the initial state, if the forecast contains it.
        valid_times: (start, L) datetime64[ns].

    Raises:
        InputError: no lead times, or no mesh.
    """

    def __init__(self, forecast: xr.Dataset, source: str = "forecast", mesh: Mesh | None = None) -> None:
        self._fields = with_ensemble_dims(forecast, source, keep_initial=True)
        if mesh is None and not has_topology(forecast):
            raise InputError(f"{source}: it does not carry its mesh; write the mesh topology (UGRID) along")

        self.source = source
        self.mesh = mesh_from_dataset(forecast) if mesh is None else mesh
        self.leads = self._fields["lead_time"].values
        self.valid_times = self._fields["valid_time"].transpose("start", "lead_time").values.astype("datetime64[ns]")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its fields."""
        return tuple(str(name) for name, one in self._fields.data_vars.items() if "lead_time" in one.dims)

    @property
    def lead_hours(self) -> Array:
        """Lead times, (L,) h."""
        return self.leads / np.timedelta64(1, "h")

    @property
    def members(self) -> int:
        """Number of members."""
        return self._fields.sizes["member"]

    @property
    def starts(self) -> Array:
        """Times at which the forecasts start, (start,) datetime64[ns]."""
        return self.valid_times[:, 0] - self.leads[0]

    def initial(self) -> xr.Dataset | None:
        """Return the initial state as a forecast of one member that does not change; None if it is not there."""
        if self.leads[0] != np.timedelta64(0):
            return None

        first = self._fields.isel(lead_time=[0], member=[0])
        still = first.isel(lead_time=np.zeros(len(self.leads), dtype=int))
        return still.assign_coords(lead_time=self.leads, valid_time=(("start", "lead_time"), self.valid_times))

    def read(self, name: str, start: int, lead: int) -> Array:
        """Read one field, (member, face).

        Args:
            name: variable.
            start: number of the start.
            lead: number of the lead time.

        Raises:
            InputError: a value is not finite.
        """
        field = self._fields[name].isel(start=start, lead_time=lead)
        values = field.transpose("member", ...).values
        values = self.mesh.to_faces(values) if "node" in field.dims else values

        if not np.isfinite(values).all():
            bad = np.count_nonzero(~np.isfinite(values))
            raise InputError(
                f"{self.source}: '{name}' has {bad} of {values.size} values that are not finite at lead "
                f"{self.lead_hours[lead]:g} h; is the forecast complete?"
            )

        return np.asarray(values)


@dataclass(frozen=True)
class LeadWeights:
    """Lead times whose mean stands for a period.

    Attributes:
        leads: numbers of the lead times.
        weights: their weights, sum 1.
        cover: part of the period that they cover, in [0, 1].
        nearest: number of the lead time with which the period is listed.
    """

    leads: Array
    weights: Array
    cover: float
    nearest: int


def weigh_leads(valid_times: Array, leads: Array, period: Array, is_mean: bool) -> LeadWeights | None:
    """Choose the lead times that stand for the period of an observation; None if there are none.

    A lead time stands for the time from halfway to the one before to halfway to the next one. Its weight is the part of
    the period in which it is the nearest, so that hourly, daily and uneven lead times all give the mean over the
    period. For an instant it is the nearest lead time. At least half of the period must lie after the start.

    Args:
        valid_times: (L,) datetime64[ns] of one start, increasing.
        leads: (L,) timedelta64.
        period: (2,) datetime64[ns], begin and end.
        is_mean: True for a mean over the period, False for an instant in its middle.
    """
    begin, end = period
    seconds = (valid_times - begin) / np.timedelta64(1, "s")
    length = float((end - begin) / np.timedelta64(1, "s"))
    before_start = float((valid_times[0] - leads[0] - begin) / np.timedelta64(1, "s"))
    ahead = leads > np.timedelta64(0)
    inside = (seconds >= 0) & (seconds <= length) & ahead

    if not inside.any() or before_start > length / 2:
        return None
    if not is_mean:
        nearest = int(np.flatnonzero(inside)[np.abs(seconds[inside] - length / 2).argmin()])
        return LeadWeights(np.array([nearest]), np.ones(1), 1.0, nearest)

    limits = _limits(seconds)
    overlap = np.diff(np.clip(limits, 0.0, length))
    if overlap.sum() < ENOUGH * min(length, limits[-1] - limits[0]):
        return None

    used = np.flatnonzero(overlap > 0)
    weights = overlap[used] / overlap[used].sum()
    middle = weights @ seconds[used]
    forecast = np.flatnonzero(ahead)
    nearest = int(forecast[np.abs(seconds[forecast] - middle).argmin()])

    return LeadWeights(used, weights, float(overlap.sum() / length), nearest)


def _limits(seconds: Array) -> Array:
    """Limits (L + 1,) of the times for which each lead time stands; a single one stands for all times."""
    if len(seconds) == 1:
        return np.array([-np.inf, np.inf])

    middle = (seconds[1:] + seconds[:-1]) / 2
    first, last = seconds[0] - (middle[0] - seconds[0]), seconds[-1] + (seconds[-1] - middle[-1])
    return np.concatenate([[first], middle, [last]])


class EquivalentFields:
    """Forecast fields as a product would see them, for one start: averaged in space and over periods.

    Args:
        fields: the forecast.
        footprint: places of the comparison.
        start: number of the start.
    """

    def __init__(self, fields: ForecastFields, footprint: Footprint, start: int) -> None:
        self._fields, self._footprint, self._start = fields, footprint, start
        self._kept: dict[tuple[str, int], Array] = {}

    def mean(self, name: str, chosen: LeadWeights) -> Array:
        """Mean of a variable over lead times at the places of the comparison, (member, place).

        Args:
            name: variable.
            chosen: the lead times.
        """
        parts = [weight * self._at(name, int(lead)) for lead, weight in zip(chosen.leads, chosen.weights, strict=True)]
        return np.asarray(sum(parts))

    def forget(self, names: Sequence[str], before: int) -> None:
        """Drop the fields of early lead times, which later periods do not need.

        Args:
            names: variables.
            before: first lead time that is kept.
        """
        for name in names:
            for lead in range(before):
                self._kept.pop((name, lead), None)

    def _at(self, name: str, lead: int) -> Array:
        if (name, lead) not in self._kept:
            values = self._fields.read(name, self._start, lead)
            self._kept[name, lead] = self._footprint.of_forecast(values)
        return self._kept[name, lead]

"""The forecast that the maps of a report show: one start, at a few of its lead times."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from gensim_graph.evaluate.pictures import ICE_ONLY, only_ice
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

SHOWN_LEADS = 3
"""Largest number of lead times that maps show."""


def shown_leads(count: int) -> list[int]:
    """Choose the positions of at most ``SHOWN_LEADS`` of ``count`` lead times, with the first and the last."""
    return sorted({int(position) for position in np.linspace(0, count - 1, SHOWN_LEADS).round()})


@dataclass(frozen=True)
class ShownFields:
    """Fields of one variable that maps show, (lead_time, F) each.

    Attributes:
        truth: the truth.
        member: the first member.
        mean: the ensemble mean.
        spread: standard deviation of the members; None for a single member.
    """

    truth: Array
    member: Array
    mean: Array
    spread: Array | None

    @classmethod
    def of(cls, truth: Array, ensemble: Array) -> "ShownFields":
        """Compute mean and spread.

        Args:
            truth: (lead_time, F).
            ensemble: (member, lead_time, F).
        """
        spread = ensemble.std(axis=0, ddof=1) if len(ensemble) > 1 else None
        return cls(truth, ensemble[0], ensemble.mean(axis=0), spread)


class ShownStart:
    """Fields of one start of a forecast at the lead times that are shown.

    Args:
        matched: the forecast beside the truth.
        mesh: their mesh.
        start: number of the start.

    Attributes:
        matched: as given.
        mesh: as given.
        start: as given.
        positions: positions of the lead times that are shown.
        hours: these lead times, h.
        when: the same in words.
    """

    def __init__(self, matched: Verification, mesh: Mesh, start: int = 0) -> None:
        self.matched, self.mesh, self.start = matched, mesh, start
        self.positions = shown_leads(len(matched.lead_hours))
        self.hours = [float(matched.lead_hours[position]) for position in self.positions]
        self.when = ", ".join(f"+{hours:g} h" for hours in self.hours)

    @property
    def has_members(self) -> bool:
        """True if the forecast has several members."""
        return self.matched.members > 1

    def fields(self, name: str) -> tuple[Array, Array]:
        """Return truth (lead_time, F) and ensemble (member, lead_time, F) of a variable, in its units."""
        pairs = [self.matched.pair(name, self.start, position) for position in self.positions]
        truth = np.stack([truth for _, truth in pairs])
        ensemble = np.stack([ensemble for ensemble, _ in pairs], axis=1)

        return truth, ensemble

    def without_water(self, name: str, fields: ShownFields) -> ShownFields:
        """Hide open water in the fields of a variable that exists only on ice, if the concentration is known.

        Args:
            name: name of the variable.
            fields: its fields, or those computed from it.

        Returns:
            The fields, NaN where the concentration of the same source is below 15 %. The difference needs ice in both
            truth and forecast; the spread needs it in the ensemble mean.
        """
        if name not in ICE_ONLY or self._concentration is None:
            return fields

        ice = self._concentration
        spread = None if fields.spread is None else only_ice(fields.spread, ice.mean)
        return ShownFields(
            only_ice(fields.truth, ice.truth),
            only_ice(fields.member, ice.member),
            only_ice(fields.mean, ice.mean),
            spread,
        )

    @cached_property
    def _concentration(self) -> "ShownFields | None":
        return ShownFields.of(*self.fields("sic")) if self.matched.has("sic") else None

    def initial(self, name: str) -> Array:
        """Return the initial state (F,) of a variable, in its units; this requires that the truth contains the start.

        Values over open water are NaN for a variable that exists only on ice.

        Args:
            name: name of the variable.
        """
        values = self.matched.initial(name, self.start)
        if name not in ICE_ONLY or not self.matched.has("sic"):
            return values

        return only_ice(values, self.matched.initial("sic", self.start))

    def interval(self, member: int | None, lead: int) -> xr.Dataset:
        """Return the fields at a lead time and the one before, or the start for the first lead time.

        Args:
            member: number of the member; None for the truth.
            lead: position of the lead time.

        Returns:
            ``sit``, ``sid``, ``siu`` and ``siv``, those that there are, of dims (time, face); of a member also
            transport and source that the forecast has written, NaN at the first of the two times.
        """
        names = [name for name in ("sit", "sid", "siu", "siv") if self.matched.has(name)]
        values = {
            name: (("time", "face"), np.stack([self._field(name, member, at) for at in (lead - 1, lead)]))
            for name in names
        }
        times = [self.matched.start_times[self.start], *self.matched.valid_times[self.start]]

        terms = {} if member is None else self._written_terms(member, lead)
        return xr.Dataset(values | terms, {"time": times[lead : lead + 2]})

    def _written_terms(self, member: int, lead: int) -> dict[str, tuple[tuple[str, str], Array, dict[str, str]]]:
        """Transport and source of the ice in the interval that ends at a lead time, if the forecast has them."""
        found, forecast = {}, self.matched.forecast
        for name in ("sit_transport", "sit_source"):
            if name in forecast:
                last = self._field(name, member, lead)
                values = np.stack([np.full_like(last, np.nan), last])
                found[name] = (("time", "face"), values, forecast[name].attrs)

        return found

    def _field(self, name: str, member: int | None, lead: int) -> Array:
        """Values (F,) of a member, or of the truth; lead -1 is the start."""
        if lead < 0:
            return self.matched.initial(name, self.start)
        if member is None:
            return self.matched.truth_at(name, self.start, lead)

        return self.matched.ensemble_at(name, self.start, lead)[member]

"""Comparison of forecasts with the observations of one product, record by record."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from gensim_graph.evaluate.observations.drift_paths import DriftPaths
from gensim_graph.evaluate.observations.footprint import Footprint
from gensim_graph.evaluate.observations.forecast_fields import (
    DRIFT_COVER,
    EquivalentFields,
    ForecastFields,
    LeadWeights,
    weigh_leads,
)
from gensim_graph.evaluate.observations.observation_sums import EdgeSums, ScoreSums, VectorSums
from gensim_graph.evaluate.observations.observed import ObservedProduct
from gensim_graph.evaluate.tally import ICE_EDGE
from gensim_graph.typing import Array
from gensim_graph.units import KM_PER_METRE, SECONDS_PER_HOUR

_VECTOR = ("siu", "siv")
_DISPLACEMENT = {"siu": "drift_x", "siv": "drift_y"}


class Comparison:
    """Comparison of models with one product.

    Args:
        product: the observations.
        models: name -> forecast; the first one decides which lead times stand for a record.

    Attributes:
        scores: (model, variable, lead time in h) -> sums.
        edges: (model, lead time in h) -> sums of the ice edge.
        vectors: (model, lead time in h) -> sums of the drift vectors.
    """

    def __init__(self, product: ObservedProduct, models: Mapping[str, ForecastFields]) -> None:
        first = next(iter(models.values()))
        self._product, self._models, self._first = product, models, first
        self._footprint = Footprint(first.mesh, product.cells)
        self._paths = DriftPaths(first.mesh) if product.is_displacement else None
        self._names = [name for name in product.fields if name in first.names]
        self._used: Counter[str] = Counter()
        self._left: dict[str, Counter[str]] = {name: Counter() for name in self._names}
        self._chosen: list[LeadWeights] = []

        self.scores: dict[tuple[str, str, float], ScoreSums] = {}
        self.edges: dict[tuple[str, float], EdgeSums] = {}
        self.vectors: dict[tuple[str, float], VectorSums] = {}

    @property
    def vector_unit(self) -> str:
        """Unit of the drift vectors."""
        return "km" if self._product.is_displacement else "m s-1"

    def run(self) -> None:
        """Compare all records with all starts."""
        periods = self._product.periods
        matched = np.zeros(len(periods.bounds), dtype=bool)

        for start in range(len(self._first.starts)):
            equivalents = {
                name: EquivalentFields(model, self._footprint, start) for name, model in self._models.items()
            }
            for record in np.argsort(periods.bounds[:, 0], kind="stable").tolist():
                chosen = self._leads_of(record, start)
                if chosen is None:
                    continue

                matched[record] = True
                self._chosen.append(chosen)
                self._compare(record, start, chosen, equivalents)
                for one in equivalents.values():
                    one.forget([*self._names, "sic"], int(chosen.leads[0]) - len(self._first.leads) // 2)

        self._count_left_out(matched)

    def _leads_of(self, record: int, start: int) -> LeadWeights | None:
        periods = self._product.periods
        chosen = weigh_leads(self._first.valid_times[start], self._first.leads, periods.bounds[record], periods.is_mean)
        short = self._product.is_displacement and chosen is not None and chosen.cover < DRIFT_COVER - 1e-6
        return None if short else chosen

    def _compare(
        self, record: int, start: int, chosen: LeadWeights, equivalents: Mapping[str, EquivalentFields]
    ) -> None:
        hours = float(self._first.lead_hours[chosen.nearest])
        factor = self._factor(record)
        observed = {name: factor * self._observed(name, record) for name in self._names}

        for model, fields in equivalents.items():
            names = [name for name in self._names if name in self._models[model].names]
            if self._paths is not None and set(_VECTOR) <= set(names):
                values = self._displacement(self._models[model], record, start)
            else:
                values = {name: self._equivalent(name, chosen, fields, model) for name in names}
            values = {name: factor * one for name, one in values.items()}

            for name in values:
                self._add_scores(model, name, hours, values[name], observed[name], record)

            if "sic" in values:
                known = np.isfinite(observed["sic"])
                edge = self.edges.setdefault((model, hours), EdgeSums())
                edge.add(values["sic"][:, known], observed["sic"][known], self._footprint.areas[known])
            if set(_VECTOR) <= set(values):
                self._add_vectors(model, hours, values, observed)

    def _factor(self, record: int) -> float:
        """From mean velocities to displacements in km, for a product that gives these."""
        seconds = float(self._product.periods.hours[record]) * SECONDS_PER_HOUR
        return seconds * KM_PER_METRE if self._product.is_displacement else 1.0

    def _observed(self, name: str, record: int) -> Array:
        return self._footprint.of_product(self._product.fields[name].values[record])

    def _displacement(self, model: ForecastFields, record: int, start: int) -> dict[str, Array]:
        """Displacement over the period divided by its length, at the places of the comparison, (member, place) m/s."""
        assert self._paths is not None
        known = np.isfinite(self._observed(_VECTOR[0], record))
        faces = self._footprint.faces_under(known)
        velocity = self._paths.mean_velocity(model, start, self._product.periods.bounds[record], faces)

        return {name: self._footprint.of_forecast(part) for name, part in zip(_VECTOR, velocity, strict=True)}

    def _equivalent(self, name: str, chosen: LeadWeights, fields: EquivalentFields, model: str) -> Array:
        """What the product would see of a model, (member, place); NaN where it has no ice whose thickness is asked."""
        values = fields.mean(name, chosen)
        if name != "sit" or not self._product.is_over_ice or "sic" not in self._models[model].names:
            return values

        fraction = fields.mean("sic", chosen)
        has_ice = (fraction > ICE_EDGE).all(axis=0)
        return np.where(has_ice, values / np.where(has_ice, fraction, 1.0), np.nan)

    def _add_scores(self, model: str, name: str, hours: float, values: Array, observed: Array, record: int) -> None:
        known = np.isfinite(observed) & np.isfinite(values).all(axis=0)
        if not known.any():
            return

        error = self._product.fields[name].error
        if error is not None:
            error = self._factor(record) * self._footprint.of_product(error[record])[known]

        scored = _DISPLACEMENT.get(name, name) if self._product.is_displacement else name
        sums = self.scores.setdefault((model, scored, hours), ScoreSums(self._models[model].members))
        sums.add(values[:, known] - observed[known], error, self._footprint.areas[known])

    def _add_vectors(
        self, model: str, hours: float, values: Mapping[str, Array], observed: Mapping[str, Array]
    ) -> None:
        forecast, seen = (part["siu"] + 1j * part["siv"] for part in (values, observed))
        known = np.isfinite(seen) & np.isfinite(forecast).all(axis=0)
        if known.any():
            sums = self.vectors.setdefault((model, hours), VectorSums())
            sums.add(forecast[:, known], seen[known], self._footprint.areas[known])

    def _count_left_out(self, matched: Array) -> None:
        """Count the observed values that were used and left out, per reason."""
        for name in self._names:
            field = self._product.fields[name]
            known = np.isfinite(field.values)
            used = sum(self._footprint.reached(row) for row in known[matched])
            left = self._left[name]
            self._used[name] = used
            left[f"flagged ({', '.join(field.flags)})"] = field.flagged
            left["missing"] = int(known.size - np.count_nonzero(known)) - field.flagged
            left["outside the mesh or too little of a face"] = int(np.count_nonzero(known[matched])) - used
            left["at times without a lead time"] = int(np.count_nonzero(known[~matched]))

    def sources(self) -> list[dict[str, Any]]:
        """Return a row per variable: source, variable, used, left_out and what was done, in words."""
        return [
            {
                "source": self._product.name,
                "variable": name,
                "used": self._used[name],
                "left_out": _listed(self._left[name]),
                "done": self._done(),
            }
            for name in self._names
        ]

    def line(self) -> str:
        """Return what was done to the product, in one line."""
        counts: dict[str, list[str]] = {}
        for row in self.sources():
            left = f" (left out: {row['left_out']})" if row["left_out"] else ""
            counts.setdefault(f"{row['used']} values used{left}", []).append(row["variable"])

        used = "; ".join(f"{', '.join(names)}: {text}" for text, names in counts.items())
        return f"{self._product.name}: {used}; {self._done()}"

    def _done(self) -> str:
        """Averaging in space and time, in words."""
        periods = self._product.periods
        length = f"{float(np.median(periods.hours)):.4g} h"
        parts = [self._footprint.text, *self._product.notes]

        if not periods.is_mean:
            parts.append("no period given, nearest lead time taken")
        elif self._chosen:
            cover = float(np.mean([one.cover for one in self._chosen]))
            most = "" if cover > 0.99 else f", of which the forecast covers {100 * cover:.0f} % on average"
            what = "paths of the ice followed over" if self._product.is_displacement else "forecast averaged over"
            parts.append(f"{what} {length} ({periods.origin}){most}")

        return ", ".join(parts)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in counts.items() if count > 0)

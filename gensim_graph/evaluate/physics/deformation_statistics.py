"""Statistics of the deformation of truth and forecasts: its distribution, and how localised it is.

Sea ice deforms in narrow bands: most of the deformation happens on a small part of the area. An ensemble mean blurs
these bands; a member should not. Only faces where the truth has ice are used.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from gensim_graph.errors import InputError
from gensim_graph.evaluate.physics.area_statistics import (
    BINS_PER_DECADE,
    FLOOR,
    AreaDistribution,
    histogram_distance,
    histogram_points,
    log_histogram,
)
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.evaluate.verification import Verification
from gensim_graph.mesh.operators import Deformation, invariants
from gensim_graph.typing import Array

QUANTILES = {"median": 0.5, "q90": 0.9, "q99": 0.99}
"""Column of the table -> level of the quantile."""

_COLUMNS = ("model", "lead_hours", "mean", *QUANTILES, "localisation_share", "log_distance")
_COARSE_BINS = 10
"""Bins per decade of the distribution that is returned."""


def deformation_summary(total: Array, areas: Array) -> dict[str, float]:
    """Compute mean, median, 0.9 and 0.99 quantile (1/day, by area) and localisation share of a total deformation.

    Args:
        total: (F,) 1/day.
        areas: (F,) m2.
    """
    distribution = AreaDistribution(total, areas)
    quantiles = {name: distribution.quantile(level) for name, level in QUANTILES.items()}
    return {"mean": distribution.mean} | quantiles | {"localisation_share": distribution.localisation_share()}


def deformation_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Compute statistics of the total deformation of truth, forecasts and the ensemble mean, per lead time.

    Statistics are computed for every member by itself and then averaged over members and starts.

    Args:
        models: name -> a forecast with ``siu`` and ``siv`` beside the truth, all with the same valid times.

    Returns:
        Columns model, lead_hours, mean, median, q90, q99 (1/day), localisation_share (1), log_distance (decades).
        Models are ``truth``, those given, and ``<name>, ensemble mean`` for those with several members.

    Raises:
        InputError: there is no mesh.
    """
    first = next(iter(models.values()))
    if first.mesh is None:
        raise InputError("deformation needs the mesh; write its topology (UGRID) into the forecast or the truth")

    return tabulate(models, DeformationTally())


class DeformationTally(Tally):
    """Gather the table of :func:`deformation_scores`, and the distribution of the rates."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, float], list[dict[str, float]]] = {}
        self._histograms: dict[tuple[str, float, str], Array] = {}

    def add(self, step: Step) -> None:
        """Add a step."""
        if step.operator is None or not step.matched.has("siu", "siv") or not step.ice.any():
            return

        self._keep(step.model, step, step.rates)
        if len(step["siu"]) > 1:
            mean = step.gradient.mean(axis=2, keepdims=True)
            self._keep(f"{step.model}, ensemble mean", step, invariants(mean))

    def _keep(self, model: str, step: Step, rates: Deformation) -> None:
        """Add the rates (M, F), 1/day, of a model or of its ensemble mean."""
        ice = slice(None) if step.ice.all() else step.ice
        areas = step.matched.areas[ice]
        fields = {"total": rates.total, "shear": rates.shear, "opening": rates.divergence, "closing": -rates.divergence}
        fields = {name: values[:, ice] for name, values in fields.items()}
        histograms = {name: log_histogram(values, areas) for name, values in fields.items()}

        for name, histogram in histograms.items():
            key = (model, step.hours, name)
            self._histograms[key] = self._histograms.get(key, 0.0) + histogram

        if step.is_truth:
            self._true_histogram = histograms["total"]

        summary = _mean([deformation_summary(member, areas) for member in fields["total"]])
        summary["log_distance"] = histogram_distance(histograms["total"], self._true_histogram)
        self._rows.setdefault((model, step.hours), []).append(summary)

    def table(self) -> pd.DataFrame:
        """Return one row per model and lead time, see :func:`deformation_scores`."""
        rows = [{"model": model, "lead_hours": hours} | _mean(starts) for (model, hours), starts in self._rows.items()]
        return by_model(pd.DataFrame(rows, columns=[*_COLUMNS]))

    def distribution(self) -> pd.DataFrame:
        """Return the distribution of the rates over the area.

        Returns:
            Columns model, lead_hours, quantity (``total``, ``shear``, ``opening`` or ``closing``: divergence where it
            is positive or negative), rate (1/day, middle of a bin) and density (share of the area per decade of rate).
            The densities integrate to less than 1: rates below ``FLOOR`` or of the other sign are missing.
        """
        merged = BINS_PER_DECADE // _COARSE_BINS
        bins = (histogram_points() - 1) // merged
        middles = FLOOR * 10 ** ((np.arange(bins) + 0.5) / _COARSE_BINS)
        rows = []

        for (model, hours, quantity), counts in self._histograms.items():
            shares = counts / counts.sum()
            density = shares[1:].reshape(-1, merged).sum(axis=1) * _COARSE_BINS
            rows += [(model, hours, quantity, *row) for row in zip(middles, density, strict=True)]

        return by_model(pd.DataFrame(rows, columns=["model", "lead_hours", "quantity", "rate", "density"]))


def _mean(summaries: list[dict[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([summary[key] for summary in summaries])) for key in summaries[0]}

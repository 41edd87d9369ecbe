"""How the ice deforms in a forecast and in the truth: its distribution, and how localised it is.

Divergence e_I, shear e_II and total deformation sqrt(e_I^2 + e_II^2) of the drift on the native faces, in 1/day
(:func:`gensim_graph.mesh.operators.strain.compute_deformation`; Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501). Sea ice
deforms in narrow bands: most of the deformation happens in little of the area, and an ensemble mean smears that out.
Faces count where the truth has ice.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.evaluate.tally import Step, Tally, by_model, tabulate
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import Deformation, invariants
from gensim_graph.mesh.operators import compute_deformation as rates_of
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_DAY

FLOOR, CEILING = 1e-5, 1e3  # 1/day: what deforms less counts as rigid, so that logarithms stay finite
_FINE, _COARSE = 100, 10  # bins a decade, of the distance and of the distribution that is handed out
QUANTILES = {"median": 0.5, "q90": 0.9, "q99": 0.99}
DEFORMATION_COLUMNS = ("model", "lead_hours", "mean", *QUANTILES, "localisation_share", "log_distance")
QUANTITIES = {
    "divergence": "divergence of the ice drift",
    "shear": "shear rate of the ice drift",
    "total_deformation": "total deformation rate of the ice drift",
}


def total_deformation(mesh: Mesh, u: Array, v: Array) -> Array:
    """Total deformation of a drift on faces: u, v (..., face) m/s along the mesh axes -> (..., face) 1/day."""
    return rates_of(mesh, u, v).total * SECONDS_PER_DAY


def deformation(dataset: xr.Dataset, mesh: Mesh | None = None) -> xr.Dataset:
    """Divergence, shear and total deformation of ``siu`` and ``siv``, on faces, 1/day.

    Args:
        dataset: velocities with a last dimension ``face`` or ``node``; other dimensions are kept.
        mesh: the mesh in the dataset when not given.

    Returns:
        Variables ``divergence``, ``shear`` and ``total_deformation``.

    Raises:
        InputError: a velocity component is missing.
    """
    for name in ("siu", "siv"):
        if name not in dataset:
            raise InputError(
                f"deformation needs the drift; variable '{name}' is missing, the dataset has {list(dataset.data_vars)}"
            )

    location: Literal["node", "face"] = "node" if "node" in dataset["siu"].dims else "face"
    u = dataset["siu"].transpose(..., location)
    v = dataset["siv"].transpose(*u.dims)
    rates = rates_of(mesh or mesh_from_dataset(dataset), u.values, v.values, location)
    values = (rates.divergence, rates.shear, rates.total)

    fields = {
        name: ((*u.dims[:-1], "face"), rate * SECONDS_PER_DAY, {"long_name": meaning, "units": "day-1"})
        for (name, meaning), rate in zip(QUANTITIES.items(), values, strict=True)
    }
    return xr.Dataset(fields, coords={name: c for name, c in u.coords.items() if not {*c.dims} & {"node", "face"}})


def localisation_share(total: Array, areas: Array, fraction: float = 0.1) -> float:
    """Share of the total deformation that the most deforming ``fraction`` of the area carries.

    Equal to ``fraction`` for uniform deformation, 1 where all of it lies within that area. The cell at the limit counts
    in proportion.

    Args:
        total: (face) 1/day.
        areas: (face) m2.
    """
    order = np.argsort(total)
    return _localisation(total[order], areas[order], fraction)


def _localisation(ascending: Array, areas: Array, fraction: float) -> float:
    area = np.concatenate([[0.0], np.cumsum(areas[::-1])])
    carried = np.concatenate([[0.0], np.cumsum((ascending * areas)[::-1])])
    return float(np.interp(fraction * area[-1], area, carried) / carried[-1]) if carried[-1] > 0 else float("nan")


def area_quantile(values: Array, areas: Array, level: float) -> float:
    """Value that the share ``level`` of the area does not exceed."""
    order = np.argsort(values)
    return _quantile(values[order], np.cumsum(areas[order]), level)


def _quantile(ascending: Array, area: Array, level: float) -> float:
    """The same of sorted values, with the area up to each."""
    return float(ascending[min(int(np.searchsorted(area, level * area[-1])), len(area) - 1)])


def deformation_summary(total: Array, areas: Array) -> dict[str, float]:
    """Mean, median, 0.9 and 0.99 quantile (1/day, by area) and localisation share of a total deformation (face)."""
    order = np.argsort(total)
    ascending, areas = total[order].astype(np.float64), areas[order]
    area = np.cumsum(areas)
    quantiles = {name: _quantile(ascending, area, level) for name, level in QUANTILES.items()}
    mean = float(ascending @ areas / area[-1])

    return {"mean": mean} | quantiles | {"localisation_share": _localisation(ascending, areas, 0.1)}


def log_distance(forecast: Array, truth: Array, areas: Array) -> float:
    """Wasserstein distance of log10 of the total deformation, weighted by area, in decades.

    0.3 means that magnitudes are off by a factor of two on average. Members are pooled.

    Args:
        forecast: (..., face) 1/day.
        truth: (face) 1/day.
        areas: (face) m2.
    """
    return histogram_distance(log_histogram(forecast, areas), log_histogram(truth, areas))


def log_histogram(rates: Array, areas: Array) -> Array:
    """Shares of area of rates (..., face), 1/day, at points of log10 between ``FLOOR`` and ``CEILING``; their sum is 1.

    A rate is shared by the two points around it, which keeps the mean of its logarithm.
    """
    position = _FINE * (np.log10(np.clip(rates, FLOOR, CEILING)) - round(np.log10(FLOOR))).ravel()
    place = np.clip(position.astype(np.int64), 0, _points() - 2)
    weights = np.broadcast_to(areas, rates.shape).ravel()
    beyond = weights * (position - place)
    counts = np.bincount(place, weights - beyond, minlength=_points())
    counts[1:] += np.bincount(place, beyond, minlength=_points())[:-1]

    return np.asarray(counts / counts.sum())


def _points() -> int:
    return round(np.log10(CEILING / FLOOR)) * _FINE + 1


def histogram_distance(first: Array, second: Array) -> float:
    """Wasserstein distance of two histograms of :func:`log_histogram`, decades."""
    return float(np.abs(np.cumsum(first - second)).sum() / _FINE)


def deformation_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Statistics of the total deformation of truth, forecasts and the ensemble mean, per lead time.

    Statistics are taken of every member by itself and then averaged over members and starts.

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
    """Gathers :func:`deformation_scores`, and the distribution of the rates."""

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
        ice = slice(None) if step.ice.all() else step.ice
        areas, key = step.matched.areas[ice], (model, step.hours)
        fields = {"total": rates.total, "shear": rates.shear, "opening": rates.divergence, "closing": -rates.divergence}
        fields = {name: values[:, ice] for name, values in fields.items()}
        shares = {name: log_histogram(values, areas) for name, values in fields.items()}
        for name, share in shares.items():
            self._histograms[*key, name] = self._histograms.get((*key, name), 0.0) + share

        if step.is_truth:
            self._truth = shares["total"]

        summary = _mean([deformation_summary(member, areas) for member in fields["total"]])
        distance = {"log_distance": histogram_distance(shares["total"], self._truth)}
        self._rows.setdefault(key, []).append(summary | distance)

    def table(self) -> pd.DataFrame:
        """See :func:`deformation_scores`."""
        rows = [
            {"model": model, "lead_hours": hours} | _mean(of_starts) for (model, hours), of_starts in self._rows.items()
        ]
        return by_model(pd.DataFrame(rows, columns=[*DEFORMATION_COLUMNS]))

    def distribution(self) -> pd.DataFrame:
        """Distribution of the rates over area.

        Returns:
            Columns model, lead_hours, quantity (``total``, ``shear``, ``opening`` or ``closing``: divergence where it
            is positive or negative), rate (1/day, middle of a bin) and density (share of the area per decade of rate).
            What is below ``FLOOR``, and of the other sign, is the rest to 1.
        """
        each = _FINE // _COARSE
        middles = FLOOR * 10 ** ((np.arange((_points() - 1) // each) + 0.5) / _COARSE)
        rows = []

        for (model, hours, quantity), counts in self._histograms.items():
            shares = counts / counts.sum()
            density = shares[1:].reshape(-1, each).sum(axis=1) * _COARSE
            rows += [(model, hours, quantity, *row) for row in zip(middles, density, strict=True)]

        return by_model(pd.DataFrame(rows, columns=["model", "lead_hours", "quantity", "rate", "density"]))


def _mean(summaries: list[dict[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([summary[key] for summary in summaries])) for key in summaries[0]}

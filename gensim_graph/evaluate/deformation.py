"""How the ice deforms in a forecast and in the truth, and how localised that is.

Divergence e_I, shear e_II and total deformation sqrt(e_I^2 + e_II^2) of the drift on the native faces, in 1/day
(:func:`gensim_graph.mesh.deformation.deformation`; Marsan et al. 2004, doi 10.1103/PhysRevLett.93.178501). Sea ice
deforms in narrow bands: most of the deformation happens in little of the area, and an ensemble mean smears that out.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import wasserstein_distance

from gensim_graph.errors import InputError
from gensim_graph.evaluate.matching import Verification
from gensim_graph.mesh.deformation import deformation as invariants
from gensim_graph.mesh.mesh import Mesh
from gensim_graph.mesh.ugrid import mesh_from_dataset
from gensim_graph.typing import Array

SECONDS_PER_DAY = 86_400.0
FLOOR = 1e-5  # 1/day: what deforms less counts as rigid, so that logarithms stay finite
QUANTILES = {"median": 0.5, "q90": 0.9, "q99": 0.99}
QUANTITIES = {
    "divergence": "divergence of the ice drift",
    "shear": "shear rate of the ice drift",
    "total_deformation": "total deformation rate of the ice drift",
}


def total_deformation(mesh: Mesh, u: Array, v: Array) -> Array:
    """Total deformation of a drift on faces: u, v (..., face) m/s along the mesh axes -> (..., face) 1/day."""
    return invariants(mesh, u, v).total * SECONDS_PER_DAY


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
    rates = invariants(mesh or mesh_from_dataset(dataset), u.values, v.values, location)
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
    order = np.argsort(-total, kind="stable")
    area = np.concatenate([[0.0], np.cumsum(areas[order])])
    carried = np.concatenate([[0.0], np.cumsum((total * areas)[order])])
    return float(np.interp(fraction * area[-1], area, carried) / carried[-1]) if carried[-1] > 0 else float("nan")


def area_quantile(values: Array, areas: Array, level: float) -> float:
    """Value that the share ``level`` of the area does not exceed."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(areas[order]) / areas.sum()
    return float(values[order][min(int(np.searchsorted(share, level)), len(values) - 1)])


def deformation_summary(total: Array, areas: Array) -> dict[str, float]:
    """Mean, median, 0.9 and 0.99 quantile (1/day, by area) and localisation share of a total deformation (face)."""
    quantiles = {name: area_quantile(total, areas, level) for name, level in QUANTILES.items()}
    mean = float(np.average(total, weights=areas))
    return {"mean": mean} | quantiles | {"localisation_share": localisation_share(total, areas)}


def log_distance(forecast: Array, truth: Array, areas: Array) -> float:
    """Wasserstein distance of log10 of the total deformation, weighted by area, in decades.

    0.3 means that magnitudes are off by a factor of two on average. Members are pooled.

    Args:
        forecast: (..., face) 1/day.
        truth: (face) 1/day.
        areas: (face) m2.
    """
    pooled = np.log10(np.maximum(forecast, FLOOR)).ravel()
    weights = np.broadcast_to(areas, forecast.shape).ravel()
    return float(wasserstein_distance(pooled, np.log10(np.maximum(truth, FLOOR)), weights, areas))


def deformation_scores(models: Mapping[str, Verification]) -> pd.DataFrame:
    """Statistics of the total deformation of truth, forecasts and the ensemble mean, per lead time.

    Statistics are taken of every member by itself and then averaged over members and starts.

    Args:
        models: name -> a forecast with ``siu`` and ``siv`` beside the truth, all with the same valid times.

    Returns:
        Columns model, lead_hours, mean, median, q90, q99 (1/day), localisation_share (1), log_distance (decades).
        Models are ``truth``, those given, and ``<name>, ensemble mean`` for those with several members.
    """
    first = next(iter(models.values()))
    rows = []
    for lead, hours in enumerate(first.lead_hours):
        parts: dict[str, list[dict[str, float]]] = {}
        for start in range(first.starts):
            for name, summary in _start_rows(models, start, lead):
                parts.setdefault(name, []).append(summary)
        rows += [{"model": name, "lead_hours": float(hours)} | _mean(summaries) for name, summaries in parts.items()]
    table = pd.DataFrame(rows)
    order = {name: number for number, name in enumerate(table["model"].unique())}
    return table.iloc[table["model"].map(order).argsort(kind="stable")].reset_index(drop=True)


def _start_rows(models: Mapping[str, Verification], start: int, lead: int) -> Iterable[tuple[str, dict[str, float]]]:
    first = next(iter(models.values()))
    mesh, areas = _mesh(first), first.areas
    truth = total_deformation(mesh, *(first.truth_at(name, start, lead) for name in ("siu", "siv")))
    yield "truth", deformation_summary(truth, areas) | {"log_distance": 0.0}
    for name, matched in models.items():
        u, v = (matched.pair(component, start, lead)[0] for component in ("siu", "siv"))
        members = total_deformation(mesh, u, v)
        summaries = [deformation_summary(member, areas) for member in members]
        yield name, _mean(summaries) | {"log_distance": log_distance(members, truth, areas)}
        if len(members) > 1:
            mean = total_deformation(mesh, u.mean(axis=0), v.mean(axis=0))
            yield (
                f"{name}, ensemble mean",
                deformation_summary(mean, areas) | {"log_distance": log_distance(mean, truth, areas)},
            )


def _mesh(matched: Verification) -> Mesh:
    if matched.mesh is None:
        raise InputError("deformation needs the mesh; write its topology (UGRID) into the forecast or the truth")
    return matched.mesh


def _mean(summaries: list[dict[str, Any]]) -> dict[str, float]:
    return {key: float(np.mean([summary[key] for summary in summaries])) for key in summaries[0]}

"""Stability of a long run: cycles of extent and volume, drift of the mean state, bounds, deformation by season.

The run is compared with a reference under the same wind and air temperature, for as long as the reference lasts. The
last stage of ``ten_years.py`` writes these numbers.
"""

from collections.abc import Callable

import numpy as np
import xarray as xr
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from gensim_graph.evaluate.physics import area_quantile, log_distance, total_deformation
from gensim_graph.evaluate.pictures import face_map, styled
from gensim_graph.evaluate.verify import iiee
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array

SEASONS = {"winter": (12, 1, 2), "spring": (3, 4, 5), "summer": (6, 7, 8), "autumn": (9, 10, 11)}
LEVELS = (0.5, 0.9, 0.99)
LIMITS = {"sit": (0.0, np.inf), "sic": (0.0, 1.0), "sid": (0.0, 1.0), "snt": (0.0, np.inf)}
EDGE = 0.15
PACK = 0.8
"""Concentrations at the ice edge and in the pack."""

BREAKDOWN = 0.5
"""If the volume differs from that of the reference by more than this share of it, the run has broken down."""


def stability(mesh: Mesh, ours: xr.Dataset, reference: xr.Dataset) -> dict:
    """Numbers of one run and of its reference.

    Args:
        mesh: mesh of both.
        ours: the run, (time, face).
        reference: (time, face); may be shorter than the run.
    """
    both = np.intersect1d(ours["time"].values, reference["time"].values)
    near, truth = ours.sel(time=both), reference.sel(time=both)
    cycles = {name: monthly(mesh, run) for name, run in (("ours", ours), ("reference", reference))}
    return {
        "years": round(ours.sizes["time"] / 730.5, 2),
        "years_of_reference": round(len(both) / 730.5, 2),
        "bounds": bounds(ours),
        "extremes": {name: extremes(run) for name, run in (("ours", ours), ("reference", truth))},
        "runaways": runaways(mesh, ours, reference),
        "breaks_at": breakdown(cycles["ours"], cycles["reference"]),
        "mean_cycle": mean_cycles(cycles, both),
        "years_one_by_one": drift(mesh, near, truth, ours),
        "deformation": {season: deformations(mesh, near, truth, months) for season, months in SEASONS.items()},
    }


def monthly(mesh: Mesh, run: xr.Dataset) -> xr.Dataset:
    """Monthly means: extent and area in 1e6 km2, volume and snow in 1e3 km3, drift in m/s, damage of the pack.

    Args:
        mesh: mesh of the run.
        run: (time, face).
    """
    ice, areas = run["sic"], xr.DataArray(mesh.areas, dims="face")
    pack = ice > PACK
    columns = {
        "extent": ((ice > EDGE) * areas).sum("face") / 1e12,
        "area": (ice * areas).sum("face") / 1e12,
        "volume": (run["sit"] * areas).sum("face") / 1e12,
        "snow": (run["snt"] * areas).sum("face") / 1e12,
        "drift": np.hypot(run["siu"], run["siv"]).where(pack).mean("face"),
        "damage": run["sid"].where(pack).mean("face"),
    }
    return xr.Dataset(columns).resample(time="MS").mean()


def bounds(run: xr.Dataset) -> dict:
    """Number of values out of bounds, and of values that are not finite, over all records."""
    return {
        name: {
            "outside": int(((run[name] < low) | (run[name] > high)).sum()),
            "not_finite": int((~np.isfinite(run[name])).sum()),
        }
        for name, (low, high) in LIMITS.items()
    }


def extremes(run: xr.Dataset) -> dict:
    """The largest thickness and drift, and the values that one cell in a thousand exceeds."""
    speed = np.hypot(run["siu"].values, run["siv"].values)
    values = {"sit": run["sit"].values, "snt": run["snt"].values, "drift": speed}
    return {
        name: {"largest": round(float(part.max()), 3), "q999": round(float(np.quantile(part, 0.999)), 3)}
        for name, part in values.items()
    }


def off_limits(ours: xr.Dataset, reference: xr.Dataset) -> Array:
    """Return True for cells that at some time were twice as thick as the thickest cell of the reference, (face,).

    Args:
        ours: the run, (time, face).
        reference: (time, face).
    """
    return ours["sit"].values.max(axis=0) > 2.0 * float(reference["sit"].max())


def runaways(mesh: Mesh, ours: xr.Dataset, reference: xr.Dataset) -> dict:
    """Cells that became unrealistically thick, their first day, and the volume in and outside them after each year.

    Args:
        mesh: mesh of both.
        ours: the run, (time, face).
        reference: (time, face).
    """
    too_thick = off_limits(ours, reference)
    thick = (ours["sit"].values > 2.0 * float(reference["sit"].max())).any(axis=1)
    volume = ours["sit"].values[729::730] * mesh.areas / 1e12
    return {
        "cells": int(too_thick.sum()),
        "first": str(ours["time"].values[thick][0].astype("datetime64[D]")) if thick.any() else None,
        "volume_in_them": np.round(volume[:, too_thick].sum(axis=1).astype(float), 1).tolist(),
        "volume_elsewhere": np.round(volume[:, ~too_thick].sum(axis=1).astype(float), 1).tolist(),
    }


def breakdown(ours: xr.Dataset, reference: xr.Dataset) -> str | None:
    """First month in which the volume differs by more than half from the reference, after its end from its last year.

    Args:
        ours: monthly means of the run.
        reference: monthly means of the reference.

    Returns:
        Year and month; None if there is no such month.
    """
    last = reference["volume"].isel(time=slice(-12, None)).groupby("time.month").mean()
    usual = last.reindex(month=ours["time.month"].values).values
    there = reference["volume"].reindex(time=ours["time"]).values
    expected = np.where(np.isfinite(there), there, usual)
    wrong = ~(np.abs(ours["volume"].values - expected) <= BREAKDOWN * expected)
    return str(ours["time"].values[wrong][0].astype("datetime64[M]")) if wrong.any() else None


def mean_cycles(cycles: dict[str, xr.Dataset], times: Array) -> dict:
    """Mean of each month over the years that both runs have, without the first year if there are more.

    Args:
        cycles: monthly means by run, ``ours`` and ``reference``.
        times: times that both runs have.
    """
    later = times > times[0] + np.timedelta64(365, "D")
    first, last = times[later][0] if later.sum() > 365 else times[0], times[-1]
    chosen = {name: run.sel(time=slice(first, last)).groupby("time.month").mean() for name, run in cycles.items()}
    names = ("extent", "volume", "drift", "damage")
    table = {
        run: {name: np.round(part[name].values.astype(float), 3).tolist() for name in names}
        for run, part in chosen.items()
    }

    table["bias_over_swing"] = {}
    for name in ("extent", "volume"):
        mine, theirs = chosen["ours"][name], chosen["reference"][name]
        swing = float(theirs.max() - theirs.min())
        table["bias_over_swing"][name] = {
            "mean": round(float((mine - theirs).mean()) / swing, 3),
            "rms": round(float(np.sqrt(np.square(mine - theirs).mean())) / swing, 3),
        }
    return table


def drift(mesh: Mesh, near: xr.Dataset, truth: xr.Dataset, ours: xr.Dataset) -> list[dict]:
    """Mean volume, smallest and largest extent, errors of the mean state of March and September, year by year.

    Args:
        mesh: mesh of all.
        near: the run at the times of the reference, (time, face).
        truth: the reference at the same times.
        ours: the whole run.
    """
    rows = []
    for year in np.unique(ours["time.year"]):
        mine = monthly(mesh, ours.sel(time=str(year)))
        row = {"year": int(year) - int(ours["time.year"][0]) + 1, "ours": _summary(mine)}
        if year in truth["time.year"] and (truth["time.year"] == year).sum() > 700:
            a, b = near.sel(time=str(year)), truth.sel(time=str(year))
            row["reference"] = _summary(monthly(mesh, b))
            march = [part["sit"].sel(time=f"{year}-03").mean("time").values for part in (a, b)]
            row["march_sit"] = pattern(mesh.areas, *march)
            sound = ~off_limits(ours, truth)
            row["march_sit_without_runaways"] = pattern(mesh.areas[sound], *(part[sound] for part in march))
            edges = (part["sic"].sel(time=f"{year}-09").mean("time").values > EDGE for part in (a, b))
            row["september_iiee_1e6_km2"] = round(iiee(*edges, mesh.areas)["iiee"] / 1e6, 3)
        rows.append(row)
    return rows


def _summary(cycle: xr.Dataset) -> dict:
    return {
        "volume": round(float(cycle["volume"].mean()), 3),
        "least_extent": round(float(cycle["extent"].min()), 3),
        "largest_extent": round(float(cycle["extent"].max()), 3),
    }


def pattern(areas: Array, mine: Array, theirs: Array) -> dict:
    """Bias, root mean square error and correlation of a mean state, weighted by area.

    Args:
        areas: (face,) in m2.
        mine: (face,) mean state of the run.
        theirs: (face,) mean state of the reference.
    """
    off = mine - theirs
    here, there = (part - np.average(part, weights=areas) for part in (mine, theirs))
    covariance = np.average(here * there, weights=areas)
    spread = np.sqrt(np.average(here**2, weights=areas) * np.average(there**2, weights=areas))
    return {
        "bias": round(float(np.average(off, weights=areas)), 3),
        "rmse": round(float(np.sqrt(np.average(off**2, weights=areas))), 3),
        "correlation": round(float(covariance / spread), 3) if spread > 0 else None,
    }


def deformations(mesh: Mesh, near: xr.Dataset, truth: xr.Dataset, months: tuple[int, ...]) -> dict | None:
    """Quantiles of the total deformation in the pack (1/day), and the distance of the distributions in decades.

    Args:
        mesh: mesh of both.
        near: the run at the times of the reference, (time, face).
        truth: the reference at the same times.
        months: months of the season, 1 to 12.

    Returns:
        The numbers; None if one of the runs has no pack ice in these months.
    """
    rates = [pack_deformation(mesh, run, months) for run in (near, truth)]
    if not all(len(rate) for rate in rates):
        return None
    even = [np.ones(len(rate)) for rate in rates]  # faces are of one size
    quantiles = [
        [round(area_quantile(rate, one, level), 4) for level in LEVELS] for rate, one in zip(rates, even, strict=True)
    ]
    some = min(len(rate) for rate in rates)
    shared = [np.sort(np.random.default_rng(0).choice(rate, some, replace=False)) for rate in rates]
    distance = log_distance(shared[0][None], shared[1], np.ones(some))
    return {"ours": quantiles[0], "reference": quantiles[1], "log_distance": round(distance, 3)}


def pack_deformation(mesh: Mesh, run: xr.Dataset, months: tuple[int, ...]) -> Array:
    """Total deformation of the pack on every fifth day of some months in 1/day, all cells in one array.

    Args:
        mesh: mesh of the run.
        run: (time, face).
        months: months to take, 1 to 12.
    """
    chosen = run.sel(time=run["time.month"].isin(months)).isel(time=slice(None, None, 10))
    rates = total_deformation(mesh, chosen["siu"].values.astype(float), chosen["siv"].values.astype(float))
    return rates[chosen["sic"].values > PACK]


@styled
def draw(mesh: Mesh, ours: xr.Dataset, reference: xr.Dataset) -> Figure:
    """Draw extent and volume in time, deformation by season, and maps of the last March and September of both.

    Args:
        mesh: mesh of both.
        ours: the run, (time, face).
        reference: (time, face).
    """
    figure = Figure(figsize=(11, 8.2), layout="constrained")
    axes = figure.subplot_mosaic(
        [["extent"] * 4, ["volume"] * 4, [*SEASONS], ["a", "b", "c", "d"]], height_ratios=[1, 1, 1.1, 1.6]
    )
    runs = {"reference": (reference, "black"), "surrogate": (ours, "C1")}
    units = {"extent": "extent, 10$^6$ km$^2$", "volume": "volume, 10$^3$ km$^3$"}
    cycles = {name: monthly(mesh, run) for name, (run, _) in runs.items()}
    for field, title in units.items():
        for name, (_, colour) in runs.items():
            axes[field].plot(cycles[name]["time"], cycles[name][field], color=colour, label=name, lw=1.1)
        axes[field].set(ylabel=title, ylim=(0, None))
    axes["extent"].legend(ncols=2, loc="lower left")
    for season, months in SEASONS.items():
        for run, colour in runs.values():
            rates = np.sort(pack_deformation(mesh, run, months))
            axes[season].loglog(rates[::7], 1.0 - np.arange(len(rates))[::7] / max(1, len(rates)), color=colour)
        axes[season].set(title=season, xlim=(1e-3, 1), ylim=(1e-3, 1.1), xlabel="deformation, 1/day")
    axes["winter"].set_ylabel("share of the pack above")
    _draw_maps(figure, axes, mesh, ours, reference)
    return figure


def _draw_maps(figure: Figure, axes: dict, mesh: Mesh, ours: xr.Dataset, reference: xr.Dataset) -> None:
    year = int(min(part["time.year"].values[-560] for part in (ours, reference)))  # whole until October
    shown: tuple[tuple[str, str, Callable], ...] = (
        ("sit", f"{year}-03", lambda top: Normalize(0, top)),
        ("sic", f"{year}-09", lambda top: Normalize(0, 1)),
    )
    for keys, (name, month, norm) in zip((("a", "b"), ("c", "d")), shown, strict=True):
        means = [run[name].sel(time=month).mean("time").values for run in (reference, ours)]
        scale = norm(float(np.quantile(means[0], 0.98)))
        for key, values, who in zip(keys, means, ("reference", "surrogate"), strict=True):
            drawn = face_map(axes[key], mesh, values, norm=scale, cmap="viridis" if name == "sit" else "Blues_r")
            axes[key].set(xticks=[], yticks=[], xlabel="", ylabel="")
            axes[key].set_title(f"{name}, {month}, {who}", fontsize=9)
        figure.colorbar(drawn, ax=[axes[key] for key in keys], shrink=0.7, pad=0.01)

r"""Twin experiments of the assimilation: a genuine storm is observed in a few cells, with noise, and analysed.

Usage: python benchmarks/assimilation.py --data DATA [--wind 2] [--model small] [--members 16] [--cycles 3] [--out DIR]

Drift and concentration are observed every 12 hours in 5 % of the cells, with errors of 2 cm/s and 3 %. The ensemble
starts from a state that is wrong: to thickness, concentration and snow of the truth, errors are added that are smooth
over 100 to 300 km (``--uncertainty`` is the deviation of the logarithm of the thickness; concentration is wrong by half
of it). With ``--uncertainty 0`` all members start from the truth, and only the errors of the steps are left. With
``--wind`` the winds are uncertain, too, as those of a weather forecast are: each member is driven by its own.

Methods: free (no observations), letkf, guided, both (see ``gensim_graph.assimilate.assimilation``). The result is the
CRPS over all cells divided by that of the free ensemble at the end, in thickness and snow (not observed) and in what is
observed; the same for means over squares of 64 km; spread over error; the probability that the ranks of the truth are
flat; values out of bounds; and the time.

Results are written to ``OUT/assimilation.json`` and ``assimilation.md``; the same command goes on.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.stats import chisquare
from shared import build_parser, prepare_process, show_progress, write_json, write_text

import gensim_graph as gg
from gensim_graph.assimilate import DEFAULT_FILTER, Assimilation
from gensim_graph.benchmark.resolutions import read_plan
from gensim_graph.evaluate.verify import fair_crps
from gensim_graph.io import mesh_from_dataset
from gensim_graph.mesh import Mesh

ERRORS = {"siu": 0.02, "siv": 0.02, "sic": 0.03}
"""Observed variables and the deviations of their errors, m/s and 1."""

SETS = {"16 km": "triangles_16km", "8 km": "triangles_8km", "grid": "triangles_on_grid"}
"""Name in the table -> set of configs/benchmark/shipped.yaml."""

_LABELS = ("set", "storm", "method", "uncertainty", "wind")
_WIND_MEMORY = 24.0  # hours after which errors of the wind have decreased by e
_SQUARE = 64e3  # m; the observed cells of 16 km triangles are 60 to 70 km apart
_FIRST, _EVERY = 8, 4  # records of three hours: start at 24 h, steps of 12 h


def main() -> None:
    """Run what is missing, then write the tables."""
    options = _options()
    prepare_process(options)
    path = options.out / "assimilation.json"
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.exists() else []
    done = {tuple(row.get(key) for key in _LABELS) for row in rows}
    model = gg.Surrogate.load(options.model)

    for name in options.sets.split(","):
        sources = read_plan("shipped").sets[SETS[name]].sources("test", options.data, options.out / "data")
        storms = sources[: options.storms]
        for number, storm in enumerate(storms):
            for method in options.methods.split(","):
                values = (name, number, method, options.uncertainty, options.wind)
                if values in done:
                    continue
                show_progress(f"{name}, storm {number + 1} of {len(storms)}: {method}")
                scores = run(model, storm, method, number, options)
                labels = dict(zip(_LABELS, values, strict=True))
                rows += [labels | one for one in scores]
                write_json(path, rows)

    text = as_text(pd.DataFrame(rows), options)
    print(text)
    write_text(options.out / "assimilation.md", text)


def run(
    model: gg.Surrogate, storm: xr.Dataset, method: str, seed: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Analyse one storm and score the ensemble at the end.

    Args:
        model: the model.
        storm: the truth.
        method: ``free`` or a method of the assimilation.
        seed: of the places, the errors and the first ensemble.
        options: the command line.
    """
    mesh = mesh_from_dataset(storm)
    observed = observe(storm, mesh, options.cycles, seed)
    initial = first_ensemble(storm.isel(time=_FIRST), mesh, options.members, options.uncertainty, seed)
    winds = wind_ensemble(storm, mesh, options, seed)
    chosen = None
    if method != "free":
        radius = {name: 1e3 * (options.radius if name == "sic" else options.drift_radius) for name in ERRORS}
        chosen = Assimilation(observed, method, filter=replace(DEFAULT_FILTER, radius=radius, inflation=1.05))

    began = time.process_time()
    ensemble = model.forecast(
        initial, winds, options.cycles, options.members, batch=8, progress=False, observations=chosen
    )
    seconds = time.process_time() - began
    truth = storm.isel(time=_FIRST + _EVERY * options.cycles)

    return [
        score(ensemble[variable.name].isel(lead_time=-1).values, truth[variable.name].values, variable, mesh)
        | {"variable": variable.name, "seconds": seconds}
        for _, variable in model.forecast_variables
    ]


def observe(storm: xr.Dataset, mesh: Mesh, cycles: int, seed: int) -> gg.Observations:
    """Observe a twentieth of the cells every 12 hours, the same cells each time.

    Args:
        storm: the truth.
        mesh: its mesh.
        cycles: number of times.
        seed: of places and errors.
    """
    rng = np.random.default_rng(seed)
    cells = rng.choice(mesh.n_faces, mesh.n_faces // 20, replace=False)
    parts = []
    for record in _FIRST + _EVERY * np.arange(1, cycles + 1):
        for name, error in ERRORS.items():
            values = storm[name].values[record, cells] + rng.normal(0, error, len(cells))
            x, y = mesh.centres[cells].T
            columns = {"x": x, "y": y, "value": np.clip(values, 0, 1) if name == "sic" else values}
            parts.append(pd.DataFrame(columns | {"variable": name, "error": error, "time": storm.time.values[record]}))

    return gg.Observations.from_table(pd.concat(parts))


def first_ensemble(truth: xr.Dataset, mesh: Mesh, members: int, uncertainty: float, seed: int) -> xr.Dataset:
    """States that differ from the truth by smooth fields; the truth is a member of the same distribution.

    Args:
        truth: state at the start.
        mesh: its mesh.
        members: number of states.
        uncertainty: deviation of the logarithm of the thickness.
        seed: of the fields.
    """
    if not uncertainty:
        return truth

    rng = np.random.default_rng([seed, 1])
    shift = _smooth(mesh, rng), _smooth(mesh, rng), _smooth(mesh, rng)  # of all members, so that their mean is wrong
    states = []
    for _ in range(members):
        thick, open_water, snow = (uncertainty * (_smooth(mesh, rng) + common) / 2**0.5 for common in shift)
        area = truth["sic"] + 0.5 * (0.6 * thick + 0.8 * open_water) * (truth["sic"] > 0)
        states.append(
            truth.assign(sit=truth["sit"] * np.exp(thick), snt=truth["snt"] * np.exp(snow), sic=np.clip(area, 0.0, 1.0))
        )

    changed = xr.concat([state[["sit", "sic", "snt"]] for state in states], "trajectory")
    return truth.drop_vars(["sit", "sic", "snt"]).assign(changed)


def wind_ensemble(storm: xr.Dataset, mesh: Mesh, options: argparse.Namespace, seed: int) -> xr.Dataset:
    """Winds of each member: those of the truth with errors that are smooth in space and time.

    Args:
        storm: the truth.
        mesh: its mesh.
        options: the command line, with the number of cycles and members and the deviation of a component, m/s.
        seed: of the errors.
    """
    records = storm.isel(time=_FIRST + _EVERY * np.arange(options.cycles + 1))
    if not options.wind:
        return records

    rng = np.random.default_rng([seed, 2])
    errors = np.array([_errors_in_time(mesh, rng, options.cycles + 1) for _ in range(options.members + 1)])
    errors = options.wind * (errors[1:] + errors[0]) / 2**0.5  # the first is of all members: their mean is wrong
    shifted = {
        name: (("member", "time", "face"), records[name].values + errors[..., number, :], records[name].attrs)
        for number, name in enumerate(("uas", "vas"))
    }

    return records.assign(shifted)


def _errors_in_time(mesh: Mesh, rng: np.random.Generator, count: int) -> np.ndarray:
    """Errors of a wind, (time, component, face) with a variance of about one, 12 hours apart."""
    kept = np.exp(-12.0 / _WIND_MEMORY)
    series = [np.stack([_smooth(mesh, rng, 300e3, 900e3) for _ in range(2)])]
    for _ in range(count - 1):
        fresh = np.stack([_smooth(mesh, rng, 300e3, 900e3) for _ in range(2)])
        series.append(kept * series[-1] + np.sqrt(1 - kept**2) * fresh)
    return np.stack(series)


def _smooth(mesh: Mesh, rng: np.random.Generator, shortest: float = 100e3, longest: float = 300e3) -> np.ndarray:
    """Random waves between two lengths (m) with a variance of about one."""
    length = rng.uniform(shortest, longest, 12)
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 12))
    number = 2 * np.pi / length * np.stack([np.cos(angle), np.sin(angle)])
    return np.cos(mesh.centres @ number + phase).sum(axis=1) / 6**0.5


def score(members: np.ndarray, truth: np.ndarray, variable: Any, mesh: Mesh) -> dict[str, float]:
    """CRPS of the cells and of means over squares, error, spread, flatness of ranks and values out of bounds.

    Args:
        members: (member, face).
        truth: (face,).
        variable: of the table.
        mesh: of both.
    """
    count, share = len(members), mesh.areas / mesh.areas.sum()
    deviation = (members - truth).astype(float)
    error = deviation.mean(axis=0)

    # Every thirtieth cell: neighbours have the same rank.
    ranks = np.bincount((members < truth).sum(axis=0)[::30], minlength=count + 1)
    outside = int(((members < variable.lower) | (members > variable.upper)).sum())

    _, square = np.unique((mesh.centres // _SQUARE).astype(int), axis=0, return_inverse=True)
    share_of_square = np.bincount(square.ravel(), share)
    means = np.array([np.bincount(square.ravel(), share * one) for one in deviation]) / share_of_square

    return {
        "crps": float((share * fair_crps(deviation)).sum()),
        "crps_of_means": float((share_of_square * fair_crps(means)).sum()),
        "rmse": float(np.sqrt((share * error**2).sum())),
        "spread": float(np.sqrt((share * members.var(axis=0, ddof=1)).sum() * (1 + 1 / count))),
        "flat": float(chisquare(ranks).pvalue),
        "outside": outside,
    }


def as_text(rows: pd.DataFrame, options: argparse.Namespace) -> str:
    """Return the tables as markdown: mean over the storms, with the smallest and the largest.

    Args:
        rows: all results.
        options: the command line.
    """
    keys = ["uncertainty", "wind", "set", "storm", "variable"]
    free = rows[rows["method"] == "free"][[*keys, "crps", "crps_of_means", "seconds"]]
    rows = rows.merge(free, on=keys, suffixes=("", "_free"))
    rows["ratio"], rows["time"] = rows["crps"] / rows["crps_free"], rows["seconds"] / rows["seconds_free"]
    rows["coarse"] = rows["crps_of_means"] / rows["crps_of_means_free"]
    rows["reliability"] = rows["spread"] / rows["rmse"]
    names = list(dict.fromkeys(rows["variable"]))
    measures = "[smallest, largest], of means over 64 km (spread / error)"
    title = f"CRPS after {options.cycles} cycles over that of the free ensemble {measures}"
    lines = [title, ""]
    lines += ["| uncertainty | wind | set | method | " + " | ".join(names) + " | time | out of bounds |"]
    lines += ["|---" * (len(names) + 6) + "|"]

    for (uncertainty, wind, name, method), part in rows.groupby(["uncertainty", "wind", "set", "method"], sort=False):
        cells = []
        for variable in names:
            one = part[part["variable"] == variable]
            extent = f" [{one.ratio.min():.2f}, {one.ratio.max():.2f}]" if len(one) > 1 and method != "free" else ""
            cells.append(f"{one.ratio.mean():.2f}{extent} {one.coarse.mean():.2f} ({one.reliability.mean():.2f})")
        last = f"{part['time'].mean():.1f} | {part['outside'].sum()}"
        lines.append(f"| {uncertainty} | {wind:g} | {name} | {method} | " + " | ".join(cells) + f" | {last} |")

    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, data="folder of the genuine data", out="bench/assimilation", threads=1)
    parser.add_argument("--model", type=Path, default=Path("small"), help="folder or name of the model")
    parser.add_argument("--sets", default=",".join(SETS), help="names separated by commas")
    parser.add_argument("--methods", default="free,letkf,guided,both", help="names separated by commas")
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    parser.add_argument("--cycles", type=int, default=3, help="analyses, 12 hours apart")
    parser.add_argument("--uncertainty", type=float, default=0.3, help="of the first ensemble")
    parser.add_argument("--wind", type=float, default=0.0, help="deviation of the error of a component, m/s")
    parser.add_argument("--storms", type=int, default=4, help="largest number of storms of a set")
    parser.add_argument("--radius", type=float, default=60.0, help="of the filter for concentration, km")
    parser.add_argument("--drift-radius", type=float, default=60.0, help="of the filter for drift, km")
    return parser.parse_args()


if __name__ == "__main__":
    main()

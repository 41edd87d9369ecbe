"""Years of a model over the Arctic, driven by three genuine years again and again: does it stand, and does it drift?

Usage: python benchmarks/decade.py --data DATA --model small-1 [--years 10] [--members 3] [--sampler-steps 2]
                                   [--out bench/decade]

The mesh is that of the 60 km season runs of neXtSIM. Each member starts at the end of January of the first year and has
noise of its own; wind, temperature and humidity of the three years are repeated. Every fifth day is kept. The tables
give volume and extent of each year in spring and September, the thickest cell and the error of the ice edge in
September (IIEE, the area where one of run and truth has ice and the other has none) beside those of neXtSIM in the same
year of the cycle, then the mean of each month. The same command continues an interrupted run. Results are written to
``OUT/decade.json``, ``OUT/decade.md`` and ``OUT/decade.png``.
"""

import argparse
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
import xarray as xr
from shared import build_parser, prepare_process, write_json, write_text

import gensim_graph as gg
from gensim_graph.typing import Array

FIRST = 60
"""Record of the first year at which the runs start."""

STEPS_OF_A_YEAR, EVERY = 730.5, 10
CYCLE = ("volume", "truth_volume", "extent", "truth_extent")
ICE = 0.15
"""Concentration above which a cell counts for the extent."""


def main() -> None:
    """Run the model and compare its years with those of neXtSIM."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/decade", threads=torch.get_num_threads()
    )
    parser.add_argument("--model", default="small-1", help="a model that knows seasons")
    parser.add_argument("--years", type=float, default=10.0, help="length of the run")
    parser.add_argument("--members", type=int, default=3, help="members, each with noise of its own")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--sampler-steps", type=int, help="Heun steps of a flow in place of its own")
    options = parser.parse_args()
    prepare_process(options)
    options.out.mkdir(parents=True, exist_ok=True)

    files = sorted((options.data / "season").glob("season60_year*.nc"))
    mesh = gg.load_mesh(files[0])
    model = gg.Surrogate.load(options.model)
    if options.sampler_steps:
        model.sampler = gg.SamplerConfig(steps=options.sampler_steps)
    store = run(model, files, mesh, options)
    truth = xr.concat([xr.open_dataset(file)[["sit", "sic"]] for file in files], "time")
    found = compare(store, truth, mesh.areas)
    write_json(options.out / "decade.json", found)
    draw(found, options.out / "decade.png")
    text = f"{as_table(found)}\n\n{as_cycle(found)}\n"
    write_text(options.out / "decade.md", text)
    print(text)


def run(model: gg.Surrogate, files: list[Path], mesh: gg.Mesh, options: argparse.Namespace) -> xr.Dataset:
    """Forecast the years, or what is left of them.

    Args:
        model: the model.
        files: years of neXtSIM.
        mesh: their mesh.
        options: the command line.
    """
    forcing = gg.open_forcing(files, mesh, repeat=True)
    initial = gg.open_store(files[0]).isel(time=FIRST)
    steps = round(options.years * STEPS_OF_A_YEAR)
    place = options.out / "years.zarr"
    gg.write_forecast(
        model, initial, forcing, place, steps=steps, members=options.members, every=EVERY, seed=options.seed
    )
    return xr.open_zarr(place, consolidated=False)


def compare(store: xr.Dataset, truth: xr.Dataset, areas: Array) -> dict[str, Any]:
    """Volume (1000 km3) and extent (million km2) of the run and of neXtSIM at the same times of the cycle.

    Args:
        store: the run.
        truth: three years of neXtSIM.
        areas: m2, of the cells.
    """
    times = store["valid_time"].values
    same = _same_of_cycle(times, truth["time"].values)
    thickness, concentration = store["sit"].values, store["sic"].values
    has_ice, true_ice = concentration > ICE, truth["sic"].values[same] > ICE

    return {
        "time": [str(one) for one in times.astype("datetime64[D]")],
        "volume": (thickness @ areas / 1e12).tolist(),
        "extent": (has_ice @ areas / 1e12).tolist(),
        "edge_error": ((has_ice != true_ice) @ areas / 1e12).tolist(),
        "thickest": thickness.max(axis=-1).tolist(),
        "truth_volume": (truth["sit"].values[same] @ areas / 1e12).tolist(),
        "truth_extent": (true_ice @ areas / 1e12).tolist(),
        "truth_thickest": float(truth["sit"].values.max()),
        "impossible": int(((concentration <= 0) & (thickness > 0)).sum()),
    }


def _same_of_cycle(times: Array, known: Array) -> Array:
    """Records of neXtSIM with the date of each time; the years are repeated."""
    first = known[0].astype("datetime64[Y]")
    years = times.astype("datetime64[Y]")
    count = len(np.unique(known.astype("datetime64[Y]")))
    within = times - years.astype("datetime64[ns]")
    cycle = first + (years - first).astype(int) % count
    return np.abs((cycle.astype("datetime64[ns]") + within)[:, None] - known).argmin(axis=1)


def as_table(found: dict[str, Any]) -> str:
    """One line a year: volume and extent of the members' mean and of neXtSIM, with the spread of the members.

    Args:
        found: from :func:`compare`.
    """
    months = np.array([int(one[5:7]) for one in found["time"]])
    years = np.array([int(one[:4]) for one in found["time"]])
    fields = {name: np.array(values) for name, values in found.items() if name not in ("time", "impossible")}
    lines = [
        "| year | volume, April | volume, September | extent, March | extent, September | edge error | thickest, m |"
    ]
    lines.append("|---" * 7 + "|")

    for year in np.unique(years):
        cells = []
        for name, month in (("volume", 4), ("volume", 9), ("extent", 3), ("extent", 9)):
            chosen = (years == year) & (months == month)
            if not chosen.any():
                cells.append("")
                continue
            members = fields[name][:, chosen].mean(axis=1)
            text = f"{members.mean():.2f} ± {members.std():.2f}" if len(members) > 1 else f"{members[0]:.2f}"
            cells.append(f"{text} ({fields[f'truth_{name}'][chosen].mean():.2f})")
        summer = (years == year) & (months == 9)
        edge = f"{fields['edge_error'][:, summer].mean():.2f}" if summer.any() else ""
        lines.append(f"| {year} | {' | '.join(cells)} | {edge} | {fields['thickest'][:, years == year].max():.1f} |")

    last = years > years.max() - 3
    for what, chosen in (("all years", years > 0), ("last three years", last)):
        ratios = [fields[n][:, chosen].mean() / fields[f"truth_{n}"][chosen].mean() - 1 for n in ("volume", "extent")]
        lines.append(f"\n{what}: volume {100 * ratios[0]:+.1f} %, extent {100 * ratios[1]:+.1f} %")
    lines.append(
        f"\nneXtSIM's thickest cell: {found['truth_thickest']:.1f} m; impossible states: {found['impossible']}"
    )
    return "\n".join(lines)


def as_cycle(found: dict[str, Any]) -> str:
    """One line a month: volume and extent of all years and members, and those of neXtSIM.

    Args:
        found: from :func:`compare`.
    """
    months = np.array([int(one[5:7]) for one in found["time"]])
    lines = ["| month | volume | neXtSIM | extent | neXtSIM |", "|---" * 5 + "|"]
    for month in range(1, 13):
        chosen = months == month
        if chosen.any():
            means = [np.array(found[name])[..., chosen].mean() for name in CYCLE]
            lines.append(f"| {month} | " + " | ".join(f"{mean:.2f}" for mean in means) + " |")
    return "\n".join(lines)


def draw(found: dict[str, Any], file: Path) -> None:
    """Draw volume and extent over time.

    Args:
        found: from :func:`compare`.
        file: of the picture.
    """
    figure, panels = plt.subplots(2, 1, figsize=(9, 5), sharex=True, layout="constrained")
    time = np.array(found["time"], dtype="datetime64[D]")
    for panel, name, unit in zip(panels, ("volume", "extent"), ("1000 km³", "million km²"), strict=True):
        panel.plot(time, np.array(found[name]).T, color="tab:blue", lw=0.8)
        panel.plot(time, found[f"truth_{name}"], color="black", lw=0.8, label="neXtSIM, years repeated")
        panel.set_ylabel(f"{name}, {unit}")
    panels[0].legend()
    figure.savefig(file, dpi=120)


if __name__ == "__main__":
    main()

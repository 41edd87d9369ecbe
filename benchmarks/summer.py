"""A free run through one summer of the Arctic: does a model melt as much ice as neXtSIM?

Usage: python benchmarks/summer.py --data DATA --models small-1 FOLDER ... [--start 2003-05-01] [--days 150]
                                   [--members 2] [--out bench/summer]

The run starts from the state of neXtSIM (60 km) and has its wind, temperature and humidity. A bias of a millimetre in a
step, which no score of single steps shows, is a fifth of the ice at the end. The table gives volume and extent over
those of neXtSIM, and the error of the thickness, at the end of every 30 days. Results are written to
``OUT/summer.json``.
"""

import sys

import numpy as np
import torch
import xarray as xr
from decade import ICE
from shared import build_parser, prepare_process, write_json

import gensim_graph as gg
from gensim_graph.data import Forcing
from gensim_graph.io import mesh_from_dataset


def main() -> None:
    """Run the models one after the other."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/summer", threads=torch.get_num_threads()
    )
    parser.add_argument("--models", nargs="+", required=True, help="names or folders")
    parser.add_argument("--start", default="2003-05-01", help="first day")
    parser.add_argument("--days", type=int, default=150, help="length of the run")
    parser.add_argument("--members", type=int, default=2, help="members, which differ in their noise")
    options = parser.parse_args()
    prepare_process(options)

    files = sorted((options.data / "season").glob("season60_year*.nc"))
    years, begin = [gg.open_store(file) for file in files], np.datetime64(options.start)
    truth = xr.concat([year[["sit", "sic"]] for year in years], "time", data_vars="minimal")
    first, last = truth["time"].values[[0, -1]]
    if not first <= begin <= last - np.timedelta64(options.days, "D"):
        sys.exit(f"--start {begin}, --days {options.days}: expected days within the data, {first:.10} to {last:.10}")
    initial = next(year for year in years if year["time"].values[-1] >= begin).sel(time=begin, method="nearest")
    forcing = gg.open_forcing([str(file) for file in files], gg.load_mesh(files[0]))
    found = {}
    for name in options.models:
        rows = run(gg.Surrogate.load(name), initial, forcing, truth, 2 * options.days, options.members)
        found[name] = rows
        print(f"\n{name}\n| day | volume | extent | rmse of the thickness, m |\n|---|---|---|---|")
        for row in rows:
            print("| {days:.0f} | {volume:.2f} | {extent:.2f} | {rmse:.2f} |".format(**row), flush=True)
        write_json(options.out / "summer.json", found)


def run(
    model: gg.Surrogate, initial: xr.Dataset, forcing: Forcing, truth: xr.Dataset, steps: int, members: int
) -> list[dict[str, float]]:
    """Compare a free run with the truth at the end of every 30 days.

    Args:
        model: of steps of half a day.
        initial: state at the start.
        forcing: that drives the run.
        truth: thickness and concentration at all times.
        steps: of the run.
        members: of the ensemble.
    """
    area, rows = mesh_from_dataset(initial).areas, []
    states = model.rollout(initial, forcing, steps, members=members, seed=0, guard=False)
    for step, state in enumerate(states, start=1):
        if step % 60:
            continue
        true = truth.sel(time=initial["time"].values + step * np.timedelta64(12, "h"))
        volume, extent = (
            np.mean([(values * area).sum() for values in came]) / (expected * area).sum()
            for came, expected in (
                (state["sit"].values, true["sit"].values),
                (state["sic"].values > ICE, true["sic"].values > ICE),
            )
        )
        error = state["sit"].values.mean(axis=0) - true["sit"].values
        rmse = np.sqrt((area * error**2).sum() / area.sum())
        rows.append({"days": step / 2, "volume": float(volume), "extent": float(extent), "rmse": float(rmse)})
    return rows


if __name__ == "__main__":
    main()

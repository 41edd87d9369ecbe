"""A free run through one summer of the Arctic: does a model melt as much ice as neXtSIM?

Usage: python benchmarks/summer.py --data DATA --models small-1 FOLDER ... [--start 2003-05-01] [--days 150]
                                   [--members 2] [--out bench/summer]

The run starts from the state of neXtSIM (60 km) and has its wind, temperature and humidity. A bias of a millimetre in a
step, which no score of single steps shows, is a fifth of the ice at the end. The table gives volume and extent over
those of neXtSIM, and the error of the thickness, at the end of every 30 days. Results are written to
``OUT/summer.json``.
"""

import numpy as np
import torch
import xarray as xr
from shared import build_parser, prepare_process, write_json

import gensim_graph as gg
from gensim_graph.data import Forcing
from gensim_graph.io import mesh_from_dataset

ICE = 0.15
"""Concentration above which a cell counts for the extent."""


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
    truth = xr.concat([gg.open_store(file)[["sit", "sic"]] for file in files], "time", data_vars="minimal")
    initial = next(one for one in map(gg.open_store, files) if one["time"].values[-1] > np.datetime64(options.start))
    initial = initial.sel(time=options.start + "T00", method="nearest")
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

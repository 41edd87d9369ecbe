"""Calibrate a student on the sets of configs/benchmark/shipped.yaml, so that its summers lose less ice.

Usage: python benchmarks/calibrate_student.py --data DATA --model small-1 --out bench/calibrated

All genuine sets count alike, each without its first day of spin-up; what is held back for the tests stays unseen. The
model is written to ``OUT/model``, the errors of the tendencies to ``OUT/calibration.json`` (m per step of 12 hours).
Summers and years show what it does:

python benchmarks/summer.py --data DATA --models bench/calibrated/model --out bench/summer
python benchmarks/decade.py --data DATA --model bench/calibrated/model --out bench/decade
"""

from dataclasses import asdict

import numpy as np
import torch
import xarray as xr
from shared import build_parser, prepare_process, write_json
from shipped import TRAINING

import gensim_graph as gg
from gensim_graph.benchmark.resolutions import read_plan

SPIN_UP = np.timedelta64(24, "h")


def main() -> None:
    """Calibrate, and write model and errors."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/calibrated", threads=torch.get_num_threads()
    )
    parser.add_argument("--model", default="small-1", help="the student")
    parser.add_argument("--window", default="120d", help="length of the free runs")
    parser.add_argument("--variables", nargs="+", default=["sit"], help="that are calibrated")
    options = parser.parse_args()
    prepare_process(options)

    plan = read_plan("shipped")
    sets = [one for one in (plan.sets[key] for key in plan.trainings[TRAINING]) if not one.simulate]
    data = {
        chosen.name: [after_spin_up(one) for one in chosen.sources("train", options.data, options.out)]
        for chosen in sets
    }
    _, rows = gg.calibrate(
        options.model, data, window=options.window, variables=options.variables, out=options.out / "model"
    )

    found = [asdict(row) for row in rows]
    write_json(options.out / "calibration.json", found)
    print("| set | variable | steps | mean error, mm a day | after | rms of groups, after / before |")
    print("|---|---|---|---|---|---|")
    for row in found:
        mean, after = (2e3 * row[key] for key in ("mean", "mean_after"))
        print("| {name} | {variable} | {steps}".format(**row), f"{mean:+.2f} | {after:+.2f}", sep=" | ", end=" | ")
        print(f"{row['groups_after']:.3f} |")


def after_spin_up(trajectory: xr.Dataset) -> xr.Dataset:
    """Leave out the first day.

    Args:
        trajectory: a run.
    """
    times = trajectory["time"].values
    return trajectory.sel(time=times[times >= times[0] + SPIN_UP])


if __name__ == "__main__":
    main()

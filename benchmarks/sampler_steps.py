"""Scores of the same forecasts with different numbers of sampler steps, to choose how many a sample needs.

Usage: python benchmarks/sampler_steps.py --model MODEL --truth cyclone_16km_13.nc --truth cyclone_16km_14.nc
"""

import argparse
from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr
from shared import build_parser, prepare_process

from gensim_graph.benchmark.resolutions import Protocol, network, score, spread_skill
from gensim_graph.io import open_store
from gensim_graph.surrogate import Surrogate


def main() -> None:
    """Print one row for each number of steps."""
    options = _options()
    prepare_process(options)
    truths = [open_store(path) for path in options.truth]
    rows = [measure(options.model, int(steps), truths, options) for steps in options.steps.split(",")]
    print(pd.DataFrame(rows).round(4).to_string(index=False))


def measure(model: str, steps: int, truths: list[xr.Dataset], options: argparse.Namespace) -> dict[str, Any]:
    """Scores at the last lead time, 24 h.

    Args:
        model: folder of a trained surrogate.
        steps: steps of the sampler.
        truths: trajectories to forecast.
        options: the command line.
    """
    surrogate = Surrogate.load(model)
    surrogate.sampler = replace(surrogate.sampler, steps=steps)
    found = score(network(surrogate), truths, options.since, Protocol(options.members, 2, 1))
    last = [row for row in found["scores"] if row["lead_hours"] == 24]
    deformation = found["deformation"][-1]

    row = {"steps": steps, "evaluations": 2 * steps - 1}
    row |= {f"crps_{one['variable']}": one["crps"] for one in last}
    row |= {f"spread_{one['variable']}": spread_skill(one, options.members) for one in last}

    return row | {
        "log_distance": deformation["log_distance"],
        "beta_1": deformation["forecast_beta_1"] / deformation["truth_beta_1"],
        "microseconds": found["microseconds_per_cell_step"],
    }


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__)
    parser.add_argument("--model", required=True, help="folder of a trained surrogate")
    parser.add_argument("--truth", action="append", required=True, help="trajectory; may be given several times")
    parser.add_argument("--steps", default="20,10,6,4,2", help="numbers of sampler steps, separated by commas")
    parser.add_argument("--members", type=int, default=6, help="ensemble members")
    parser.add_argument("--since", type=float, default=24.0, help="start of the forecasts, hours from the first record")
    return parser.parse_args()


if __name__ == "__main__":
    main()

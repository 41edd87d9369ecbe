"""How many steps a sample needs: scores of the same forecasts with more and fewer of them.

python benchmarks/sampler_steps.py --model MODEL --truth cyclone_16km_13.nc --truth cyclone_16km_14.nc
"""

import argparse
from dataclasses import replace
from typing import Any

import pandas as pd
import xarray as xr

from gensim_graph.benchmark.resolutions import Protocol, network, score, spread_skill
from gensim_graph.io import open_store
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import keep_freed_memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--truth", action="append", required=True)
    parser.add_argument("--steps", default="20,10,6,4,2")
    parser.add_argument("--members", type=int, default=6)
    parser.add_argument("--since", type=float, default=24.0, help="hours from the beginning of the first forecast")
    options = parser.parse_args()
    keep_freed_memory()
    truths = [open_store(path) for path in options.truth]
    rows = [measure(options.model, int(steps), truths, options) for steps in options.steps.split(",")]
    print(pd.DataFrame(rows).round(4).to_string(index=False))


def measure(model: str, steps: int, truths: list[xr.Dataset], options: argparse.Namespace) -> dict[str, Any]:
    """Scores at the last lead, 24 h."""
    surrogate = Surrogate.load(model)
    surrogate.sampler = replace(surrogate.sampler, steps=steps)
    found = score(network(surrogate), truths, options.since, Protocol(options.members, 2, 1))
    last = [row for row in found["scores"] if row["lead_hours"] == 24]
    row = {"steps": steps, "evaluations": 2 * steps - 1}
    row |= {f"crps_{one['variable']}": one["crps"] for one in last}
    row |= {f"spread_{one['variable']}": spread_skill(one, options.members) for one in last}
    deformation = found["deformation"][-1]
    return row | {
        "log_distance": deformation["log_distance"],
        "beta_1": deformation["forecast_beta_1"] / deformation["truth_beta_1"],
        "microseconds": found["microseconds_per_cell_step"],
    }


if __name__ == "__main__":
    main()

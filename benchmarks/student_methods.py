r"""Compare two ways to train a student with one evaluation a step: the score of members, and consistency with the flow.

Usage: python benchmarks/student_methods.py --data DATA --out bench/student_methods

Both students start from the weights of the same flow and take as many optimisation steps, on neXtSIM triangles of 16
and 8 km. *Score*: ``gensim-graph distil``. *Consistency* (Song et al. 2023, arXiv:2303.01469): the student has to land
from any point on the way of the flow where its own average lands from a point that is one step of Heun further on. The
table gives the CRPS of each on unseen storms, divided by that of the flow with its eleven evaluations, and the spread
over the error of the mean.
"""

import json
import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import xarray as xr
from shared import build_parser, prepare_process

from gensim_graph.benchmark.resolutions import read_plan
from gensim_graph.evaluate import evaluate
from gensim_graph.io import mesh_from_dataset
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import write_atomically
from gensim_graph.train import distil

SETS = ("triangles_16km", "triangles_8km")
SETTINGS = ("data.batch=2", "data.skip=24h", "data.core=4", "data.balance=0.5", "data.validation=0")


def main() -> None:
    """Train both students, score them and the flow."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/student_methods", threads=torch.get_num_threads()
    )
    parser.add_argument("--model", default="small", help="the flow")
    parser.add_argument("--steps", type=int, default=600, help="optimisation steps of each student")
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prepare_process(options)
    options.out.mkdir(parents=True, exist_ok=True)

    flow = Surrogate.load(options.model)
    sets = read_plan("shipped").sets
    stores = [one for key in SETS for one in sets[key].sources("train", options.data, options.out)]
    steps = [*SETTINGS, f"trainer.max_steps={options.steps}", "data.rollout=1"]
    models = {
        name: distil(flow, stores, out=options.out / name, overrides=[*steps, f"objective={objective}"], progress=False)
        for name, objective in (("score", "crps"), ("consistency", "consistency"))
    }
    models["flow"] = flow

    rows = []
    for key in SETS:
        for number, store in enumerate(sets[key].sources("test", options.data, options.out)):
            for name, model in models.items():
                rows.append(scored(model, store, options.members).assign(model=name, test=key, case=number))
                table = pd.concat(rows)
                write_atomically(options.out / "scores.json", lambda path: _write(path, table))  # noqa: B023
    print(in_short(pd.concat(rows)))


def _write(path: Path, table: pd.DataFrame) -> None:
    path.write_text(json.dumps(table.to_dict("records"), indent=1, default=float))


def scored(model: Surrogate, store: xr.Dataset, members: int) -> pd.DataFrame:
    """Score a forecast over two days that begins 24 h after the start of a trajectory.

    Args:
        model: the model.
        store: the trajectory.
        members: ensemble members.
    """
    hours = (store["time"].values - store["time"].values[0]) / np.timedelta64(1, "h")
    initial = store.isel(time=int(np.argmax(hours >= 24)))
    forecast = model.forecast(initial, store, steps=4, members=members, progress=False, guard=False)
    scores = evaluate(forecast, store, mesh_from_dataset(store).areas)
    return scores[["variable", "lead_hours", "crps", "rmse", "spread_skill"]]


def in_short(table: pd.DataFrame) -> str:
    """CRPS over that of the flow, and spread over error, by set, variable and lead time.

    Args:
        table: of all forecasts.
    """
    mean = table.groupby(["test", "model", "variable", "lead_hours"])[["crps", "spread_skill"]].mean()
    lines = []
    for (test, name), own in mean.groupby(level=[0, 1]):
        flow = mean.loc[(test, "flow")]
        own = own.droplevel([0, 1])
        ratio = own["crps"] / flow["crps"]
        for variable in ratio.index.unique(0):
            parts = [f"{ratio[variable][h]:.2f} ({own['spread_skill'][variable][h]:.2f})" for h in (12.0, 24.0, 48.0)]
            lines.append(f"{test:16} {name:12} {variable:4} {'  '.join(parts)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

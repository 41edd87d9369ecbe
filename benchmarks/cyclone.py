"""Cyclone benchmark: train one hour on two cores, score on trajectories and meshes that the model has never seen.

Usage:
    python benchmarks/cyclone.py --out bench/cyclone              # the published figures
    python benchmarks/cyclone.py --out bench/quick --steps 800    # with the short training of the demo

The script trains the flow and its deterministic twin on the five training trajectories (16 km triangles), then
forecasts

* the unseen trajectory at 16 km, three starts,
* an unseen trajectory on 8 km triangles (a resolution not trained on),
* the unseen 16 km trajectory on a regular 64x64 grid of the same box (a mesh type not trained on),

each with 16 members to 48 h, and compares them with persistence, the twin and a per-cell linear regression. The same
command continues a training that was interrupted. The reports are in ``OUT/<case>/report/report.html``, the figures in
``OUT/scores.json``.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from shared import build_parser, write_json

import gensim_graph as gg
from gensim_graph.benchmark.resolutions import grid_over
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.demo import Study, compare, fit_linear, plan_study
from gensim_graph.evaluate import LinearBaseline, skill_table
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import fit


def main() -> None:
    """Train, forecast every case, print the tables."""
    options = _options()
    study = Study(
        steps=options.steps,
        twin_steps=max(1, options.steps // 4),
        overrides=(*Study.overrides, *options.overrides),
        starts=(8, 12, 16),
        members=options.members,
    )
    models, linear = train_models(study, options.out)
    scores = {case: run_case(case, study, models, linear, options.out) for case in options.cases.split(",")}
    write_json(options.out / "scores.json", scores)


def train_models(study: Study, out: Path) -> tuple[dict[str, Surrogate], LinearBaseline]:
    """Return flow and twin by name, and the linear regression; print the time of each training.

    Args:
        study: settings of the trainings.
        out: folder of the trained models.
    """
    models = {}
    plans = {name: plan_study(study, name) for name in ("model", "twin")}
    for name, plan in plans.items():
        begin = time.perf_counter()
        models[name] = fit(plan, out / name)
        seconds = time.perf_counter() - begin
        print(f"{name}: {plan.config.trainer.max_steps} steps in {seconds:.0f} s on {torch.get_num_threads()} threads")

    return models, fit_linear(plans["model"])


def run_case(case: str, study: Study, models: dict[str, Surrogate], linear: LinearBaseline, out: Path) -> list[dict]:
    """Forecast one case, print its scores, and return them row by row.

    Args:
        case: ``16km``, ``8km`` or ``grid``.
        study: settings of the forecasts.
        models: flow and twin by name.
        linear: the linear regression.
        out: folder of all cases.
    """
    split = "zero_shot" if case == "8km" else "test"
    mesh = regular_grid() if case == "grid" else None
    truth = gg.open_store([str(path) for path in cyclone_trajectories(split)], mesh)
    case_study = study if case == "16km" else replace(study, starts=(12,))
    (out / case).mkdir(parents=True, exist_ok=True)

    begin = time.perf_counter()
    report = compare(models, linear, truth, case_study, out / case)
    print(f"\n{case}: {truth.sizes['face']} faces, {time.perf_counter() - begin:.0f} s, {report}")

    scores = pd.read_csv(report.parent / "scores.csv")
    print_scores(scores)

    return json.loads(scores.to_json(orient="records"))


def regular_grid(cells: int = 64) -> gg.Mesh:
    """Return a regular grid over the box of the built-in data, with ``cells`` cells along a side."""
    triangles = gg.load_mesh(cyclone_meshes()["box_16km_a"])
    return grid_over(triangles, np.ptp(triangles.nodes[:, 0]) / cells)


def print_scores(scores: pd.DataFrame) -> None:
    """Print RMSE over that of persistence of every model, and spread over skill of the ensemble, by lead time."""
    table = skill_table(scores).pivot(index=["model", "variable"], columns="lead_hours", values="rmse_ratio")
    print("RMSE over persistence, by lead time in hours\n" + table.to_string(float_format="{:.3f}".format))

    forecast = scores[scores["model"] == "forecast"]
    spread = forecast.pivot(index="variable", columns="lead_hours", values="spread_skill")
    print("spread over skill of the ensemble\n" + spread.to_string(float_format="{:.2f}".format))
    print(f"largest share of cells out of bounds: {scores['out_of_bounds'].max()}")


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench/cyclone")
    parser.add_argument(
        "--steps", type=int, default=3000, help="training steps of the flow (4 samples each); the twin takes a quarter"
    )
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    parser.add_argument("--cases", default="16km,8km,grid", help="comma-separated")
    parser.add_argument("overrides", nargs="*", help="Hydra overrides of the training")
    return parser.parse_args()


if __name__ == "__main__":
    main()

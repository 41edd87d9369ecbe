"""The cyclone benchmark: an hour's training on two cores, scored on what the model has never seen.

    python benchmarks/cyclone.py --out bench/cyclone              # the published figures
    python benchmarks/cyclone.py --out bench/quick --steps 800    # what the demo's short training reaches

Trains the flow and its deterministic twin on the five training trajectories (16 km triangles), then forecasts

* the unseen trajectory at 16 km, three starts,
* an unseen trajectory on 8 km triangles (a resolution not trained on),
* the unseen 16 km trajectory on a regular 64x64 grid of the same box (a mesh type not trained on),

each with 16 members to 48 h, beside persistence, the twin and a per-cell linear regression. Run it again to go on with
a training that was cut off. The reports are in ``OUT/<case>/report/report.html``, the figures in ``OUT/scores.json``.
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

import gensim_graph as gg
from gensim_graph.benchmark.resolutions import grid_over
from gensim_graph.cli import Study, compare, fit_linear, plan_study
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.evaluate import LinearBaseline, skill_table
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import fit


def main() -> None:
    """Train, forecast every case, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("bench/cyclone"))
    parser.add_argument(
        "--steps", type=int, default=3000, help="training steps of the flow (4 samples each); the twin takes a quarter"
    )
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--cases", default="16km,8km,grid", help="comma-separated")
    parser.add_argument("overrides", nargs="*", help="Hydra overrides of the training")
    options = parser.parse_args()
    study = Study(
        steps=options.steps,
        twin_steps=max(1, options.steps // 4),
        overrides=(*Study.overrides, *options.overrides),
        starts=(8, 12, 16),
        members=options.members,
    )
    models, linear = train_models(study, options.out)
    scores = {case: run_case(case, study, models, linear, options.out) for case in options.cases.split(",")}
    (options.out / "scores.json").write_text(json.dumps(scores, indent=1))


def train_models(study: Study, out: Path) -> tuple[dict[str, Surrogate], LinearBaseline]:
    """Flow and twin, with the time that each took."""
    models = {}
    plans = {name: plan_study(study, name) for name in ("model", "twin")}
    for name, plan in plans.items():
        begin = time.perf_counter()
        models[name] = fit(plan, out / name)
        seconds = time.perf_counter() - begin
        print(f"{name}: {plan.config.trainer.max_steps} steps in {seconds:.0f} s on {torch.get_num_threads()} threads")
    return models, fit_linear(plans["model"])


def run_case(case: str, study: Study, models: dict[str, Surrogate], linear: LinearBaseline, out: Path) -> list[dict]:
    """Forecast one case and print its scores."""
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
    """The box of the built-in data as a regular grid."""
    triangles = gg.load_mesh(cyclone_meshes()["box_16km_a"])
    return grid_over(triangles, np.ptp(triangles.nodes[:, 0]) / cells)


def print_scores(scores: pd.DataFrame) -> None:
    """RMSE over persistence of every model, and calibration of the ensemble, by lead time."""
    ratios = skill_table(scores)
    table = ratios.pivot(index=["model", "variable"], columns="lead_hours", values="rmse_ratio")
    print("RMSE over persistence, by lead time in hours\n" + table.to_string(float_format="{:.3f}".format))
    ensemble = scores[scores["model"] == "forecast"].pivot(
        index="variable", columns="lead_hours", values="spread_skill"
    )
    print("spread over skill of the ensemble\n" + ensemble.to_string(float_format="{:.2f}".format))
    print(f"largest share of cells out of bounds: {scores['out_of_bounds'].max()}")


if __name__ == "__main__":
    main()

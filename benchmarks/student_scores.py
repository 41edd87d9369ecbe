r"""Compare a student with its flow on the test sets of configs/benchmark/shipped.yaml: same starts, members and leads.

Usage: python benchmarks/student_scores.py --data DATA --student small-1 --flow small --out bench/student_scores

Flow and student take turns, trajectory by trajectory, so that their times are comparable on a busy machine. The table
gives the CRPS of the student divided by that of the flow (and the smallest and largest ratio of the trajectories),
spread over error of flow and student, the distance of the deformation from the truth, its scaling exponents divided by
those of the truth, the share of cells at and near the bounds, and the time of a step. Scores of earlier runs are read
from ``OUT``; every trajectory is a file.
"""

import json
import logging
from typing import Any

import numpy as np
import pandas as pd
import torch
import xarray as xr
from shared import build_parser, prepare_process, show_progress, write_json

from gensim_graph.benchmark.resolutions import Protocol, network, read_plan, score
from gensim_graph.io import mesh_from_dataset
from gensim_graph.surrogate import Surrogate

MODELS = ("flow", "student")
MASSES = {"sic at 1": ("sic", 1.0), "sic at 0": ("sic", 0.0), "sid at 1": ("sid", 1.0), "sid at 0": ("sid", 0.0)}
TOLERANCES = (1e-6, 0.01)
"""Distance from a bound within which a cell counts."""


def main() -> None:
    """Forecast and score what is not in the folder yet, and print the tables."""
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/student_scores", threads=torch.get_num_threads()
    )
    parser.add_argument("--flow", default="small", help="the flow")
    parser.add_argument("--student", default="small-1", help="its student")
    parser.add_argument("--tests", default="triangles_16km,triangles_8km,arctic_30km,grid_16km", help="test sets")
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    parser.add_argument("--lead-steps", type=int, default=6, help="forecast steps of 12 h")
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    prepare_process(options)
    options.out.mkdir(parents=True, exist_ok=True)

    models = {"flow": Surrogate.load(options.flow), "student": Surrogate.load(options.student)}
    sets = read_plan("shipped").sets
    for test in options.tests.split(","):
        rows = []
        for number, truth in enumerate(sets[test].sources("test", options.data, options.out)):
            for name in MODELS:
                file = options.out / f"{test}_{number}_{name}.json"
                if not file.exists():
                    protocol = Protocol(options.members, options.lead_steps, starts=1)
                    write_json(file, scored(models[name], truth, sets[test].since, protocol))
                    show_progress(f"{test}, trajectory {number}, {name}")
                rows.append({"case": number, "model": name, **json.loads(file.read_text())})
        print(f"\n**{test}**\n\n{skill_table(rows)}\n\n{shape_table(rows)}")


def scored(model: Surrogate, truth: xr.Dataset, since: float, protocol: Protocol) -> dict[str, Any]:
    """Scores of one model on one trajectory, with the shares of cells at the bounds.

    Args:
        model: flow or student.
        truth: the trajectory.
        since: start of the forecast, hours after the first record.
        protocol: members and steps.
    """
    kept: list[xr.Dataset] = []

    def forecast(initial: xr.Dataset, forcing: xr.Dataset, steps: int, members: int) -> xr.Dataset:
        kept.append(network(model)(initial, forcing, steps, members))
        return kept[-1]

    found = score(forecast, [truth], since, protocol)
    return found | {"masses": _masses(kept[0].isel(start=0), truth)}


def _masses(forecast: xr.Dataset, truth: xr.Dataset) -> list[dict[str, Any]]:
    """Shares of the area near the bounds, of forecast and truth, over all members and lead times."""
    area = mesh_from_dataset(truth).areas
    seen = truth.sel(time=forecast["valid_time"].values[1:])
    rows = []
    for name, (variable, bound) in MASSES.items():
        for tolerance in TOLERANCES:
            shares = [
                float(np.average(np.abs(values - bound) <= tolerance, axis=-1, weights=area).mean())
                for values in (forecast[variable].isel(lead_time=slice(1, None)).values, seen[variable].values)
            ]
            rows.append({"name": name, "tolerance": tolerance, "forecast": shares[0], "truth": shares[1]})
    return rows


def skill_table(rows: list[dict[str, Any]]) -> str:
    """CRPS of the student over that of the flow, and spread over error, by variable and lead time.

    Args:
        rows: scores of flow and student on the trajectories of a test.
    """
    scores = (
        pd.concat([pd.DataFrame(row["scores"]).assign(case=row["case"], model=row["model"]) for row in rows])
        .set_index(["model", "variable", "lead_hours", "case"])
        .sort_index()
    )
    leads = [lead for lead in (12.0, 24.0, 36.0, 48.0, 72.0) if lead in scores.index.unique("lead_hours")]
    if 72.0 in leads:
        leads.remove(36.0)
    lines = [f"| | {' | '.join(f'{lead:g} h' for lead in leads)} | spread / error: flow, student |"]
    lines.append("|---" * (len(leads) + 2) + "|")

    for variable in scores.index.unique("variable"):
        cells, spreads = [], []
        for lead in leads:
            flow, student = (scores.loc[(name, variable, lead)] for name in MODELS)
            ratios = student["crps"] / flow["crps"]
            extent = f" [{ratios.min():.2f}, {ratios.max():.2f}]" if len(ratios) > 1 else ""
            cells.append(f"{student['crps'].mean() / flow['crps'].mean():.3f}{extent}")
            spreads.append([_spread_skill(one) for one in (flow, student)])
        pairs = "; ".join(f"{one:.2f} {other:.2f}" for one, other in spreads)
        lines.append(f"| `{variable}` | {' | '.join(cells)} | {pairs} |")
    return "\n".join(lines)


def _spread_skill(scores: pd.DataFrame, members: int = 16) -> float:
    """Root-mean-square spread over error, corrected for the number of members."""
    square = (scores["spread"] ** 2).mean() / (scores["rmse"] ** 2).mean()
    return float(np.sqrt((members + 1) / members * square))


def shape_table(rows: list[dict[str, Any]]) -> str:
    """Deformation, shares at the bounds, bounds and cost of flow and student.

    Args:
        rows: scores of flow and student on the trajectories of a test.
    """
    lines = ["| | lead | flow | student |", "|---|---|---|---|"]
    tables = {
        name: pd.concat([pd.DataFrame(row["deformation"]) for row in rows if row["model"] == name])
        .groupby("lead_hours")
        .mean()
        for name in MODELS
    }
    for lead in tables["flow"].index:
        pairs = [tables[name].loc[lead] for name in MODELS]
        distance = " | ".join(f"{one['log_distance']:.3f}" for one in pairs)
        lines.append(f"| distance of the deformation, decades | {lead:g} h | {distance} |")
        for order in (1, 2):
            if f"truth_beta_{order}" in tables["flow"]:
                ratios = [one[f"forecast_beta_{order}"] / one[f"truth_beta_{order}"] for one in pairs]
                lines.append(
                    f"| beta({order}) over that of the truth | {lead:g} h | {ratios[0]:.2f} | {ratios[1]:.2f} |"
                )

    masses = pd.concat([pd.DataFrame(row["masses"]).assign(model=row["model"]) for row in rows])
    for (name, tolerance), own in masses.groupby(["name", "tolerance"]):
        mean = own.groupby("model")[["forecast", "truth"]].mean()
        text = " | ".join(f"{mean.loc[model, 'forecast']:.4f}" for model in MODELS)
        lines.append(f"| share of {name} (within {tolerance:g}); truth {mean['truth'].iloc[0]:.4f} | all | {text} |")

    cost = {name: [row["microseconds_per_cell_step"] for row in rows if row["model"] == name] for name in MODELS}
    outside = {
        name: max(one["out_of_bounds"] for row in rows if row["model"] == name for one in row["scores"])
        for name in MODELS
    }
    lines.append(f"| out of bounds | all | {outside['flow']:g} | {outside['student']:g} |")
    lines.append(f"| µs a cell, step and member | all | {np.mean(cost['flow']):.0f} | {np.mean(cost['student']):.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

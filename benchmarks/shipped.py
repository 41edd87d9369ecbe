r"""Train and measure what ships: the flow and its deterministic twin on the sets of configs/benchmark/shipped.yaml.

python benchmarks/shipped.py --data DATA --out bench/shipped

Trained networks and scores are kept; the same command goes on. Files that ship are written with --ship FOLDER. With
--start MODEL both go on from a trained flow, --steps and --twin-steps further steps, with gradients in another unit
perhaps: the mean of a residual is what a flow learns at flow time 0, so the twin has little to unlearn. The weights
that ship were made in two parts, the first before gradients had a unit:

python benchmarks/shipped.py --data DATA --out bench/first --unit-km null --twin-steps 0 --compile
python benchmarks/shipped.py --data DATA --out bench/shipped --start bench/first/models/shipped/flow --unit-km 10.5 \
    --steps 4000 --learning-rate 1e-3 --twin-steps 4000 --compile
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from gensim_graph.benchmark.resolutions import (
    FLOW,
    PERSISTENCE,
    TWIN,
    Protocol,
    StudyOptions,
    TrainingBudget,
    read_plan,
    run_resolutions,
    spread_skill,
    train_network,
)
from gensim_graph.config import compose_config
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import keep_freed_memory
from gensim_graph.train import fit, plan_training

OVERRIDES = ("data.batch=4", "data.skip=24h", "data.core=4", "data.balance=0.5", "trainer.save_every=250")
"""A third of the clusters count, large meshes are drawn from with the root of their size."""

TRAINING = "shipped"


def main() -> None:
    """Train one of the two, or forecast and score both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the genuine data")
    parser.add_argument("--out", type=Path, default=Path("bench/shipped"))
    parser.add_argument("--preset", default="small")
    parser.add_argument("--steps", type=int, default=10000, help="of the flow")
    parser.add_argument("--twin-steps", type=int, default=10000, help="0: no twin")
    parser.add_argument("--start", type=Path, help="trained flow that both go on from")
    parser.add_argument("--unit-km", default="16", help="length unit of the gradients; null: the spacing")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--members", type=int, default=16)
    parser.add_argument("--lead-steps", type=int, default=6)
    parser.add_argument("--tests", help="sets to forecast, with commas; all without it")
    parser.add_argument("--compile", action="store_true", help="compile the networks: minutes, then faster")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--ship", type=Path, help="folder to write the weights of the flow to")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(options.threads)
    keep_freed_memory()
    folder = options.out / "models" / TRAINING
    contenders = (FLOW, TWIN) if options.twin_steps else (FLOW,)
    for name, steps in zip(contenders, (options.steps, options.twin_steps), strict=False):
        train(name, steps, folder / name, options)
    if options.ship:
        Surrogate.load(folder / FLOW).save(options.ship)
    plan = read_plan("shipped")
    if options.tests:
        plan = type(plan)(plan.sets, plan.trainings, tuple(options.tests.split(",")))
    budget = TrainingBudget(options.preset, options.steps, (*OVERRIDES, unit_of(options)), baselines=contenders[1:])
    protocol = Protocol(options.members, options.lead_steps, starts=1)
    run_resolutions(StudyOptions(plan, options.out, options.data, budget, protocol))
    print(in_detail(json.loads((options.out / "resolutions.json").read_text())))


def in_detail(report: dict[str, Any]) -> str:
    """Errors and spread at every lead time, and deformation, by test: the tables of docs/figures.md."""
    return "\n\n".join(_of_test(test, rows, report["members"]) for test, rows in _by_test(report["rows"]).items())


def _by_test(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["test"], {})[row["contender"]] = row
    return found


def _of_test(test: str, rows: dict[str, dict[str, Any]], members: int) -> str:
    errors = {name: {(one["variable"], one["lead_hours"]): one for one in row["scores"]} for name, row in rows.items()}
    variables, leads = (list(dict.fromkeys(column)) for column in zip(*errors[PERSISTENCE], strict=True))
    lines = [f"**{test}**", "", f"| | {' | '.join(f'{lead:g} h' for lead in leads)} | spread / skill |"]
    lines.append("|---" * (len(leads) + 2) + "|")
    for variable in variables:
        base = [errors[PERSISTENCE][variable, lead]["rmse"] for lead in leads]
        cells = []
        for lead, reference in zip(leads, base, strict=True):
            ratio = {name: errors[name][variable, lead]["rmse"] / reference for name in (FLOW, TWIN) if name in errors}
            cells.append(f"{ratio[FLOW]:.2f}" + (f" ({ratio[TWIN]:.2f})" if TWIN in ratio else ""))
        spreads = (spread_skill(errors[FLOW][variable, lead], members) for lead in leads)
        lines.append(f"| `{variable}` | {' | '.join(cells)} | {', '.join(f'{one:.2f}' for one in spreads)} |")
    lines += ["", "| lead | distance | 99 %: forecast, truth | beta(1) | beta(2) |", "|---|---|---|---|---|"]
    for name in (FLOW, TWIN):
        for one in rows[name]["deformation"] if name in rows else ():
            beta = [one[f"forecast_beta_{q}"] / one[f"truth_beta_{q}"] for q in (1, 2)] if "truth_beta_1" in one else []
            exponents = " | ".join(f"{value:.2f}" for value in beta) or " | "
            quantiles = f"{one['forecast_q99']:.2f}, {one['truth_q99']:.2f}"
            lines.append(f"| {name}, {one['lead_hours']:g} h | {one['log_distance']:.2f} | {quantiles} | {exponents} |")
    bounds = max(one["out_of_bounds"] for one in rows[FLOW]["scores"])
    cost = rows[FLOW]["microseconds_per_cell_step"]
    return "\n".join((*lines, "", f"Out of bounds: {bounds:g}; {cost:.0f} µs a cell, step and member"))


def train(name: str, steps: int, folder: Path, options: argparse.Namespace) -> None:
    """One network of the training sets, unless it is there."""
    plan = read_plan("shipped")
    sets = plan.trainings[TRAINING]
    stores = [one for key in sets for one in plan.sets[key].sources("train", options.data, options.out / "data")]
    rate = f"trainer.learning_rate={options.learning_rate}"
    overrides = (*OVERRIDES, f"trainer.compile={str(options.compile).lower()}", unit_of(options))
    if not options.start:
        train_network(name, stores, TrainingBudget(options.preset, steps, overrides), folder)
    elif not (folder / "surrogate.json").exists():
        kind = f"trainer.deterministic={str(name == TWIN).lower()}"
        config = compose_config(options.preset, [f"trainer.max_steps={steps}", *overrides, rate, kind])
        start = replace(Surrogate.load(options.start), deterministic=name == TWIN)
        tuned = plan_training(data=stores, config=config, start=start)
        # The unit is not that of the start: the weights have to get used to it.
        fit(replace(tuned, config=replace(tuned.config, operator=config.operator)), folder)


def unit_of(options: argparse.Namespace) -> str:
    return f"operator.unit_km={options.unit_km}"


if __name__ == "__main__":
    main()

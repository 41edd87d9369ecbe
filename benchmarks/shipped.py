r"""Train and score the weights that ship: the flow and its twin, on the sets of configs/benchmark/shipped.yaml.

Usage: python benchmarks/shipped.py --data DATA --out bench/shipped

Trained networks and scores are kept; the same command continues an interrupted run. With --ship FOLDER the weights of
the flow are written in the form that ships. With --start MODEL both networks start from a trained flow and take --steps
and --twin-steps further steps, also with another unit of the gradients. The twin can start from a flow because the flow
at flow time 0 predicts the mean of the residual, which is what the twin learns. The weights that ship were trained in
two parts, the first one before gradients had a unit, and a third one, with the transport of the ice and with seasons:

python benchmarks/shipped.py --data DATA --out bench/first --unit-km null --twin-steps 0 --compile
python benchmarks/shipped.py --data DATA --out bench/shipped --start bench/first/models/shipped/flow --unit-km 10.5 \
    --steps 4000 --learning-rate 1e-3 --twin-steps 4000 --compile
python benchmarks/shipped.py --data DATA --out bench/third --start small@1 --unit-km 10.5 \
    --steps 6500 --learning-rate 1e-3 --twin-steps 0 --compile

A model of any origin is scored with --model MODEL, without training.
"""

import argparse
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from shared import build_parser, prepare_process, show_progress

from gensim_graph.benchmark.resolutions import (
    FLOW,
    PERSISTENCE,
    TWIN,
    Forecast,
    Protocol,
    StudyOptions,
    TrainingBudget,
    network,
    read_plan,
    run_resolutions,
    spread_skill,
    train_network,
)
from gensim_graph.config import compose_config
from gensim_graph.evaluate import persistence
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import TrainingPlan, fit, plan_training

OVERRIDES = ("data.batch=4", "data.skip=24h", "data.core=4", "data.balance=0.5", "trainer.save_every=250")
"""``core=4``: a third of the clusters count in the loss. ``balance=0.5``: meshes are drawn by the root of size."""

TRAINING = "shipped"
"""Name of the training in the plan."""


def main() -> None:
    """Train both networks, save the weights if asked, then forecast and score."""
    options = _options()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    prepare_process(options)

    folder = options.out / "models" / TRAINING
    contenders = (FLOW, TWIN) if options.twin_steps else (FLOW,)
    for name, steps in zip(contenders, (options.steps, options.twin_steps), strict=False):
        if not options.model:
            train(name, steps, folder / name, options)

    if options.ship:
        Surrogate.load(folder / FLOW).save(options.ship)

    plan = read_plan("shipped")
    if options.tests:
        plan = replace(plan, tests=tuple(options.tests.split(",")))
    budget = TrainingBudget(options.preset, options.steps, (*OVERRIDES, unit_of(options)), baselines=contenders[1:])
    protocol = Protocol(options.members, options.lead_steps, starts=1)
    trained = alone(Surrogate.load(options.model)) if options.model else None
    study = StudyOptions(plan, options.out, options.data, budget, protocol, trained=trained)
    run_resolutions(study, lambda what, share: show_progress(what))
    print(in_detail(json.loads((options.out / "resolutions.json").read_text())))


def alone(model: Surrogate) -> dict[str, Forecast]:
    """Return a trained model and persistence as contenders.

    Args:
        model: that is scored.
    """
    lead = model.lead_time
    still: Forecast = lambda initial, forcing, steps, members: persistence(initial, np.arange(1, steps + 1) * lead)  # noqa: E731
    return {FLOW: network(model), PERSISTENCE: still}


def in_detail(report: dict[str, Any]) -> str:
    """Return the tables of docs/results/figures.md: errors, spread and deformation at every lead time, test by test."""
    tests = _rows_by_test(report["rows"])
    return "\n\n".join(_tables_of_test(test, rows, report["members"]) for test, rows in tests.items())


def _rows_by_test(rows: list[dict[str, Any]]) -> dict[str, dict[str, dict[str, Any]]]:
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["test"], {})[row["contender"]] = row
    return found


def _tables_of_test(test: str, rows: dict[str, dict[str, Any]], members: int) -> str:
    """Return the table of errors, the table of deformation, and bounds and cost of one test."""
    bounds = max(one["out_of_bounds"] for one in rows[FLOW]["scores"])
    cost = rows[FLOW]["microseconds_per_cell_step"]
    last = f"Out of bounds: {bounds:g}; {cost:.0f} µs a cell, step and member"
    return "\n".join((*_error_lines(test, rows, members), "", *_deformation_lines(rows), "", last))


def _error_lines(test: str, rows: dict[str, dict[str, Any]], members: int) -> list[str]:
    """RMSE over that of persistence (in brackets: of the twin), and spread over skill of the flow, by variable."""
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

    return lines


def _deformation_lines(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Distance of the distributions, their 99 % quantiles, and exponents of the scaling over those of the truth."""
    lines = ["| lead | distance | 99 %: forecast, truth | beta(1) | beta(2) |", "|---|---|---|---|---|"]
    for name in (FLOW, TWIN):
        for one in rows[name]["deformation"] if name in rows else ():
            beta = [one[f"forecast_beta_{q}"] / one[f"truth_beta_{q}"] for q in (1, 2)] if "truth_beta_1" in one else []
            exponents = " | ".join(f"{value:.2f}" for value in beta) or " | "
            quantiles = f"{one['forecast_q99']:.2f}, {one['truth_q99']:.2f}"
            lines.append(f"| {name}, {one['lead_hours']:g} h | {one['log_distance']:.2f} | {quantiles} | {exponents} |")

    return lines


def train(name: str, steps: int, folder: Path, options: argparse.Namespace) -> None:
    """Train one network on the training sets; do nothing if its folder holds a trained one.

    Args:
        name: ``flow`` or ``twin``.
        steps: training steps.
        folder: folder of the network.
        options: the command line.
    """
    plan = read_plan("shipped")
    sets = plan.trainings[TRAINING]
    stores = [one for key in sets for one in plan.sets[key].sources("train", options.data, options.out / "data")]
    rate = f"trainer.learning_rate={options.learning_rate}"
    overrides = (*OVERRIDES, f"trainer.compile={str(options.compile).lower()}", unit_of(options))

    if not options.start:
        train_network(name, stores, TrainingBudget(options.preset, steps, overrides), folder)
    elif not (folder / "surrogate.json").exists():
        kind = f"trainer.deterministic={str(name == TWIN).lower()}"
        config = compose_config(
            options.preset, ["data.validation=0", f"trainer.max_steps={steps}", *overrides, rate, kind]
        )
        start = replace(Surrogate.load(options.start), deterministic=name == TWIN)
        fit(renewed(start, plan_training(data=stores, config=config)), folder)


def renewed(start: Surrogate, plan: TrainingPlan) -> TrainingPlan:
    """Return a training that starts from the weights of a model, but learns another residual and more inputs.

    The scales of what the model knows stay. New are those of the inputs that it lacked, and of the residual of the
    variables that are moved by the drift. The weights adapt to it, and to another unit of the gradients.

    Args:
        start: the trained flow.
        plan: of a training with random weights, of the same size.
    """
    found, known = plan.normaliser.statistics, start.normaliser.statistics
    learned_anew = [name for name in found.transported if name not in known.transported]
    residuals = {name: one for name, one in known.residuals.items() if name not in learned_anew}
    statistics = replace(found, values=found.values | known.values, residuals=found.residuals | residuals)
    normaliser = replace(plan.normaliser, statistics=statistics)

    return replace(plan, normaliser=normaliser, start=replace(start, normaliser=normaliser), statistics=found)


def unit_of(options: argparse.Namespace) -> str:
    """Override of the unit of the gradients."""
    return f"operator.unit_km={options.unit_km}"


def _options() -> argparse.Namespace:
    parser = build_parser(
        __doc__, data="folder of the genuine data", out="bench/shipped", threads=torch.get_num_threads()
    )
    parser.add_argument("--preset", default="small", help="size of the networks")
    parser.add_argument("--steps", type=int, default=10000, help="training steps of the flow")
    parser.add_argument("--twin-steps", type=int, default=10000, help="training steps of the twin; 0: no twin")
    parser.add_argument("--start", type=Path, help="trained flow from which both trainings start")
    parser.add_argument("--unit-km", default="16", help="length unit of the gradients; null: the spacing of each cell")
    parser.add_argument("--learning-rate", type=float, default=2e-3, help="of a training that begins with --start")
    parser.add_argument("--model", type=Path, help="score this model, and train none")
    parser.add_argument("--members", type=int, default=16, help="ensemble members")
    parser.add_argument("--lead-steps", type=int, default=6, help="forecast steps of 12 h")
    parser.add_argument("--tests", help="sets to forecast, separated by commas; by default all")
    parser.add_argument("--compile", action="store_true", help="compile the networks: takes minutes, then runs faster")
    parser.add_argument("--ship", type=Path, help="folder to which the weights of the flow are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Skill that physics in the step gives: the same training with and without transport and response of the drift.

Usage: python benchmarks/transport_study.py --data DATA [--steps 1000] [--seeds 3] [--variants a,b] [--out DIR]

Variants:

- ``off``: the network learns the whole change of each variable;
- ``on``: thickness, concentration, snow and damage are moved by the drift, and the network learns the rest;
- ``amounts``: the same for thickness, concentration and snow alone;
- ``response``: as ``on``, and the network learns what the linear response of the drift to the wind leaves.

All variants of a seed have the same initial weights and samples. Results are RMSE of the ensemble mean over that of
persistence, spread over error, CRPS over that of ``off``, and the distance of the distributions of the deformation;
mean and standard deviation over the seeds. They are written to ``OUT/transport_study.json`` and ``.md``; the same
command continues a study.
"""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandas as pd
import torch
from shared import build_parser, prepare_process, show_progress, write_json, write_text

import gensim_graph as gg
from gensim_graph.benchmark.resolutions import Protocol, StudyOptions, TrainingBudget, read_plan, run_resolutions
from gensim_graph.train import plan as train_plan

Variants = dict[str, tuple[Any, tuple[str, ...]]]
"""Name -> context to train and forecast in, and overrides of the configuration."""

VARIABLES = ("sit", "sic", "snt", "sid", "siu", "siv")


def compare(variants: Variants, options: argparse.Namespace, name: str) -> None:
    """Train and score variants, then write the tables.

    Args:
        variants: all that can be chosen.
        options: the command line.
        name: of the files.
    """
    prepare_process(options)
    plan = read_plan(options.plan)
    scores, deformation = [], []

    for seed in range(options.seeds):
        for variant in options.variants.split(","):
            report = run_variant(variant, variants[variant], seed, plan, options)
            labels = {"variant": variant, "seed": seed}
            scores += [row | labels for row in rows_of(report, "scores")]
            deformation += [row | labels for row in rows_of(report, "deformation")]

    text = summary(pd.DataFrame(scores), pd.DataFrame(deformation))
    print(text)
    write_text(options.out / f"{name}.md", text)
    write_json(options.out / f"{name}.json", {"scores": scores, "deformation": deformation})


def run_variant(
    name: str, variant: tuple[Any, tuple[str, ...]], seed: int, plan: Any, options: argparse.Namespace
) -> dict[str, Any]:
    """Train a variant and forecast all tests with it; results of an earlier run are read.

    Args:
        name: of the variant.
        variant: context to train and forecast in, and overrides of the configuration.
        seed: of weights and samples.
        plan: sets to train on and to forecast.
        options: the command line.
    """
    change, overrides = variant
    settings = (*TrainingBudget.overrides, *overrides, f"trainer.seed={seed}", "data.validation=0")
    budget = TrainingBudget(options.preset, options.steps, settings, baselines=())
    out = options.out / f"{name.replace(' ', '_')}_{seed}"
    study = StudyOptions(plan, out, options.data, budget, Protocol(options.members, 4, options.starts), options.out)

    with change():
        run_resolutions(study, lambda what, share: show_progress(f"{name}, seed {seed}: {what}"))

    return json.loads((out / "resolutions.json").read_text())


def rows_of(report: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Return the rows of a report as plain tables.

    Args:
        report: of one variant and seed.
        kind: ``scores`` or ``deformation``.
    """
    return [one | {"contender": row["contender"], "test": row["test"]} for row in report["rows"] for one in row[kind]]


def summary(scores: pd.DataFrame, deformation: pd.DataFrame) -> str:
    """Return the tables as markdown, mean and standard deviation over the seeds.

    Args:
        scores: of all variants, seeds, tests, variables and lead times.
        deformation: the same for the deformation.
    """
    keys = ["variant", "seed", "test", "variable", "lead_hours"]
    flow = scores[scores["contender"] == "flow"].set_index(keys)
    still = scores[scores["contender"] == "persistence"].set_index(keys)["rmse"]
    flow = flow.assign(relative=flow["rmse"] / still, reliability=flow["spread"] / flow["rmse"]).reset_index()
    lines = []

    for test in flow["test"].unique():
        for lead in (12.0, 24.0, 48.0):
            here = flow[(flow["test"] == test) & (flow["lead_hours"] == lead)]
            lines += [f"\n{test}, {lead:g} h: RMSE / persistence (spread / error)\n"]
            lines += ["| variant | " + " | ".join(VARIABLES) + " |", "|---|" + "---|" * len(VARIABLES)]
            for variant in flow["variant"].unique():
                of_variant = here[here["variant"] == variant].groupby("variable")
                mean = of_variant[["relative", "reliability"]].mean()
                deviation = of_variant["relative"].std()
                cells = [
                    f"{mean.relative[name]:.3f}±{deviation[name]:.3f} ({mean.reliability[name]:.2f})"
                    for name in VARIABLES
                    if name in mean.index
                ]
                lines.append(f"| {variant} | " + " | ".join(cells) + " |")

    found = deformation[deformation["contender"] == "flow"].groupby(["test", "lead_hours", "variant"])["log_distance"]
    lines += ["\nDistance of the distributions of the deformation, decades\n", "| test | lead | variant | distance |"]
    lines += ["|---|---|---|---|"]
    for (test, lead, variant), values in found:
        lines.append(f"| {test} | {lead:g} h | {variant} | {values.mean():.3f}±{values.std():.3f} |")

    return "\n".join(lines) + "\n"


@contextmanager
def unchanged() -> Iterator[None]:
    """Change nothing."""
    yield


@contextmanager
def amounts_alone() -> Iterator[None]:
    """Move amounts, but no properties of the ice."""
    table = gg.default_variables()
    rows = tuple(replace(one, transported=one.transported and one.amount) for one in table.variables)
    with patch.object(train_plan, "default_variables", lambda: gg.VariableTable(rows)):
        yield


VARIANTS: Variants = {
    "off": (unchanged, ("data.transport=false", "data.drift_response=false")),
    "on": (unchanged, ("data.transport=true", "data.drift_response=false")),
    "amounts": (amounts_alone, ("data.transport=true", "data.drift_response=false")),
    "response": (unchanged, ("data.transport=true", "data.drift_response=true")),
}
"""Name -> the context to train and forecast in, and overrides of the configuration."""


def read_options(description: str | None, variants: Variants, out: str) -> argparse.Namespace:
    """Read the command line of a study.

    Args:
        description: docstring of the script.
        variants: all that can be chosen; without a choice, all are trained.
        out: default folder of the results.
    """
    parser = build_parser(description, out=out, threads=torch.get_num_threads())
    parser.add_argument("--data", type=Path, required=True, help="folder of the files that the plan names")
    parser.add_argument("--plan", default="transport", help="name of a plan, or a YAML file")
    parser.add_argument("--preset", default="tiny", help="size of the network")
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    parser.add_argument("--members", type=int, default=8, help="ensemble members of each forecast")
    parser.add_argument("--starts", type=int, default=2, help="forecasts of each trajectory")
    parser.add_argument("--variants", default=",".join(variants), help="names separated by commas")
    return parser.parse_args()


if __name__ == "__main__":
    compare(VARIANTS, read_options(__doc__, VARIANTS, "bench/transport"), "transport_study")

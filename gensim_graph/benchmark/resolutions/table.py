"""Run a study: train every contender on every training, forecast every test, and write all scores as one table.

Trained networks, simulations and the scores of every pair are kept in the output folder. The same command continues an
interrupted study.
"""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from gensim_graph.benchmark.resolutions.contenders import (
    GENSIM,
    NO_GRID,
    PERSISTENCE,
    Forecast,
    TrainingBudget,
    lie_on_grids,
    train_contenders,
)
from gensim_graph.benchmark.resolutions.price import price_table
from gensim_graph.benchmark.resolutions.scoring import Protocol, score, spread_skill
from gensim_graph.benchmark.resolutions.study_figure import draw_study
from gensim_graph.benchmark.resolutions.study_sets import StudyPlan
from gensim_graph.benchmark.speed import ProgressCallback
from gensim_graph.errors import InputError
from gensim_graph.system import describe_machine, write_atomically


@dataclass(frozen=True)
class StudyOptions:
    """Options of a study.

    Attributes:
        plan: data sets to train on and to forecast.
        out: folder of all results.
        data: folder of the files that the plan names.
        budget: size and training of the networks.
        protocol: settings of the forecasts.
        simulations: folder of the simulated storms, which several studies can share; None for ``out/data``.
        trained: contenders that are scored as they are, in place of those of all trainings; None trains.
    """

    plan: StudyPlan
    out: Path
    data: Path | None = None
    budget: TrainingBudget = field(default_factory=TrainingBudget)
    protocol: Protocol = field(default_factory=Protocol)
    simulations: Path | None = None
    trained: dict[str, Forecast] | None = None

    def sources(self, name: str, part: str) -> list[xr.Dataset]:
        """Open the training or the test data of a data set.

        Args:
            name: name of the data set.
            part: ``train`` or ``test``.
        """
        return self.plan.sets[name].sources(part, self.data, self.simulations or self.out / "data")

    def budget_of(self, training: str) -> TrainingBudget:
        """Return the budget of a training; it has no twin and MeshGraphNet if the plan does not compare them there."""
        compared = self.plan.compared
        if compared is None or training in compared:
            return self.budget

        return replace(self.budget, baselines=())


def run_resolutions(options: StudyOptions, on_progress: ProgressCallback = lambda what, share: None) -> Path:
    """Run a study and write ``resolutions.json``, ``resolutions.md`` and ``resolutions.png``.

    Args:
        options: options of the study.
        on_progress: called with the current step and the completed share.

    Returns:
        Path of the table.

    Raises:
        InputError: there is nothing to train on or nothing to forecast.
    """
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    left_out: list[str] = []
    count = len(options.plan.trainings)

    for index, training in enumerate(options.plan.trainings):
        on_progress(f"training on {training}", index / count)
        try:
            contenders = _contenders(training, options)
        except InputError as reason:
            left_out.append(f"training '{training}': {reason}")
            continue

        if options.budget.gensim and GENSIM not in contenders:
            left_out.append(f"{GENSIM}, training '{training}': {NO_GRID}")

        for number, test in enumerate(options.plan.tests):
            on_progress(f"{training} -> {test}", (index + (number + 1) / (len(options.plan.tests) + 1)) / count)
            try:
                rows += _scores(training, test, contenders, options, left_out)
            except InputError as reason:
                left_out.append(f"test '{test}': {reason}")

    on_progress("done", 1.0)
    if not rows:
        raise InputError(f"nothing to train on or to forecast: {'; '.join(left_out)}")

    return _write(rows, sorted(set(left_out)), options)


def _contenders(training: str, options: StudyOptions) -> dict[str, Forecast]:
    """Train all contenders of one training, or load them."""
    if options.trained is not None:
        return options.trained

    stores: list[xr.Dataset] = []
    for name in options.plan.trainings[training]:
        stores += options.sources(name, "train")

    return train_contenders(stores, options.budget_of(training), options.out / "models" / _file_name(training))


def _scores(
    training: str, test: str, contenders: dict[str, Forecast], options: StudyOptions, left_out: list[str]
) -> list[dict[str, Any]]:
    """Return the scores of all contenders on one test; scores of an earlier run are read from their files."""
    data_set = options.plan.sets[test]
    rows: list[dict[str, Any]] = []
    truths: list[xr.Dataset] | None = None

    for contender, forecast in contenders.items():
        owner = "any" if contender == PERSISTENCE else training
        words = (owner, contender, test, str(options.protocol.members))
        file = (options.out / "scores" / "_".join(map(_file_name, words))).with_suffix(".json")

        if not file.exists():
            truths = truths or options.sources(test, "test")
            if contender == GENSIM and not lie_on_grids(truths):
                left_out.append(f"{GENSIM}, test '{test}': {NO_GRID}")
                continue
            _keep(file, score(forecast, truths, data_set.since, options.protocol))

        found = json.loads(file.read_text())
        rows.append({"training": training, "contender": contender, "test": test} | found)

    return rows


def _keep(file: Path, found: dict[str, Any]) -> None:
    """Write the scores of one pair."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, lambda path: path.write_text(json.dumps(found)))


def _file_name(words: str) -> str:
    """Replace everything except letters and digits by hyphens."""
    return "".join(letter if letter.isalnum() else "-" for letter in words)


def _write(rows: list[dict[str, Any]], left_out: list[str], options: StudyOptions) -> Path:
    """Write report, table and figure; return the path of the table."""
    report = {
        "benchmark": "resolutions",
        "machine": describe_machine(torch.device("cpu")),
        "trainings": {name: list(sets) for name, sets in options.plan.trainings.items()},
        "steps": options.budget.steps,
        "preset": options.budget.preset,
        "members": options.protocol.members,
        "rows": rows,
        "left_out": left_out,
    }
    text = json.dumps(report, indent=1)
    write_atomically(options.out / "resolutions.json", lambda path: path.write_text(text))

    table = options.out / "resolutions.md"
    words = as_markdown(rows, options.protocol.members, left_out) + "\n" + price_table(rows, options.plan.trainings)
    write_atomically(table, lambda path: path.write_text(words.rstrip() + "\n"))

    figure = draw_study(rows)
    write_atomically(options.out / "resolutions.png", lambda path: figure.savefig(path, format="png", dpi=130))

    return table


def as_markdown(rows: list[dict[str, Any]], members: int, left_out: list[str]) -> str:
    """Return the table of a study: RMSE over that of persistence, calibration, deformation and cost.

    Args:
        rows: scores of all pairs; every test has persistence among them.
        members: ensemble members.
        left_out: reasons why pairs were left out.
    """
    by_test: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        by_test.setdefault(row["test"], []).append(row)

    parts = []
    for test, some in by_test.items():
        base = next(row for row in some if row["contender"] == PERSISTENCE)
        variables = list(dict.fromkeys(row["variable"] for row in base["scores"]))
        lines = [
            f"## {test}",
            "",
            "| trained on | | " + " | ".join(variables) + " | spread-skill | deformation | beta(1), beta(2) | µs |",
        ]
        lines.append("|---" * (len(variables) + 6) + "|")

        for row in some:
            if row["contender"] != PERSISTENCE:
                lines.append(_line(row, base, variables, members))

        parts.append("\n".join(lines))

    note = (
        "RMSE of the ensemble mean over that of persistence at the first / the last lead time; spread over skill "
        "averaged over variables at the first lead; Wasserstein distance of log10 of total deformation (decades); "
        "scaling exponents over those of the truth; time of a cell, member and step."
    )
    reasons = "".join(f"\n- left out: {reason}" for reason in left_out)

    return f"{note}\n{reasons}\n\n" + "\n\n".join(parts) + "\n"


def _line(row: dict[str, Any], base: dict[str, Any], variables: list[str], members: int) -> str:
    """Return the line of one contender; ``base`` has the scores of persistence."""
    reference = {(one["variable"], one["lead_hours"]): one["rmse"] for one in base["scores"]}
    own = {(one["variable"], one["lead_hours"]): one for one in row["scores"]}
    leads = sorted({lead for _, lead in own})
    cells = []

    for variable in variables:
        ratios = [own[variable, lead]["rmse"] / max(reference[variable, lead], 1e-30) for lead in (leads[0], leads[-1])]
        cells.append(" / ".join(f"{ratio:.2f}" for ratio in ratios))

    spreads = [spread_skill(own[variable, leads[0]], members) for variable in variables]
    known = [value for value in spreads if np.isfinite(value)]
    cells.append(f"{np.mean(known):.2f}" if known else "")
    cells.append(f"{np.mean([one['log_distance'] for one in row['deformation']]):.2f}")
    cells.append(_exponents(row["deformation"]))
    cells.append(f"{row['microseconds_per_cell_step']:.0f}")

    return f"| {row['training']} | {row['contender']} | " + " | ".join(cells) + " |"


def _exponents(deformation: list[dict[str, float]]) -> str:
    """Return the exponents of the scaling for q = 1 and 2 over those of the truth, mean over lead times."""
    if not deformation or "truth_beta_1" not in deformation[0]:
        return ""
    means = {key: np.mean([one[key] for one in deformation]) for key in deformation[0]}
    return ", ".join(f"{means[f'forecast_beta_{q}'] / means[f'truth_beta_{q}']:.2f}" for q in (1, 2))

"""The whole path on the built-in data: train a model and its deterministic twin, forecast, score, report.

``gensim-graph demo`` runs it small; ``benchmarks/cyclone.py`` runs it with a longer training, for published figures.
"""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath

import numpy as np
import xarray as xr
from rich.console import Console
from rich.markup import escape

from gensim_graph.config import compose_config
from gensim_graph.data import cyclone_trajectories
from gensim_graph.errors import InputError
from gensim_graph.evaluate import LinearBaseline, write_report
from gensim_graph.forecast import write_forecast
from gensim_graph.io import open_store
from gensim_graph.surrogate import Surrogate
from gensim_graph.system import check_space
from gensim_graph.train import TrainingPlan, fit, plan_training
from gensim_graph.typing import Path


@dataclass(frozen=True)
class Study:
    """Settings of the demo: the trainings and the forecasts.

    Attributes:
        preset: size of the operator.
        steps: training steps of the flow.
        twin_steps: training steps of the deterministic twin.
        overrides: further Hydra overrides.
        starts: records of the test trajectory (3-hourly) from which forecasts start; the first day is the spin-up.
        leads: forecast steps of 12 h.
        members: ensemble members.
    """

    preset: str = "tiny"
    steps: int = 800
    twin_steps: int = 200
    overrides: Sequence[str] = ("data.batch=4",)
    starts: Sequence[int] = (8,)
    leads: int = 4
    members: int = 8


def run_study(study: Study, out: Path, console: Console | None = None) -> FilePath:
    """Train, forecast and report; a second call goes on with the training, then forecasts anew.

    Args:
        study: the trainings and the forecasts.
        out: folder of everything.
        console: console to report progress on; standard output by default.

    Returns:
        Path of the HTML report.

    Raises:
        InputError: ``out`` holds something else.
    """
    console, folder = console or Console(), FilePath(out)
    _check_place(folder)

    console.print("[bold]1/4[/] reading the built-in trajectories")
    plans = {name: plan_study(study, name) for name in ("model", "twin")}

    console.print(f"[bold]2/4[/] training: {study.preset}, {study.steps} steps, then its deterministic twin")
    models = {name: fit(plan, folder / name, progress=not console.quiet) for name, plan in plans.items()}
    linear = fit_linear(plans["model"])

    console.print(f"[bold]3/4[/] forecasting {study.members} members for {12 * study.leads} h on an unseen trajectory")
    truth = open_store([str(path) for path in cyclone_trajectories("test")])
    report = compare(models, linear, truth, study, folder, progress=not console.quiet)

    console.print("[bold]4/4[/] the report:", escape(shlex.quote(str(report))), soft_wrap=True, highlight=False)

    return report


def compare(
    models: dict[str, Surrogate],
    linear: LinearBaseline,
    truth: xr.Dataset,
    study: Study,
    folder: FilePath,
    progress: bool = True,
) -> FilePath:
    """Forecast with the model, its twin and the linear regression, and write the report.

    Args:
        models: ``model`` and ``twin``.
        linear: the fitted linear regression.
        truth: the test trajectory.
        study: starts, leads and members of the forecasts.
        folder: folder of stores and report.
        progress: show progress bars.

    Returns:
        Path of the HTML report.
    """
    initial = truth.isel(time=list(study.starts))
    forecasts = {}

    for name, model in models.items():
        path = folder / f"{name}.zarr"
        shutil.rmtree(path, ignore_errors=True)  # of an earlier model
        write_forecast(model, initial, truth, path, steps=study.leads, members=study.members, progress=progress)
        forecasts[name] = xr.open_zarr(path).load()

    leads = np.arange(1, study.leads + 1) * models["model"].lead_time
    baselines = {"twin": forecasts["twin"], "linear": linear.forecast(initial, truth, leads)}
    information = {key: str(value) for key, value in models["model"].information.items()}
    information["members"] = str(study.members)

    return write_report(
        forecasts["model"], truth, folder / "report", baselines, "Ensemble forecast of an unseen cyclone", information
    )


def fit_linear(plan: TrainingPlan) -> LinearBaseline:
    """The per-cell linear regression, on the training data of a plan."""
    return LinearBaseline.fit(plan.pairs(), plan.normaliser.table)


def plan_study(study: Study, name: str) -> TrainingPlan:
    """Plan a training on the built-in data.

    Args:
        study: sizes and steps.
        name: ``model`` or ``twin``.
    """
    twin = name == "twin"
    own = [f"trainer.max_steps={study.twin_steps if twin else study.steps}", f"trainer.deterministic={twin}"]
    return plan_training(config=compose_config(study.preset, [*own, *study.overrides]))


def _check_place(folder: FilePath) -> None:
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / "model" / "run.json").exists()):
        raise InputError(f"{folder}: exists and is not a demo of ours; choose another folder with --out")
    check_space(folder)

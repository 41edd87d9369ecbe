"""What competes: our flow, its deterministic twin, MeshGraphNet, GenSIM, a linear regression, persistence.

A contender is trained once on some data and then forecasts any of them; training goes on where it was cut off.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from gensim_graph.benchmark.resolutions.gensim_network import lies_on_grid, plan_like, use_gensim
from gensim_graph.config import compose_config
from gensim_graph.errors import InputError
from gensim_graph.evaluate import LinearBaseline, persistence
from gensim_graph.io import mesh_from_dataset
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import TrainingPlan, fit, plan_training

log = logging.getLogger(__name__)

Forecast = Callable[[xr.Dataset, xr.Dataset, int, int], xr.Dataset]
"""Initial states, forcing, steps and members -> forecast ((start), member, lead_time, face)."""

FLOW, TWIN, MESSAGES, GENSIM = "flow", "twin", "MeshGraphNet", "GenSIM"
LINEAR, PERSISTENCE = "linear", "persistence"

NO_GRID = "not all of it lies on grids of squares"
"""Why GenSIM's network is left out."""


@dataclass(frozen=True)
class TrainingBudget:
    """What every network may spend.

    Attributes:
        preset: size of the flow and its twin.
        steps: training steps of the flow; the twin and MeshGraphNet take as many.
        overrides: of the configuration.
        baselines: networks beside the flow that are trained.
        gensim: checkout of GenSIM, whose network is trained too where all data lie on square grids; None without it.
    """

    preset: str = "tiny"
    steps: int = 3000
    overrides: tuple[str, ...] = ("data.batch=4", "data.skip=24h")
    baselines: tuple[str, ...] = (TWIN, MESSAGES)
    gensim: Path | None = None


def train_contenders(stores: list[xr.Dataset], budget: TrainingBudget, folder: Path) -> dict[str, Forecast]:
    """Train all on some data, in folders of their own; those that are there already are read.

    Raises:
        InputError: data that cannot be trained on, or no GenSIM where the budget says that it is.
    """
    found: dict[str, Forecast] = {}
    names = [FLOW, *budget.baselines]

    if budget.gensim:
        use_gensim(budget.gensim)
        names += [GENSIM] if lie_on_grids(stores) else []

    for name in names:
        found[name] = network(train_network(name, stores, budget, folder / name))

    found[LINEAR] = linear(plan_of(FLOW, stores, budget))
    found[PERSISTENCE] = unchanged(plan_of(FLOW, stores, budget))

    return found


def lie_on_grids(stores: list[xr.Dataset]) -> bool:
    """Whether all cells are pixels of grids, as GenSIM's network wants them."""
    return all(lies_on_grid(mesh_from_dataset(store)) for store in stores)


def plan_of(name: str, stores: list[xr.Dataset], budget: TrainingBudget) -> TrainingPlan:
    """The plan of the training of a contender."""
    own = {TWIN: ["trainer.deterministic=true"], MESSAGES: ["data.rotate=true"]}.get(name, [])
    preset = "meshgraphnet" if name == MESSAGES else budget.preset
    config = compose_config(preset, [f"trainer.max_steps={budget.steps}", *budget.overrides, *own])
    plan = plan_training(data=stores, config=config)
    return plan if name != GENSIM else plan_like(plan)


def train_network(name: str, stores: list[xr.Dataset], budget: TrainingBudget, folder: Path) -> Surrogate:
    """A network of some data; the one in the folder if it is done.

    Raises:
        InputError: that one is of another size or kind.
    """
    plan = plan_of(name, stores, budget)
    if not (folder / "surrogate.json").exists():
        return fit(plan, folder)

    found = Surrogate.load(folder)
    if found.operator.config != plan.config.operator:
        raise InputError(
            f"{folder}: holds a network of other settings ({found.operator.config}; asked for is "
            f"{plan.config.operator}); choose another folder with --out"
        )

    return found


def network(surrogate: Surrogate) -> Forecast:
    """Forecasts of a surrogate."""

    def forecast(initial: xr.Dataset, forcing: xr.Dataset, steps: int, members: int) -> xr.Dataset:
        return surrogate.forecast(initial, forcing, steps, members, seed=0, batch=members)

    return forecast


def linear(plan: TrainingPlan) -> Forecast:
    """Forecasts of the linear regression that is fitted to the data of a plan."""
    regression = LinearBaseline.fit(plan.pairs(), plan.normaliser.table)
    lead = plan.config.data.lead

    def forecast(initial: xr.Dataset, forcing: xr.Dataset, steps: int, members: int) -> xr.Dataset:
        return regression.forecast(initial, forcing, np.arange(1, steps + 1) * lead)

    return forecast


def unchanged(plan: TrainingPlan) -> Forecast:
    """The initial state."""
    lead = plan.config.data.lead
    return lambda initial, forcing, steps, members: persistence(initial, np.arange(1, steps + 1) * lead)

"""Contenders of a study: flow, deterministic twin, MeshGraphNet, GenSIM, linear regression, persistence.

A contender is trained once on some data sets and then forecasts all of them. An interrupted training continues from its
last checkpoint.
"""

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

Forecast = Callable[[xr.Dataset, xr.Dataset, int, int], xr.Dataset]
"""Function of initial states, forcing, steps and members that returns a forecast ((start), member, lead_time, face)."""

FLOW, TWIN, MESSAGES, GENSIM = "flow", "twin", "MeshGraphNet", "GenSIM"
LINEAR, PERSISTENCE = "linear", "persistence"

NO_GRID = "not all of it lies on grids of squares"
"""Reason for which GenSIM's network is left out."""


@dataclass(frozen=True)
class TrainingBudget:
    """Size and training of every network.

    Attributes:
        preset: size of the flow and its twin.
        steps: training steps of every network.
        overrides: overrides of the configuration of every training.
        baselines: networks that are trained besides the flow.
        gensim: checkout of GenSIM; its network is trained, too, if all data are on square grids. None to leave it out.
    """

    preset: str = "tiny"
    steps: int = 3000
    overrides: tuple[str, ...] = ("data.batch=4", "data.skip=24h")
    baselines: tuple[str, ...] = (TWIN, MESSAGES)
    gensim: Path | None = None


def train_contenders(stores: list[xr.Dataset], budget: TrainingBudget, folder: Path) -> dict[str, Forecast]:
    """Train all contenders on some data; networks that are already trained are loaded.

    Args:
        stores: trajectories to train on.
        budget: size and training of the networks.
        folder: each network has its own folder in it.

    Returns:
        The forecast function of each contender by name.

    Raises:
        InputError: the data cannot be trained on, or the checkout of GenSIM is not valid.
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
    """Return True if the cells of all data are the pixels of regular grids, as GenSIM's network needs."""
    return all(lies_on_grid(mesh_from_dataset(store)) for store in stores)


def plan_of(name: str, stores: list[xr.Dataset], budget: TrainingBudget) -> TrainingPlan:
    """Return the training plan of a network.

    Args:
        name: name of the contender.
        stores: trajectories to train on.
        budget: size and training of the networks.
    """
    changes = {
        TWIN: ["trainer.deterministic=true"],
        MESSAGES: ["data.rotate=true"],
        GENSIM: ["data.transport=false"],  # it learns the whole change of each variable
    }
    extra = changes.get(name, [])
    preset = "meshgraphnet" if name == MESSAGES else budget.preset
    own = ["data.validation=0", f"trainer.max_steps={budget.steps}"]
    config = compose_config(preset, [*own, *budget.overrides, *extra])
    plan = plan_training(data=stores, config=config)

    return plan if name != GENSIM else plan_like(plan)


def train_network(name: str, stores: list[xr.Dataset], budget: TrainingBudget, folder: Path) -> Surrogate:
    """Train a network, or load it if its folder holds a trained one.

    Args:
        name: name of the contender.
        stores: trajectories to train on.
        budget: size and training of the networks.
        folder: folder of the network.

    Raises:
        InputError: the folder holds a network of another size or kind.
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
    """Return the forecast function of a surrogate."""

    def forecast(initial: xr.Dataset, forcing: xr.Dataset, steps: int, members: int) -> xr.Dataset:
        return surrogate.forecast(initial, forcing, steps, members, seed=0, batch=members)

    return forecast


def linear(plan: TrainingPlan) -> Forecast:
    """Fit a linear regression to the data of a plan, and return its forecast function."""
    regression = LinearBaseline.fit(plan.pairs(), plan.normaliser.table)
    lead = plan.config.data.lead

    def forecast(initial: xr.Dataset, forcing: xr.Dataset, steps: int, members: int) -> xr.Dataset:
        return regression.forecast(initial, forcing, np.arange(1, steps + 1) * lead)

    return forecast


def unchanged(plan: TrainingPlan) -> Forecast:
    """Return the forecast function of persistence: the initial state at all lead times."""
    lead = plan.config.data.lead
    return lambda initial, forcing, steps, members: persistence(initial, np.arange(1, steps + 1) * lead)

"""Section ``forecast``: how long a year takes on a mesh of the Arctic, from a few steps of 12 h.

The mesh is a disc of square cells, as many as an Arctic model has ocean cells. A step includes the noise, six steps of
Heun (11 evaluations) and the bounds, but neither reading of forcing nor writing of states. ``recorded`` is what a
forecast on a GPU does: a step that is recorded once as a CUDA graph and then replayed.
"""

import argparse
import time
from typing import Any

import numpy as np
import torch

from gensim_graph.benchmark.speed.options import SPACING
from gensim_graph.data import Normaliser, Statistics
from gensim_graph.flow import SamplerConfig
from gensim_graph.mesh import Mesh
from gensim_graph.nn import GraphPlan
from gensim_graph.surrogate.step_model import StepModel
from gensim_graph.typing import Tensor
from gensim_graph.variables import default_variables
from gpu_sections.evaluation import random_operator
from gpu_sections.record import Record

LEAD_HOURS, HEUN_STEPS = 12.0, 6
ARCTIC_CELLS = 127_152


def measure(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Simulated years a day, plain and compiled.

    Args:
        record: gets the results.
        device: where the network runs.
        options: the command line.
    """
    preset, cells = ("tiny", 2000) if options.quick else ("base", ARCTIC_CELLS)
    model = build_model(preset, device)
    start = time.perf_counter()
    plan = model.plan(disc(cells))
    seconds = time.perf_counter() - start
    record.measure("prepare", lambda: {"mesh_graph_and_plan_seconds": seconds, "cells": plan.graph.n_cells})

    ways = ("plain", "recorded", "recorded, compiled") if device.type == "cuda" else ("plain", "compiled")
    for way in ways:
        if "compiled" in way:
            model.compile()
        model.record("recorded" in way)
        record.measure(f"{preset}, {way}", lambda: a_year(record, model, plan))


def build_model(preset: str, device: torch.device) -> StepModel:
    """Build a model with random weights for normalised variables.

    Args:
        preset: size of the network.
        device: where it runs, on a GPU with products in bfloat16.
    """
    table = default_variables()
    residuals = {variable.name: (0.0, 0.1) for variable in table.state}
    normaliser = Normaliser(table, Statistics(LEAD_HOURS, {one.name: (0.0, 1.0) for one in table.variables}, residuals))

    torch.manual_seed(0)
    channels = (normaliser.state_channels, normaliser.condition_channels)
    operator = random_operator(preset, *channels, torch.device("cpu")).eval()
    model = StepModel(operator, normaliser, SamplerConfig(steps=HEUN_STEPS, method="heun"))

    return model.to(device, "bf16" if device.type == "cuda" else "float32")


def disc(cells: int) -> Mesh:
    """Return a mesh of square cells around a pole: the cells of a grid that are next to its centre.

    Args:
        cells: number of cells.
    """
    side = 2 * int(np.sqrt(cells / np.pi) + 3)
    axis = (np.arange(side) - (side - 1) / 2) * SPACING
    distance = np.hypot(*np.meshgrid(axis, axis)).ravel()
    ocean = np.zeros(side * side, dtype=bool)
    ocean[np.argsort(distance, kind="stable")[:cells]] = True

    return Mesh.from_grid(axis, axis, mask=ocean.reshape(side, side))


def a_year(record: Record, model: StepModel, plan: GraphPlan) -> dict[str, Any]:
    """Time of five steps, extrapolated to a year.

    Args:
        record: times the steps.
        model: on the device.
        plan: of the mesh.
    """
    state, *inputs = random_inputs(model, plan, 1)
    generator = torch.Generator().manual_seed(0)

    def step() -> None:
        nonlocal state
        state = model.step(state, *inputs, plan, [generator])

    found = record.timed(step, rounds=5)
    if not torch.isfinite(state).all():
        raise FloatingPointError("the state is not finite")

    year = found["median_seconds"] * 365.25 * 24 / LEAD_HOURS
    return {"years_a_day": 86400 / year, "a_year_seconds": year, "evaluations_a_step": 2 * HEUN_STEPS - 1} | found


def random_inputs(model: StepModel, plan: GraphPlan, members: int) -> list[Tensor]:
    """Return a state of some members within its bounds, forcing, next forcing and slow inputs.

    Args:
        model: on the device.
        plan: of the mesh.
        members: number of states.
    """
    table, count = model.normaliser.table, plan.graph.n_cells
    generator = torch.Generator().manual_seed(0)
    state = torch.randn(members, count, len(table.state), generator=generator).to(model.device)
    parts = (table.forcing, table.forcing, table.slow)
    others = [torch.randn(count, len(part), generator=generator).to(model.device) for part in parts]

    return [model.normaliser.bounds.clip(state), *others]

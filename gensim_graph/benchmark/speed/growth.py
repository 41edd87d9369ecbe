"""Suite ``scaling``: cost per cell on larger and larger meshes, and time of the preparation.

The contestant is one operator on square grids. ``prepare`` goes from a mesh in memory to its graph and attention plan;
``forward`` and ``forward+backward`` are evaluations with this plan. Memory excludes weights, graph, plan and
inputs.
"""

from dataclasses import replace
from typing import Any

import torch

from gensim_graph.benchmark.speed.measure import TimedCall, compete, ratios
from gensim_graph.benchmark.speed.options import Options, ProgressCallback, square_grid
from gensim_graph.benchmark.speed.peak_memory import peak_in_fresh_process
from gensim_graph.benchmark.speed.speed_report import BACKWARD, FORWARD, PREPARE, Ratio, Report, Row
from gensim_graph.graph import build_graph
from gensim_graph.nn import Channels, VelocityOperator
from gensim_graph.nn.attention import plan_attention
from gensim_graph.system import describe_machine
from gensim_graph.variables import default_variables

GROWTH_CELLS = (4096, 16384, 65536, 262144)
BACKWARD_CELLS = 65536
"""Largest mesh with gradients; training cuts larger meshes into subgraphs."""


def run_growth(options: Options, on_progress: ProgressCallback) -> Report:
    """Measure all sizes, each once in every round.

    Args:
        options: options of the suite.
        on_progress: called with the current step and the completed share.
    """
    device = options.prepare_device()
    sizes = options.cells or GROWTH_CELLS

    on_progress("networks and graphs", 0.0)
    stages = [(PREPARE, cells) for cells in sizes] + [(FORWARD, cells) for cells in sizes]
    stages += [(BACKWARD, cells) for cells in sizes if cells <= BACKWARD_CELLS]
    runs = {(stage, cells): operator_contestant(options.preset, stage, cells, device) for stage, cells in stages}

    share = 0.7 / (options.rounds + 1)
    samples = compete(
        runs, options.rounds, device, seed=options.seed, on_round=lambda done: on_progress("time", done * share)
    )
    del runs
    rows = []

    for index, ((stage, cells), seconds) in enumerate(samples.items()):
        on_progress(f"{cells:,} cells: memory", 0.7 + 0.3 * index / len(samples))
        job = {"suite": "scaling", "name": options.preset, "stage": stage, "cells": cells}
        peak = peak_in_fresh_process(**job, device=str(device), threads=torch.get_num_threads())
        rows.append(Row(options.preset, stage, cells, seconds, peak))

    on_progress("done", 1.0)
    settings: dict[str, Any] = {"cells": list(sizes), "rounds": options.rounds, "preset": options.preset}
    settings["keep_memory"] = options.keep_memory

    return Report("scaling", describe_machine(device), settings, tuple(rows), _growth(rows))


def operator_contestant(name: str, stage: str, cells: int, device: torch.device) -> TimedCall:
    """Return one stage of an operator on a square grid as a function to time.

    Args:
        name: preset of the operator.
        stage: ``prepare``, ``forward`` or ``forward+backward``.
        cells: number of cells, a square number.
        device: where it runs.
    """
    mesh = square_grid(cells)
    if stage == PREPARE:
        return lambda: plan_attention(build_graph(replace(mesh)).to(device))  # the copy has to compute its edges again

    table = default_variables()
    state = Channels.of(table.state)
    conditions = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))

    operator = VelocityOperator.from_preset(name, state, conditions).to(device)
    plan = operator.plan(build_graph(mesh).to(device))
    noised, given = (torch.randn(1, cells, part.count, device=device) for part in (state, conditions))
    time = torch.tensor([0.3], device=device)

    for parameter in operator.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def evaluate() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            velocity = operator.velocity(noised, time, operator.prepare(given, plan))
        if stage == BACKWARD:
            velocity.float().square().mean().backward()

    return evaluate if stage == BACKWARD else torch.no_grad()(evaluate)


def _growth(rows: list[Row]) -> tuple[Ratio, ...]:
    """Time per cell over that of the smallest mesh with at least 16384 cells."""
    found = []
    for stage in (FORWARD, BACKWARD):
        some = [row for row in rows if row.stage == stage and row.cells >= 16384]
        for row in some[1:]:
            what = f"cost of a cell, {row.cells:,} / {some[0].cells:,} cells"
            found.append(Ratio(what, stage, row.cells, ratios(row.seconds, some[0].seconds, some[0].cells / row.cells)))

    return tuple(found)

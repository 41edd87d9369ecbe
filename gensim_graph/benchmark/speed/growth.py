"""Suite ``scaling``: what a cell costs as the mesh grows, and how long the preparation takes.

One operator on square grids. ``prepare`` is the way from a mesh in memory to its graph and plan; ``forward`` and
``forward+backward`` are evaluations on that plan. Memory is what a run_growth needs beyond weights, graph, plan and inputs.
"""

from dataclasses import replace
from typing import Any

import torch

from gensim_graph.benchmark.speed.measure import TimedCall, compete, ratios
from gensim_graph.benchmark.speed.options import Options, Watch, square_grid
from gensim_graph.benchmark.speed.peak_memory import peak_in_fresh_process
from gensim_graph.benchmark.speed.speed_report import BACKWARD, FORWARD, PREPARE, Ratio, Report, Row
from gensim_graph.graph import build_graph
from gensim_graph.nn import Channels, VelocityOperator
from gensim_graph.nn.attention import plan_attention
from gensim_graph.system import describe_machine
from gensim_graph.variables import default_variables

GROWTH_CELLS = (4096, 16384, 65536, 262144)
BACKWARD_CELLS = 65536
"""Largest mesh that is trained on as a whole; larger ones are trained on in subgraphs."""


def run_growth(options: Options, watch: Watch) -> Report:
    """Measure all sizes, interleaved round by round."""
    device, sizes = options.start(), options.cells or GROWTH_CELLS
    watch("networks and graphs", 0.0)
    stages = [(PREPARE, cells) for cells in sizes] + [(FORWARD, cells) for cells in sizes]
    stages += [(BACKWARD, cells) for cells in sizes if cells <= BACKWARD_CELLS]
    runs = {(stage, cells): operator_contestant(options.preset, stage, cells, device) for stage, cells in stages}
    share = 0.7 / (options.rounds + 1)
    samples = compete(
        runs, options.rounds, device, seed=options.seed, on_round=lambda done: watch("time", done * share)
    )
    del runs
    rows = []

    for index, ((stage, cells), seconds) in enumerate(samples.items()):
        watch(f"{cells:,} cells: memory", 0.7 + 0.3 * index / len(samples))
        job = {"suite": "scaling", "name": options.preset, "stage": stage, "cells": cells}
        peak = peak_in_fresh_process(**job, device=str(device), threads=torch.get_num_threads())
        rows.append(Row(options.preset, stage, cells, seconds, peak))

    watch("done", 1.0)
    settings: dict[str, Any] = {"cells": list(sizes), "rounds": options.rounds, "preset": options.preset}
    settings["keep_memory"] = options.keep_memory

    return Report("scaling", describe_machine(device), settings, tuple(rows), _growth(rows))


def operator_contestant(name: str, stage: str, cells: int, device: torch.device) -> TimedCall:
    """One stage of the operator of a preset on a square grid, ready to run_growth."""
    mesh = square_grid(cells)
    if stage == PREPARE:
        return lambda: plan_attention(build_graph(replace(mesh)).to(device))  # a copy knows nothing of its edges yet

    table = default_variables()
    state = Channels.of(table.state)
    conditions = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))
    operator = VelocityOperator.from_preset(name, state, conditions).to(device)
    plan = operator.plan(build_graph(mesh).to(device))
    noised, given = (torch.randn(1, cells, part.count, device=device) for part in (state, conditions))
    time = torch.tensor([0.3], device=device)
    for parameter in operator.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def run_growth() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            velocity = operator.velocity(noised, time, operator.prepare(given, plan))
        if stage == BACKWARD:
            velocity.float().square().mean().backward()

    return run_growth if stage == BACKWARD else torch.no_grad()(run_growth)


def _growth(rows: list[Row]) -> tuple[Ratio, ...]:
    """Time per cell over that of the smallest mesh of 16384 cells or more."""
    found = []
    for stage in (FORWARD, BACKWARD):
        some = [row for row in rows if row.stage == stage and row.cells >= 16384]
        for row in some[1:]:
            what = f"cost of a cell, {row.cells:,} / {some[0].cells:,} cells"
            found.append(Ratio(what, stage, row.cells, ratios(row.seconds, some[0].seconds, some[0].cells / row.cells)))

    return tuple(found)

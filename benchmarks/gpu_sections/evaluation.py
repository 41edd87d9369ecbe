"""Sections ``operator`` and ``scaling``: evaluations of the network on square grids, and GenSIM's network beside it.

On a GPU products are computed in bfloat16 (autocast). An evaluation includes the map of the conditions; ``prepare``
in ``scaling`` is the time from a mesh to its graph, on the processor. Memory is the peak of an evaluation beyond
network, graph and inputs (``held``).
"""

import argparse
import itertools
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from gensim_graph.benchmark.speed import BACKWARD, FORWARD, TimedCall, square_grid
from gensim_graph.benchmark.speed.measure import seconds_of
from gensim_graph.graph import MeshGraph, batch_graphs, build_graph
from gensim_graph.nn import Channels, VelocityOperator, compile_network
from gensim_graph.variables import default_variables
from gpu_sections.kernels import kernels_of, recording
from gpu_sections.record import Record

PLAIN, RECORDED, COMPILED, OWN = "plain", "recorded", "compiled", "compiled with the options of PyTorch"
"""Ways to compute: kernel by kernel; the same kernels replayed at once, so that the processor does not delay them;
compiled with the options of the package; compiled without them."""

_CELLS_OF_A_BATCH = 268**2

_LARGEST_SQUARE = 1024**2
"""Cells of the largest grid that is prepared; larger ones consist of copies of it, which spares a minute."""


def measure_operator(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Time and memory of one evaluation on a square grid, of ours and of GenSIM's network.

    Args:
        record: gets the results.
        device: where the networks run.
        options: the command line.
    """
    preset, side = ("tiny", 64) if options.quick else ("base", 512)
    graph = build_graph(square_grid(side**2)).to(device)
    recorded = [(RECORDED, FORWARD)] if device.type == "cuda" else []
    if not options.quick:
        _measure_a_small_one(record, device)
    ours: dict[tuple[str, str], dict[str, Any] | None] = {}

    def measure(way: str, stage: str) -> None:
        run = partial(evaluation, preset, graph, stage, way)
        ours[way, stage] = record.measure(f"{preset}, {way}, {stage}", lambda: record.timed(run()))
        if options.gensim and way != OWN:
            peer = partial(gensim_evaluation, options.gensim, side, stage, way, device)
            record.measure(f"GenSIM as run, {way}, {stage}", lambda: _beside(ours, stage, record.timed(peer())))

    def list_kernels(way: str) -> None:
        for stage in (FORWARD, BACKWARD):
            run = partial(evaluation, preset, graph, stage, way)
            record.measure(f"{preset}, {way}, {stage}, kernels", lambda r=run: kernels_of(r(), device))

    if not options.gensim:
        record.skip("GenSIM", "no checkout; give its path with --gensim")
    for way, stage in ((PLAIN, FORWARD), (PLAIN, BACKWARD), *recorded):
        measure(way, stage)
    list_kernels(PLAIN)
    for way, stage in itertools.product((COMPILED, OWN) if device.type == "cuda" else (COMPILED,), (FORWARD, BACKWARD)):
        measure(way, stage)
    list_kernels(COMPILED)


def _measure_a_small_one(record: Record, device: torch.device) -> None:
    """Time and memory of ``small`` on as many cells as a batch of a training has: does the device wait for kernels?"""
    graph = build_graph(square_grid(_CELLS_OF_A_BATCH)).to(device)
    ways = ((PLAIN, FORWARD), (PLAIN, BACKWARD), *([(RECORDED, FORWARD)] if device.type == "cuda" else []))
    for way, stage in ways:
        run = partial(evaluation, "small", graph, stage, way)
        record.measure(f"small, {way}, {stage}", lambda r=run: record.timed(r()))


def _beside(ours: Mapping[tuple[str, str], Any], stage: str, found: dict[str, Any]) -> dict[str, Any]:
    """Add time and memory of GenSIM's network over those of ours, for all ways that have been measured."""
    for (way, of_stage), own in ours.items():
        if own and of_stage == stage:
            found[f"time_over_ours_{way}"] = found["median_seconds"] / own["median_seconds"]
            if own["peak_bytes"]:  # a recording has its memory already
                found[f"memory_over_ours_{way}"] = found["peak_bytes"] / own["peak_bytes"]
    return found


def gensim_evaluation(checkout: Path, side: int, stage: str, way: str, device: torch.device) -> TimedCall:
    """Return an evaluation of GenSIM's network on a square, all windows at a time.

    Args:
        checkout: folder of GenSIM's repository.
        side: cells along a side, a multiple of 64.
        stage: ``forward`` or ``forward+backward``.
        way: plain, recorded or compiled.
        device: where it runs.
    """
    from compare_gensim import contestant

    settings = argparse.Namespace(gensim=checkout, batch=(side // 64) ** 2, compile=way == COMPILED)
    run = contestant("GenSIM as run", stage, side, device, settings)
    return recording(run) if way == RECORDED else run


def evaluation(preset: str, graph: MeshGraph, stage: str, way: str = PLAIN) -> TimedCall:
    """Return an evaluation of our network, with random weights in all layers.

    Args:
        preset: size of the network.
        graph: on the device.
        stage: ``forward`` or ``forward+backward``, which computes the gradients of all weights.
        way: how it is computed.
    """
    device, table = graph.token_pos.device, default_variables()
    state = Channels.of(table.state)
    conditions = Channels.of((*table.state, *table.forcing, *table.forcing, *table.slow))

    torch.manual_seed(0)
    operator = random_operator(preset, state, conditions, device)
    plan = operator.plan(graph)
    noised, given = (torch.randn(1, graph.n_cells, part.count, device=device) for part in (state, conditions))
    time = torch.tensor([0.3], device=device)
    for weight in operator.parameters():
        weight.grad = torch.zeros_like(weight)
    prepare, velocity = operator.prepare, operator.velocity
    if way in (COMPILED, OWN):
        prepare, velocity = compile_network(operator, device, **({"options": {}} if way == OWN else {}))

    def run() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            output = velocity(noised, time, prepare(given, plan))
        if stage == BACKWARD:
            output.float().square().mean().backward()

    if stage == BACKWARD:
        return run
    return recording(torch.no_grad()(run)) if way == RECORDED else torch.no_grad()(run)


def random_operator(preset: str, state: Channels, conditions: Channels, device: torch.device) -> VelocityOperator:
    """Build a network without zero weights: products with zeros take less power, and are faster on a GPU.

    Args:
        preset: size of the network.
        state: channels of the state.
        conditions: channels of the conditions.
        device: where it runs.
    """
    operator = VelocityOperator.from_preset(preset, state, conditions).to(device)
    with torch.no_grad():
        for weight in operator.parameters():
            weight.add_(0.02 * torch.randn_like(weight))

    return operator


def measure_scaling(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Time and memory per cell of a forward pass on larger and larger grids.

    Args:
        record: gets the results.
        device: where the network runs.
        options: the command line.
    """
    preset = "tiny" if options.quick else "small"
    largest = 128**2 if options.quick else _LARGEST_SQUARE
    squares = (64**2, largest) if options.quick else (256**2, 512**2, largest)

    for cells, copies in (*((square, 1) for square in squares), (largest, 4), (largest, 10)):
        if copies == 1:
            record.measure(f"prepare, {cells:,} cells", lambda n=cells: _preparation(n))
        record.measure(
            f"{preset}, forward, {copies * cells:,} cells",
            lambda n=cells, c=copies: _costs(record, preset, n, c),
        )


_KEPT: dict[int, MeshGraph] = {}
"""The graph that was prepared last, by its number of cells."""


def _graph(cells: int) -> MeshGraph:
    if cells not in _KEPT:
        _KEPT.clear()
        _KEPT[cells] = build_graph(square_grid(cells))
    return _KEPT[cells]


def _preparation(cells: int) -> dict[str, Any]:
    seconds = seconds_of(lambda: _graph(cells), torch.device("cpu"))
    return {"mesh_and_graph_seconds": seconds, "microseconds_a_cell": 1e6 * seconds / cells}


def _costs(record: Record, preset: str, cells: int, copies: int) -> dict[str, Any]:
    graph = batch_graphs([_graph(cells)] * copies).to(record.device)
    found = record.timed(evaluation(preset, graph, FORWARD), rounds=5)
    count = copies * cells
    per_cell = {
        "cells": count,
        "grids": copies,
        "microseconds_a_cell": 1e6 * found["median_seconds"] / count,
        "bytes_a_cell": found["peak_bytes"] / count,
    }
    return per_cell | found

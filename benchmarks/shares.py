"""Shares of the time of one evaluation: matrix products, attention, sums over neighbours, copies, other operations.

Usage: python benchmarks/shares.py [--cells 65536] [--preset base] [--device cpu] [--out DIR]

The shares come from PyTorch's profiler, for a forward pass and for forward + backward. The time of each operator
excludes the operators that it calls, except for attention and sums over neighbours: these include their gathers and
products.
Results are written to ``OUT/shares.json``.
"""

import argparse

import torch
from shared import build_parser, prepare_process, print_and_write
from torch.profiler import ProfilerActivity, profile

from gensim_graph.benchmark.speed import BACKWARD, FORWARD, operator_contestant
from gensim_graph.system import describe_machine

KINDS = {
    "attention": ("native_attention", "cluster_attention", "triton_attention", "flash_attention", "scaled_dot_product"),
    "sums over neighbours": ("stencil_sum",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::linear", "aten::matmul", "aten::addmm_"),
    "copies": ("aten::copy_", "aten::cat", "aten::index_select", "aten::clone", "aten::_to_copy"),
}
"""Kind -> parts of the names of its operators; the first kind that fits counts."""


def main() -> None:
    """Profile both stages and write their shares."""
    options = _options()
    device = prepare_process(options)
    report = {"machine": describe_machine(device), "preset": options.preset, "cells": options.cells}
    for stage in (FORWARD, BACKWARD):
        report[stage] = shares(options.preset, stage, options.cells, device)

    print_and_write(options.out / "shares.json", report)


def shares(preset: str, stage: str, cells: int, device: torch.device) -> dict[str, float]:
    """Share of every kind of operator in the time of one run, largest first.

    Args:
        preset: size of the network.
        stage: ``forward`` or ``forward+backward``.
        cells: number of cells, a square number.
        device: where it runs.
    """
    run = operator_contestant(preset, stage, cells, device)
    run()
    on_gpu = device.type == "cuda"
    with profile(activities=[ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]) as trace:
        run()

    totals: dict[str, float] = {}
    for event in trace.events():
        spent = event.self_device_time_total if on_gpu else event.self_cpu_time_total
        kind = kind_of(_outermost(event))
        totals[kind] = totals.get(kind, 0.0) + spent
    whole = sum(totals.values())

    return {kind: round(spent / whole, 3) for kind, spent in sorted(totals.items(), key=lambda item: -item[1])}


def kind_of(name: str) -> str:
    """Return the kind of an operator, from its name in the profile."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "elementwise")


def _outermost(event) -> str:
    """Name of the event, or of the attention or sum over neighbours that it is a part of."""
    caller = event
    while caller is not None:
        if kind_of(caller.name) in ("attention", "sums over neighbours"):
            return caller.name
        caller = caller.cpu_parent

    return event.name


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench", device=True)
    parser.add_argument("--cells", type=int, default=65536, help="number of cells, a square number")
    parser.add_argument("--preset", default="base", help="size of the network")
    return parser.parse_args()


if __name__ == "__main__":
    main()

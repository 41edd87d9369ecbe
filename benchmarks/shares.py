"""Where the time of one evaluation goes: matrix products, attention, sums over neighbours, and everything in between.

Usage: python benchmarks/shares.py [--cells 65536] [--preset base] [--device cpu] [--out DIR]

Shares are those of PyTorch's profiler, forward and forward + backward, each operator counted without what it calls.
Attention and sums over neighbours are whole: with the gathers and products inside them.
"""

import argparse
import json
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from gensim_graph.benchmark.speed import BACKWARD, FORWARD, operator_contestant
from gensim_graph.system import choose_device, describe_machine, keep_freed_memory, write_atomically

KINDS = {
    "attention": ("native_attention", "cluster_attention", "triton_attention", "flash_attention", "scaled_dot_product"),
    "sums over neighbours": ("stencil_sum",),
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::linear", "aten::matmul", "aten::addmm_"),
    "copies": ("aten::copy_", "aten::cat", "aten::index_select", "aten::clone", "aten::_to_copy"),
}
"""Part of the name of an operator -> what it is; the first that fits."""


def kind_of(name: str) -> str:
    """What an operator is."""
    return next((kind for kind, parts in KINDS.items() if any(part in name for part in parts)), "elementwise")


def shares(preset: str, stage: str, cells: int, device: torch.device) -> dict[str, float]:
    """Share of every kind of operator in the time of one run."""
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


def _outermost(event) -> str:
    """Name of the event, or of the attention or sum that it is part of."""
    whole = ("attention", "sums over neighbours")
    around = event
    while around is not None:
        if kind_of(around.name) in whole:
            return around.name
        around = around.cpu_parent
    return event.name


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    device = choose_device(arguments.device)
    found = {stage: shares(arguments.preset, stage, arguments.cells, device) for stage in (FORWARD, BACKWARD)}
    report = {"machine": describe_machine(device), "preset": arguments.preset, "cells": arguments.cells} | found
    print(json.dumps(report, indent=1))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_atomically(arguments.out / "shares.json", lambda path: path.write_text(json.dumps(report, indent=1) + "\n"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=65536)
    parser.add_argument("--preset", default="base")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()

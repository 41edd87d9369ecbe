"""Section ``attention``: one layer of attention beside dense attention, and the speed limit of matrix products.

The contestants are those of the suite ``attention`` of ``gensim-graph benchmark``, with fewer sizes, and those of
``attention_peers``. On a GPU all compute in bfloat16. The speed counts the multiply-adds of all pairs of query and key,
3.5 times as many with gradients. ``first`` is the time of the first run, with all compilation.
"""

import argparse
import itertools
from typing import Any

import torch

from gensim_graph.benchmark.speed import BACKWARD, FORWARD, TimedCall, square_grid
from gensim_graph.benchmark.speed.attention_speed import (
    CHANNELS,
    DENSE_SDPA,
    HEADS,
    PADDED,
    WINDOWS,
    attention_contestant,
    one_pass,
)
from gensim_graph.benchmark.speed.measure import matrix_speed
from gensim_graph.graph import build_graph
from gensim_graph.nn.attention.backends import choose_backend
from gpu_sections.attention_peers import flexible_attention, gathered_attention
from gpu_sections.record import Record

GATHERED, FLEXIBLE = "gather + SDPA", "flex_attention"


def measure(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Time and memory of the contestants, the backend of the device first.

    Args:
        record: gets the results.
        device: where they run.
        options: the command line.
    """
    limit = record.measure("matrix product", lambda: {"tflops": matrix_speed(device)})
    ours = choose_backend(device)

    others = (GATHERED, FLEXIBLE, DENSE_SDPA, PADDED, WINDOWS)
    for cells in (1024,) if options.quick else (65_536, 262_144):
        work = _multiply_adds(cells)
        for name, stage in itertools.product((ours, *others), (FORWARD, BACKWARD)):
            what = f"{name}, {stage}, {cells:,} cells"
            if name == FLEXIBLE and device.type != "cuda" and stage == BACKWARD:
                record.skip(what, "flex_attention has gradients on a GPU only")
                continue
            where = (name, stage, cells, device)
            counted = work if name == ours else None
            record.measure(what, lambda w=where, c=counted: _cost(record, w, c, limit))


def _cost(record: Record, where: tuple[Any, ...], work: float | None, limit: dict[str, Any] | None) -> dict[str, Any]:
    """Time, memory and, if the work is known, the speed, also as a share of that of matrix products."""
    found = record.timed(_contestant(*where))
    if work is None:
        return found

    speed = 1e-12 * work * (1.0 if where[1] == FORWARD else 3.5) / found["median_seconds"]
    shares = {"share_of_matrix_product": speed / limit["tflops"]} if limit else {}
    return found | {"tflops": speed} | shares


def _contestant(name: str, stage: str, cells: int, device: torch.device) -> TimedCall:
    """One contestant as a function to time, see :func:`attention_contestant`."""
    if name not in (GATHERED, FLEXIBLE):
        return attention_contestant(name, stage, cells, device)

    graph = build_graph(square_grid(cells)).to(device)
    peer = gathered_attention(graph) if name == GATHERED else flexible_attention(graph, device.type == "cuda")
    return one_pass(*peer, stage)


def _multiply_adds(cells: int) -> float:
    """Floating-point operations of one forward pass: two products for all pairs of query and key."""
    graph = build_graph(square_grid(cells))
    pairs = int(graph.halo_valid.sum()) * graph.query_pos.shape[1]
    return 4.0 * pairs * HEADS * CHANNELS

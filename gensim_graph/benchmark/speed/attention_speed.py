"""Suite ``attention``: one layer of the local attention compared with its upper speed limit and with other methods.

Eight heads of 64 channels. The contestants:

- every backend: its inputs are queries, keys, values and a localisation, its outputs content and moments;
- ``dense SDPA``: the same multiply-adds on keys that were gathered before, without gathering, localisation, taper and
  moments; it is the upper limit of the speed on this processor;
- ``dense SDPA, padded``: the same with the number of keys of the largest halo for every cluster, which dense attention
  needs if halos differ in size;
- ``windows``: dense attention within windows of 1024 tokens, as in GenSIM, for the same number of tokens;
- ``edge-wise``: gather, softmax and scatter along the edges within the radius, as in graph libraries.

Memory is the memory of a run beyond its inputs; gathered keys, lists of edges and plans are not counted. The achieved
speed counts the multiply-adds of all pairs of query and key (3.5 times as many with gradients); it is compared with
the speed of a product of large matrices.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from gensim_graph.benchmark.speed.measure import TimedCall, compete, matrix_speed, ratios, spread
from gensim_graph.benchmark.speed.options import Options, ProgressCallback, square_grid
from gensim_graph.benchmark.speed.peak_memory import peak_in_fresh_process
from gensim_graph.benchmark.speed.peers import WINDOW, dense_attention, edge_attention, edges_within, window_attention
from gensim_graph.benchmark.speed.speed_report import BACKWARD, FORWARD, Ratio, Report, Row, without_repeats
from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.nn.attention import (
    BACKENDS,
    HEAD_CONTENT,
    Localisation,
    LocalisationHead,
    local_attention,
    plan_attention,
)
from gensim_graph.system import describe_machine, free_memory, precision
from gensim_graph.typing import Tensor

ATTENTION_CELLS = (4096, 16384, 65536, 262144)
HEADS, CHANNELS = 8, 64
DENSE_SDPA, PADDED, WINDOWS, EDGES = "dense SDPA", "dense SDPA, padded", "windows", "edge-wise"
STAGES = (FORWARD, BACKWARD)

_REFERENCE_CELLS, _EDGE_TOKENS = 4096, 4096
"""Largest sizes on which the reference and the edge-wise attention are measured."""

Entry = tuple[Callable[..., Any], list[Tensor]]
"""Function and arguments of a contestant."""


def run_attention(options: Options, on_progress: ProgressCallback) -> Report:
    """Measure all sizes, one after the other.

    Args:
        options: options of the suite.
        on_progress: called with the current step and the completed share.
    """
    device = options.prepare_device()
    rows: list[Row] = []
    found: list[Ratio] = []
    left_out: list[str] = []
    sizes = options.cells or ATTENTION_CELLS

    for index, cells in enumerate(sizes):
        done = index / len(sizes)
        on_progress(f"{cells:,} cells: time", done)
        some, reasons = _time(cells, device, options, _share_of(on_progress, done, 0.5 / len(sizes)))
        on_progress(f"{cells:,} cells: memory", done + 0.5 / len(sizes))
        rows += [_with_memory(row, device) for row in some]
        found += _ratios(some)
        left_out += reasons

    on_progress("done", 1.0)
    settings: dict[str, Any] = {"cells": list(sizes), "rounds": options.rounds, "heads": HEADS, "channels": CHANNELS}
    settings["keep_memory"] = options.keep_memory
    machine = describe_machine(device)
    left, derived = without_repeats(left_out), _speeds(rows, device)

    return Report("attention", machine, settings, tuple(rows), tuple(found), left, derived)


def _speeds(rows: list[Row], device: torch.device) -> dict[str, Any]:
    """Speed of a large matrix product and of the backends, TFLOP/s, and the share that the backends reach."""
    found = {}
    for row in rows:
        if row.contestant in BACKENDS and row.contestant != "reference":
            graph = build_graph(square_grid(row.cells))
            pairs = int(graph.halo_valid.sum()) * graph.query_pos.shape[1]
            work = 4 * pairs * HEADS * CHANNELS * (1 if row.stage == FORWARD else 3.5)
            found[f"{row.contestant}, {row.stage}, {row.cells}"] = work / spread(row.seconds).median / 1e12

    ceiling = matrix_speed(device)
    shares = {name: speed / ceiling for name, speed in found.items()}

    return {"matrix_product_tflops": ceiling, "attention_tflops": found, "share_of_matrix_product": shares}


def _share_of(on_progress: ProgressCallback, start: float, length: float) -> Callable[[float], object]:
    """Return a function that reports shares of one part of the suite as shares of the whole."""
    return lambda share: on_progress("", start + share * length)


def attention_contestant(name: str, stage: str, cells: int, device: torch.device) -> TimedCall:
    """Return one contestant on a square grid as a function to time.

    Args:
        name: a backend, or one of the other methods of this module.
        stage: ``forward`` or ``forward+backward``.
        cells: number of cells, a square number.
        device: where it runs.
    """
    graph = build_graph(square_grid(cells)).to(device)
    function, leaves = _ENTRIES[name](graph) if name in _ENTRIES else _backend(name, graph)
    return one_pass(function, leaves, stage)


def one_pass(function: Callable[..., Any], leaves: Sequence[Tensor], stage: str) -> TimedCall:
    """Return a call of a function without gradients, or with the gradients of all its arguments.

    Args:
        function: returns a tensor or a tuple of tensors.
        leaves: arguments of the function.
        stage: ``forward`` or ``forward+backward``.
    """

    @torch.no_grad()
    def forward() -> object:
        return function(*leaves)

    if stage == FORWARD:
        return forward

    outputs = forward()
    directions = [torch.randn_like(one) for one in (outputs if isinstance(outputs, tuple) else (outputs,))]
    leaves = [leaf.requires_grad_() for leaf in leaves]

    def backward() -> object:
        results = function(*leaves)
        return torch.autograd.grad(results, leaves, directions)

    return backward


def _time(
    cells: int, device: torch.device, options: Options, on_share: Callable[[float], object]
) -> tuple[list[Row], list[str]]:
    """Return rows of one size, without memory, and the reasons why contestants were left out."""
    graph = build_graph(square_grid(cells)).to(device)
    torch.manual_seed(options.seed)
    runs: dict[tuple[str, str], TimedCall] = {}
    left_out = []

    for name in (*BACKENDS, *_ENTRIES):
        for stage in STAGES:
            try:
                _refuse(name, stage, cells, graph)
                runs[name, stage] = attention_contestant(name, stage, cells, device)
            except InputError as reason:
                left_out.append(f"{cells:,} cells, {reason}")

    on_round = lambda done: on_share(done / (options.rounds + 1))  # noqa: E731
    samples = compete(runs, options.rounds, device, seed=options.seed, on_round=on_round)

    return [Row(name, stage, cells, seconds) for (name, stage), seconds in samples.items()], left_out


def _refuse(name: str, stage: str, cells: int, graph: MeshGraph) -> None:
    """Refuse contestants that take too much memory or time.

    Raises:
        InputError: the contestant takes too much.
    """
    device = graph.token_pos.device
    tokens = len(graph.token_area)
    if name == "reference" and cells > _REFERENCE_CELLS:
        raise InputError(f"{name}: all pairs in double precision; measured up to {_REFERENCE_CELLS:,} cells")
    if name == EDGES and tokens > _EDGE_TOKENS:
        raise InputError(f"{name}: too much memory and time; measured up to {_EDGE_TOKENS:,} tokens")

    kind = name.split(",")[0]
    vectors = {EDGES: tokens * math.pi * float(graph.radius[0]) ** 2, DENSE_SDPA: 2 * graph.halo.numel()}.get(kind, 0)
    # Arrays of this size at the same time: gathered queries, keys and their product; with gradients, twice as many.
    copies = {EDGES: 3, DENSE_SDPA: 1}.get(kind, 0) * (1 if stage == FORWARD else 2)
    need = copies * vectors * HEADS * CHANNELS * precision(device).itemsize
    free = free_memory(device)

    if need > free / 2:
        raise InputError(f"{name}, {stage}: needs {need / 1e9:.0f} GB, of {free / 1e9:.0f} GB that are free")


def _backend(name: str, graph: MeshGraph) -> Entry:
    """Local attention with a backend."""
    plan = plan_attention(graph, name)
    tokens = len(graph.token_area)
    query, key, value = _noise(graph, *[(1, tokens, HEADS, HEAD_CONTENT)] * 3)
    shapes = ((1, tokens, HEADS), (1, tokens, HEADS, 2), (1, tokens, HEADS, 2))
    with torch.no_grad():
        localisation = LocalisationHead(HEADS).to(query.device)(*(part.float() for part in _noise(graph, *shapes)))

    def attend(query: Tensor, key: Tensor, value: Tensor, *localised: Tensor) -> tuple[Tensor, ...]:
        return local_attention(query, key, value, Localisation(*localised), plan)

    return attend, [query / math.sqrt(HEAD_CONTENT), key, value, *(part.clone() for part in localisation)]


def _dense(graph: MeshGraph) -> Entry:
    """Dense attention with the mean number of keys."""
    return _dense_of(graph, math.ceil(graph.halo_valid.sum() / graph.n_clusters))


def _padded(graph: MeshGraph) -> Entry:
    """Dense attention with the number of keys of the largest halo."""
    return _dense_of(graph, graph.halo.shape[1])


def _dense_of(graph: MeshGraph, keys: int) -> Entry:
    clusters, width = graph.query_pos.shape[:2]
    return dense_attention, _noise(graph, *((clusters, HEADS, count, CHANNELS) for count in (width, keys, keys)))


def _windows(graph: MeshGraph) -> Entry:
    """Attention in windows for the same number of tokens; windows are a little smaller if tokens do not fill them."""
    count = math.ceil(len(graph.token_area) / WINDOW)
    size = math.ceil(len(graph.token_area) / count)
    return lambda query, key, value: window_attention(query, key, value, size), _noise(
        graph, *[(count * size, HEADS, CHANNELS)] * 3
    )


def _edges(graph: MeshGraph) -> Entry:
    edges = edges_within(graph)
    leaves = _noise(graph, *[(len(graph.token_area), HEADS, CHANNELS)] * 3)
    return lambda query, key, value: edge_attention(query, key, value, edges), leaves


_ENTRIES: dict[str, Callable[[MeshGraph], Entry]] = {
    DENSE_SDPA: _dense,
    PADDED: _padded,
    WINDOWS: _windows,
    EDGES: _edges,
}


def _noise(graph: MeshGraph, *shapes: tuple[int, ...]) -> list[Tensor]:
    device = graph.token_pos.device
    return [torch.randn(shape, device=device, dtype=precision(device)) for shape in shapes]


def _ratios(rows: list[Row]) -> list[Ratio]:
    """Time of every backend over that of every other method."""
    backends = [row for row in rows if row.contestant in BACKENDS]
    return [
        Ratio(f"{row.contestant} / {peer.contestant}", row.stage, row.cells, ratios(row.seconds, peer.seconds))
        for row in backends
        for peer in rows
        if peer.contestant in _ENTRIES and peer.stage == row.stage
    ]


def _with_memory(row: Row, device: torch.device) -> Row:
    job = {"suite": "attention", "name": row.contestant, "stage": row.stage, "cells": row.cells}
    peak = peak_in_fresh_process(**job, device=str(device), threads=torch.get_num_threads())
    return Row(row.contestant, row.stage, row.cells, row.seconds, peak)

"""Time and memory of building the graph and attention plan of a mesh, stage by stage, and of reading the cached graph.

Usage: python benchmarks/preparation.py [--cells 1000000] [--kind grid|triangles] [--rounds 3] [--out DIR]

Results are written to ``OUT/preparation_KIND_CELLS.json``.
"""

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import Delaunay
from shared import build_parser, peak_memory, print_and_write

from gensim_graph.benchmark.speed import spread
from gensim_graph.graph import build_graph, cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn.attention import plan_attention
from gensim_graph.system import describe_machine

SPACING = 4e3
"""Spacing of the cells in m."""


def main() -> None:
    """Time all rounds and write the results."""
    options = _options()
    mesh = {"grid": grid, "triangles": triangles}[options.kind](options.cells)
    samples: dict[str, list[float]] = {}

    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for name, seconds in time_stages(replace(mesh), folder, write=number == 0).items():
                samples.setdefault(name, []).append(seconds)
        on_disk = sum(file.stat().st_size for file in Path(folder).iterdir())

    found = {
        "machine": describe_machine(torch.device("cpu")),
        "kind": options.kind,
        "cells": mesh.n_faces,
        "rounds": options.rounds,
        "seconds": {name: spread(values)._asdict() for name, values in samples.items()},
        "peak_memory_bytes": peak_memory(),
        "bytes_on_disk_per_cell": on_disk / mesh.n_faces,
    }
    print_and_write(options.out / f"preparation_{options.kind}_{mesh.n_faces}.json", found)


def grid(cells: int) -> Mesh:
    """Return a square of square cells."""
    axis = (np.arange(round(cells**0.5)) + 0.5) * SPACING
    return Mesh.from_grid(axis, axis)


def triangles(cells: int) -> Mesh:
    """Return a Delaunay triangulation of random points with faces in random order: the worst case for memory access."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, (cells / 2) ** 0.5 * SPACING, (cells // 2, 2))
    return Mesh.from_faces(points, rng.permutation(Delaunay(points).simplices.astype(np.int64)), defects="drop")


def time_stages(mesh: Mesh, folder: str, write: bool) -> dict[str, float]:
    """Seconds of each stage.

    Args:
        mesh: a mesh whose edges have not been computed yet.
        folder: folder of the cached graph.
        write: write the graph into the cache first; the time of writing is not measured.
    """
    marks = [time.perf_counter()]
    for part in ("areas", "centres", "adjacency", "boundary_kind"):
        getattr(mesh, part)
    marks.append(time.perf_counter())

    graph = build_graph(mesh)
    marks.append(time.perf_counter())

    plan_attention(graph)
    marks.append(time.perf_counter())
    del graph

    seconds = dict(zip(("cells and edges", "graph", "plan"), np.diff(marks).tolist(), strict=True))
    seconds["all"] = sum(seconds.values())

    if write:
        cached_graph(mesh, folder=folder, smallest=0)
    start = time.perf_counter()
    cached_graph(replace(mesh), folder=folder, smallest=0)

    return seconds | {"from the cache": time.perf_counter() - start}


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench")
    parser.add_argument("--cells", type=int, default=1_000_000, help="number of cells, about")
    parser.add_argument("--kind", choices=("grid", "triangles"), default="grid", help="kind of mesh")
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of each stage")
    return parser.parse_args()


if __name__ == "__main__":
    main()

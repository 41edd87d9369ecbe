"""From a mesh in memory to its graph: time and memory of every stage, and of reading it back from the cache.

Usage: python benchmarks/preparation.py [--cells 1000000] [--kind grid|triangles] [--rounds 3] [--out DIR]
"""

import argparse
import json
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.spatial import Delaunay

from gensim_graph.benchmark.speed import spread
from gensim_graph.graph import build_graph, cached_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn.attention import plan_attention
from gensim_graph.system import describe_machine, write_atomically

SPACING = 4e3


def grid(cells: int) -> Mesh:
    """A square of square cells."""
    axis = (np.arange(round(cells**0.5)) + 0.5) * SPACING
    return Mesh.from_grid(axis, axis)


def triangles(cells: int) -> Mesh:
    """The Delaunay triangulation of random points, renumbered at random: nothing is in order."""
    rng = np.random.default_rng(0)
    points = rng.uniform(0, (cells / 2) ** 0.5 * SPACING, (cells // 2, 2))
    return Mesh.from_faces(points, rng.permutation(Delaunay(points).simplices.astype(np.int64)), defects="drop")


def main() -> None:
    arguments = _arguments()
    mesh = {"grid": grid, "triangles": triangles}[arguments.kind](arguments.cells)
    samples: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.rounds):
            for name, seconds in _once(replace(mesh), folder, write=number == 0).items():
                samples.setdefault(name, []).append(seconds)
        on_disk = sum(file.stat().st_size for file in Path(folder).iterdir())
    found = {
        "machine": describe_machine(torch.device("cpu")),
        "kind": arguments.kind,
        "cells": mesh.n_faces,
        "rounds": arguments.rounds,
        "seconds": {name: spread(values)._asdict() for name, values in samples.items()},
        "peak_memory_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "bytes_on_disk_per_cell": on_disk / mesh.n_faces,
    }
    print(json.dumps(found, indent=1))
    arguments.out.mkdir(parents=True, exist_ok=True)
    file = arguments.out / f"preparation_{arguments.kind}_{mesh.n_faces}.json"
    write_atomically(file, lambda path: path.write_text(json.dumps(found, indent=1) + "\n"))


def _once(mesh: Mesh, folder: str, write: bool) -> dict[str, float]:
    """Seconds of each stage on a mesh that knows nothing of its edges yet."""
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--kind", choices=("grid", "triangles"), default="grid")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()

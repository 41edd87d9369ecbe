"""Sums over the neighbours of every cell: fixed lists and gathers, as the operator has them, against scattering.

Usage: python benchmarks/scatter.py [--cells 65536] [--channels 128] [--rounds 9] [--device cpu] [--out DIR]

The same weighted sum (mean over the neighbours and the two components of the gradient), forward and with the gradient
of the features, on triangles: ``lists`` is :func:`~gensim_graph.nn.neighbour_sum.stencil_sum`, ``index_add`` PyTorch's own
scatter along the edges, ``segment`` torch-scatter's reduction of edges sorted by their receiver and ``scatter`` its
reduction in any order. The last two are left out where torch-scatter (the extra ``scatter``) is not installed.
"""

import argparse
import importlib.util
import json
from pathlib import Path

import numpy as np
import torch

from gensim_graph.benchmark.speed import TimedCall, compete, ratios, spread
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import stencil_sum
from gensim_graph.system import choose_device, describe_machine, keep_freed_memory, write_atomically
from gensim_graph.typing import Tensor

SPACING = 12e3


def triangles(cells: int) -> Mesh:
    """Squares cut in two."""
    side = round((cells / 2) ** 0.5)
    x, y = np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0))
    node = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    a, b, c, d = (part.ravel() for part in (node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]))
    faces = np.concatenate([np.stack(corners, axis=1) for corners in ((a, b, c), (a, c, d))])
    return Mesh.from_faces(SPACING * np.stack([x.ravel(), y.ravel()], axis=1), faces)


class Edges:
    """The stencil as edges (receiver, sender, weights), sorted by their receiver."""

    def __init__(self, graph: MeshGraph) -> None:
        self.weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1)
        self.receiver, column = (graph.mean != 0).nonzero(as_tuple=True)
        self.sender = graph.neighbours[self.receiver, column]
        self.weight = self.weights[self.receiver, column].unsqueeze(-1)
        self.count = len(graph.neighbours)
        self.starts = torch.searchsorted(self.receiver, torch.arange(self.count + 1, device=self.receiver.device))

    def messages(self, features: Tensor) -> Tensor:
        """(edge, 3, D)."""
        return self.weight * (features[self.sender] - features[self.receiver]).unsqueeze(1)


def contestants(graph: MeshGraph, features: Tensor) -> dict[str, TimedCall]:
    """Each way to sum: features (F, D) -> (F, 3, D)."""
    edges = Edges(graph)
    ways = {
        "lists": lambda f: stencil_sum(f.unsqueeze(0), graph.neighbours, edges.weights, 0, edges.count)[0],
        "index_add": lambda f: f.new_zeros(edges.count, 3, f.shape[1]).index_add(0, edges.receiver, edges.messages(f)),
    }
    if importlib.util.find_spec("torch_scatter") is not None:
        import torch_scatter

        ways["segment"] = lambda f: torch_scatter.segment_sum_csr(edges.messages(f), edges.starts)
        ways["scatter"] = lambda f: torch_scatter.scatter_sum(
            edges.messages(f), edges.receiver, 0, dim_size=edges.count
        )
    expected = ways["lists"](features)
    for name, way in ways.items():
        torch.testing.assert_close(way(features), expected, msg=f"{name} computes something else")
    return ways


def passes(ways: dict[str, TimedCall], features: Tensor) -> dict[tuple[str, str], TimedCall]:
    """Every way without gradients, and with that of the features."""
    direction = torch.randn_like(next(iter(ways.values()))(features))
    leaf = features.clone().requires_grad_()
    runs: dict[tuple[str, str], TimedCall] = {}
    for name, way in ways.items():
        runs[name, "forward"] = torch.no_grad()(lambda way=way: way(features))
        runs[name, "forward+backward"] = lambda way=way: torch.autograd.grad(way(leaf), leaf, direction)
    return runs


def main() -> None:
    arguments = _arguments()
    keep_freed_memory()
    device = choose_device(arguments.device)
    graph = build_graph(triangles(arguments.cells)).to(device)
    features = torch.randn(graph.n_cells, arguments.channels, device=device)
    ways = contestants(graph, features)
    samples = compete(passes(ways, features), arguments.rounds, device)
    rows = {
        f"{name}, {stage}": {
            "milliseconds": 1e3 * spread(seconds).median,
            "over lists": spread(ratios(seconds, samples["lists", stage]))._asdict(),
        }
        for (name, stage), seconds in samples.items()
    }
    found = {"machine": describe_machine(device), "cells": graph.n_cells, "channels": arguments.channels, "rows": rows}
    print(json.dumps(found, indent=1))
    if "segment" not in ways:
        print("torch-scatter is not installed: pip install --no-build-isolation torch-scatter")
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_atomically(arguments.out / "scatter.json", lambda path: path.write_text(json.dumps(found, indent=1) + "\n"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=65536)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--out", type=Path, default=Path("bench"))
    return parser.parse_args()


if __name__ == "__main__":
    main()

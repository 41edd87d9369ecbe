"""Speed of sums over the neighbours of every cell: fixed lists with gathers, as in the operator, against scattering.

Usage: python benchmarks/scatter.py [--cells 65536] [--channels 128] [--rounds 9] [--device cpu] [--out DIR]

All contestants compute the same weighted sum (mean over the neighbours and both components of the gradient) on
triangles, forward and with the gradient of the features:

- ``lists``: :func:`~gensim_graph.nn.neighbour_sum.stencil_sum`;
- ``index_add``: PyTorch's own scatter along the edges;
- ``segment``: torch-scatter's reduction of edges that are sorted by their receiver;
- ``scatter``: torch-scatter's reduction of edges in any order.

The last two are left out if torch-scatter (the extra ``scatter``) is not installed. Results are written to
``OUT/scatter.json``.
"""

import argparse
import importlib.util

import numpy as np
import torch
from shared import build_parser, prepare_process, print_and_write

from gensim_graph.benchmark.speed import TimedCall, compete, ratios, spread
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import stencil_sum
from gensim_graph.system import describe_machine
from gensim_graph.typing import Tensor

SPACING = 12e3
"""Side of the squares in m."""


def main() -> None:
    """Time all contestants and write their cost over that of the lists."""
    options = _options()
    device = prepare_process(options)
    graph = build_graph(split_squares(options.cells)).to(device)
    features = torch.randn(graph.n_cells, options.channels, device=device)
    sums = contestants(graph, features)
    samples = compete(passes(sums, features), options.rounds, device)

    rows = {
        f"{name}, {stage}": {
            "milliseconds": 1e3 * spread(seconds).median,
            "over lists": spread(ratios(seconds, samples["lists", stage]))._asdict(),
        }
        for (name, stage), seconds in samples.items()
    }
    found = {"machine": describe_machine(device), "cells": graph.n_cells, "channels": options.channels, "rows": rows}
    print_and_write(options.out / "scatter.json", found)
    if "segment" not in sums:
        print("torch-scatter is not installed: pip install --no-build-isolation torch-scatter")


def split_squares(cells: int) -> Mesh:
    """Return a square of right-angled triangles: squares cut in two."""
    side = round((cells / 2) ** 0.5)
    x, y = np.meshgrid(np.arange(side + 1.0), np.arange(side + 1.0))
    node = np.arange((side + 1) ** 2).reshape(side + 1, side + 1)
    a, b, c, d = (part.ravel() for part in (node[:-1, :-1], node[:-1, 1:], node[1:, 1:], node[1:, :-1]))
    faces = np.concatenate([np.stack(corners, axis=1) for corners in ((a, b, c), (a, c, d))])

    return Mesh.from_faces(SPACING * np.stack([x.ravel(), y.ravel()], axis=1), faces)


class Edges:
    """The stencil of a graph as edges (receiver, sender, weights), sorted by their receiver."""

    def __init__(self, graph: MeshGraph) -> None:
        self.weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1)
        self.receiver, column = (graph.mean != 0).nonzero(as_tuple=True)
        self.sender = graph.neighbours[self.receiver, column]
        self.weight = self.weights[self.receiver, column].unsqueeze(-1)
        self.count = len(graph.neighbours)
        self.starts = torch.searchsorted(self.receiver, torch.arange(self.count + 1, device=self.receiver.device))

    def messages(self, features: Tensor) -> Tensor:
        """Weighted differences of features along the edges, (edge, 3, channel)."""
        return self.weight * (features[self.sender] - features[self.receiver]).unsqueeze(1)


def contestants(graph: MeshGraph, features: Tensor) -> dict[str, TimedCall]:
    """Return functions that sum features (face, channel) to (face, 3, channel), by name.

    Args:
        graph: graph of the mesh.
        features: (face, channel), to check that all functions give the same.
    """
    edges = Edges(graph)
    sums = {
        "lists": lambda f: stencil_sum(f.unsqueeze(0), graph.neighbours, edges.weights, 0, edges.count)[0],
        "index_add": lambda f: f.new_zeros(edges.count, 3, f.shape[1]).index_add(0, edges.receiver, edges.messages(f)),
    }
    if importlib.util.find_spec("torch_scatter") is not None:
        import torch_scatter

        sums["segment"] = lambda f: torch_scatter.segment_sum_csr(edges.messages(f), edges.starts)
        sums["scatter"] = lambda f: torch_scatter.scatter_sum(
            edges.messages(f), edges.receiver, 0, dim_size=edges.count
        )

    expected = sums["lists"](features)
    for name, function in sums.items():
        torch.testing.assert_close(function(features), expected, msg=f"{name} computes something else")

    return sums


def passes(sums: dict[str, TimedCall], features: Tensor) -> dict[tuple[str, str], TimedCall]:
    """Return every function as a call without gradients and as one with the gradient of the features.

    Args:
        sums: functions by name.
        features: (face, channel).
    """
    direction = torch.randn_like(next(iter(sums.values()))(features))
    leaf = features.clone().requires_grad_()
    runs: dict[tuple[str, str], TimedCall] = {}
    for name, function in sums.items():
        runs[name, "forward"] = torch.no_grad()(lambda function=function: function(features))
        runs[name, "forward+backward"] = lambda function=function: torch.autograd.grad(function(leaf), leaf, direction)

    return runs


def _options() -> argparse.Namespace:
    parser = build_parser(__doc__, out="bench", device=True)
    parser.add_argument("--cells", type=int, default=65536, help="number of triangles, about")
    parser.add_argument("--channels", type=int, default=128, help="channels of each cell")
    parser.add_argument("--rounds", type=int, default=9, help="samples of each contestant")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Embedding of flow time and spacing, and the modulation of features by it.

Flow time belongs to a graph, spacing to a cell: the first goes through a network once a graph, the second enters
linearly as the logarithm of the length unit, so that it costs next to nothing and extrapolates to other resolutions.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from gensim_graph.nn.spin import Spins
from gensim_graph.typing import Float, Int, Tensor

REFERENCE_LENGTH = 16e3
"""Length (m) at which the logarithm of the length unit is zero."""


class FlowTimeEmbedding(nn.Module):
    """Fourier features of the flow time through a small network."""

    frequency: Tensor

    def __init__(self, width: int, frequencies: int = 16) -> None:
        super().__init__()
        self.register_buffer("frequency", math.pi * 2.0 ** torch.linspace(-1, 5, frequencies), persistent=False)
        self.network = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, flow_time: Float[Tensor, "batch graph"]) -> Float[Tensor, "batch graph embedding"]:
        """Flow time in [0, 1] -> embedding."""
        phase = flow_time.unsqueeze(-1) * self.frequency
        return self.network(torch.cat((phase.sin(), phase.cos()), dim=-1))


def log_length(length: Float[Tensor, " item"]) -> Float[Tensor, " item"]:
    """Logarithm of a length in metres over the reference length."""
    return torch.log(length / REFERENCE_LENGTH)


class Modulation(nn.Module):
    """Scales of the channels as a function of the embedding; starts at ``start``.

    Args:
        embedding: width of the embedding.
        spins: channels to scale; vectors and tensors are scaled, never turned.
        parts: how many sets of scales to make.
        start: value of the scales at initialisation.
    """

    def __init__(self, embedding: int, spins: Spins, parts: int, start: tuple[float, ...]) -> None:
        super().__init__()
        self.spins, self.parts = spins, parts
        self.from_time = nn.Linear(embedding, parts * spins.channels)
        self.from_length = nn.Parameter(torch.zeros(parts * spins.channels))
        nn.init.zeros_(self.from_time.weight)
        with torch.no_grad():
            self.from_time.bias.copy_(torch.tensor(start).repeat_interleave(spins.channels))

    def forward(
        self,
        embedding: Float[Tensor, "batch graph embedding"],
        length: Float[Tensor, " item"],
        graph_of_item: Int[Tensor, " item"],
    ) -> "Scales":
        """Scales of items (cells or tokens) of a length unit in metres."""
        return Scales(
            [self.spins.spread(part) for part in self.from_time(embedding).chunk(self.parts, dim=-1)],
            [self.spins.spread(part) for part in self.from_length.chunk(self.parts)],
            log_length(length),
            graph_of_item,
        )


class Scales(NamedTuple):
    """Scales of all items in as many sets as there are parts; those of some items are made when they are wanted.

    Attributes:
        of_time: (B, G, D) for each part.
        of_length: (D,) for each part, to be multiplied with the logarithm of the length.
        log_length: (N,).
        graph: (N,) graph of each item.
    """

    of_time: list[Tensor]
    of_length: list[Tensor]
    log_length: Tensor
    graph: Tensor

    def __call__(self, part: int, items: slice) -> Float[Tensor, "batch item channel"]:
        """Scales of a range of items."""
        of_time = self.of_time[part]
        if of_time.shape[1] > 1:
            of_time = of_time.index_select(1, self.graph[items])
        return torch.addcmul(of_time, self.log_length[items].unsqueeze(-1), self.of_length[part])

"""Embedding of the flow time, and modulation of the features by flow time and length unit.

All cells of a graph have the same flow time, but each cell has its own length unit. The flow time therefore passes
through a network once for each graph. The logarithm of the length unit enters linearly, which costs very little and
extrapolates to other resolutions.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from gensim_graph.nn.spin import Spins
from gensim_graph.typing import Float, Int, Tensor

REFERENCE_LENGTH = 16e3
"""Reference length (m): the logarithm of a length unit of this size is zero."""


class FlowTimeEmbedding(nn.Module):
    """Fourier features of the flow time, passed through a small network.

    Args:
        width: width of the embedding.
        frequencies: number of frequencies, from pi / 2 to 32 pi in geometric progression.
    """

    frequency: Tensor

    def __init__(self, width: int, frequencies: int = 16) -> None:
        super().__init__()
        self.register_buffer("frequency", math.pi * 2.0 ** torch.linspace(-1, 5, frequencies), persistent=False)
        self.network = nn.Sequential(nn.Linear(2 * frequencies, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU())

    def forward(self, flow_time: Float[Tensor, "batch graph"]) -> Float[Tensor, "batch graph embedding"]:
        """Embed flow times in [0, 1]."""
        phase = flow_time.unsqueeze(-1) * self.frequency
        return self.network(torch.cat((phase.sin(), phase.cos()), dim=-1))


def log_length(length: Float[Tensor, " item"]) -> Float[Tensor, " item"]:
    """Logarithm of a length (m) divided by the reference length."""
    return torch.log(length / REFERENCE_LENGTH)


class Modulation(nn.Module):
    """Scales of the channels as a function of flow time and length unit.

    Args:
        embedding: width of the flow-time embedding.
        spins: channels to scale; vectors and tensors are scaled, never turned.
        parts: number of sets of scales.
        start: initial value of the scales of each set.
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
        """Compute the scales of items (cells or tokens).

        Args:
            embedding: (B, G, embedding) of the flow times.
            length: (N,) m, length unit of each item.
            graph_of_item: (N,) number of the graph that each item belongs to.
        """
        return Scales(
            [self.spins.spread(part) for part in self.from_time(embedding).chunk(self.parts, dim=-1)],
            [self.spins.spread(part) for part in self.from_length.chunk(self.parts)],
            log_length(length),
            graph_of_item,
        )


class Scales(NamedTuple):
    """Scales of all items, in factored form: the scales of a slice of items are computed when they are called for.

    Attributes:
        of_time: (B, G, D) for each set: the part that depends on flow time.
        of_length: (D,) for each set: coefficients of the logarithm of the length unit.
        log_length: (N,) logarithm of the length unit of each item.
        graph: (N,) number of the graph that each item belongs to.
    """

    of_time: list[Tensor]
    of_length: list[Tensor]
    log_length: Tensor
    graph: Tensor

    def __call__(self, part: int, items: slice) -> Float[Tensor, "batch item channel"]:
        """Compute the scales of a slice of items.

        Args:
            part: number of the set.
            items: slice of the N items.
        """
        of_time = self.of_time[part]
        if of_time.shape[1] > 1:
            of_time = of_time.index_select(1, self.graph[items])
        return torch.addcmul(of_time, self.log_length[items].unsqueeze(-1), self.of_length[part])

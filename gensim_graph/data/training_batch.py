"""One training sample, several samples joined into a batch (one graph without edges between them), and padding."""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

from gensim_graph.graph import GraphSizes, MeshGraph, batch_graphs, pad_graph
from gensim_graph.typing import Bool, Float, Tensor


class TrainingBatch(NamedTuple):
    """One training sample, or a disjoint union of several; F counts the cells of all samples.

    A single sample has no batch dimension. :func:`collate` adds one of length 1 in front, and ``flow_time`` becomes
    (1, samples).

    Attributes:
        graph: graph of the cells.
        noised: (F, state) normalised residual mixed with noise: the point z of the flow at ``flow_time``.
        conditions: (F, condition) normalised conditions of the network.
        velocity: (F, state) target: velocity of the flow at z.
        at_lower: (F, state) True where the next state is at its lower bound.
        at_upper: (F, state) True where it is at its upper bound.
        weight: (F, state) weight of each value in the loss, 0 or 1.
        flow_time: () flow time in [0, 1].
    """

    graph: MeshGraph
    noised: Float[Tensor, "*one face state"]
    conditions: Float[Tensor, "*one face condition"]
    velocity: Float[Tensor, "*one face state"]
    at_lower: Bool[Tensor, "*one face state"]
    at_upper: Bool[Tensor, "*one face state"]
    weight: Float[Tensor, "*one face state"]
    flow_time: Float[Tensor, "*samples"]

    def to(self, device: torch.device, non_blocking: bool = False) -> "TrainingBatch":
        """Copy a batch to a device.

        Args:
            device: that computes.
            non_blocking: do not wait for the copies.
        """
        return TrainingBatch._make(part.to(device, non_blocking=non_blocking) for part in self)


def collate(samples: list[TrainingBatch]) -> TrainingBatch:
    """Join single samples into a batch."""
    columns = list(zip(*samples, strict=True))
    graph = batch_graphs(list(columns[0]))
    fields = [torch.cat(column).unsqueeze(0) for column in columns[1:-1]]
    flow_time = torch.stack(columns[-1]).unsqueeze(0)

    return TrainingBatch._make([graph, *fields, flow_time])


def pad_batch(batch: TrainingBatch, sizes: GraphSizes) -> TrainingBatch:
    """Return a batch with padding up to given sizes: cells at the end, with weight 0 and zeros in all fields.

    Args:
        batch: made by :func:`collate`.
        sizes: with room for the graph of the batch, see :func:`~gensim_graph.graph.pad_graph`.

    Raises:
        ValueError: the batch does not fit into the sizes.
    """
    more = sizes.cells - batch.graph.n_cells
    graph = pad_graph(batch.graph, sizes)
    fields = [pad(field, (0, 0, 0, more)) for field in batch[1:-1]]

    return TrainingBatch._make([graph, *fields, batch.flow_time])

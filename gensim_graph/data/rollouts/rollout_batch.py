"""One sample of several steps in a row, and several samples joined into a batch."""

from typing import NamedTuple

import torch
from torch.nn.functional import pad

from gensim_graph.graph import GraphSizes, MeshGraph, batch_graphs, pad_graph
from gensim_graph.transport import StateTransport
from gensim_graph.typing import Bool, Float, Tensor


class RolloutPart(NamedTuple):
    """One sample within a batch.

    Attributes:
        number: of the sample in the run; its noise follows from it.
        cells: number of its cells.
        absent: names of variables that other training data have and these lack.
        transport: of the state on its cells; None for a model that has learned it.
        chain: number of its chain among those that take turns.
        continues: True if its first state is that in which the members of the last batch of the chain ended.
    """

    number: int
    cells: int
    absent: tuple[str, ...]
    transport: StateTransport | None
    chain: int = 0
    continues: bool = False

    def to(self, device: torch.device) -> "RolloutPart":
        """Copy the tables of the transport to a device.

        Args:
            device: that computes.
        """
        return self._replace(transport=self.transport and self.transport.to(device))


class RolloutBatch(NamedTuple):
    """One sample of L steps, or the disjoint union of several; F counts the cells of all samples.

    The fields are in the units of the variable table. Cells of the padding come last and belong to no part.

    Attributes:
        graph: graph of the cells.
        state: (L + 1, F, state) true states.
        forcing: (L + 1, F, forcing).
        slow: (L, F, slow).
        weight: (L, F, state) weight of each value in the loss: 1 in the core, 0 elsewhere and after the end of data.
        is_held: (F,) True for cells near the rim of the sample that take the true state after each step: what lies
            outside is not known there.
        parts: the samples, in the order of their cells.
    """

    graph: MeshGraph
    state: Float[Tensor, "time face state"]
    forcing: Float[Tensor, "time face forcing"]
    slow: Float[Tensor, "step face slow"]
    weight: Float[Tensor, "step face state"]
    is_held: Bool[Tensor, " face"]
    parts: tuple[RolloutPart, ...]

    @property
    def steps(self) -> int:
        """Number of steps L."""
        return len(self.slow)

    def to(self, device: torch.device, non_blocking: bool = False) -> "RolloutBatch":
        """Copy a batch to a device.

        Args:
            device: that computes.
            non_blocking: do not wait for the copies.
        """
        tensors = [one.to(device, non_blocking=non_blocking) for one in self[:-1]]
        return RolloutBatch._make([*tensors, tuple(part.to(device) for part in self.parts)])


def collate_rollouts(samples: list[RolloutBatch]) -> RolloutBatch:
    """Join single samples of equal length into a batch."""
    *fields, parts = zip(*samples, strict=True)
    joined = [torch.cat(field, dim=0 if field[0].ndim == 1 else 1) for field in fields[1:]]
    every = tuple(part for some in parts for part in some)
    return RolloutBatch._make([batch_graphs(list(fields[0])), *joined, every])


def pad_rollout(batch: RolloutBatch, sizes: GraphSizes) -> RolloutBatch:
    """Return a batch with padding up to given sizes: cells at the end, with weight 0 and zeros in all fields.

    Args:
        batch: made by :func:`collate_rollouts`.
        sizes: with room for the graph of the batch.
    """
    more = sizes.cells - batch.graph.n_cells
    fields = [pad(field, (0, 0, 0, more)) for field in batch[1:5]]
    held = pad(batch.is_held, (0, more))
    return RolloutBatch._make([pad_graph(batch.graph, sizes), *fields, held, batch.parts])

"""A batch that is drawn and not yet read: graph, rows of the records, and everything random."""

from itertools import accumulate
from typing import NamedTuple

import torch
from torch.nn.functional import pad

from gensim_graph.graph import GraphSizes, MeshGraph, batch_graphs, pad_graph
from gensim_graph.typing import Bool, Float, Int, Tensor


class DrawnBatch(NamedTuple):
    """One drawn sample, or a disjoint union of several; F counts the cells of all samples, without padding.

    A single sample has ``later``, ``kind``, ``turn`` and ``flow_time`` without their first dimension.

    Attributes:
        graph: graph of the cells, turned already; it may have padding behind them.
        rows: (F,) row of the records at time t of each cell; of a coarse cell, that of its first face.
        coarse: (C,) numbers of the cells that are means over several faces.
        faces: (C, m) rows of their faces at time t; padded with rows of weight 0.
        shares: (C, m) weight of each face in the mean, in double precision.
        core: (F,) True for cells that contribute to the loss.
        noise: (F, state) standard normal noise; no columns for the deterministic twin.
        later: (S,) rows from t to t + lead.
        kind: (S,) number of the set of variables that the data of the sample have.
        turn: (S, 3) cosine and sine of the angle by which the frame is turned, and -1 if it is reflected before.
        flow_time: (S,) flow time in [0, 1].
    """

    graph: MeshGraph
    rows: Int[Tensor, " cell"]
    coarse: Int[Tensor, " coarse"]
    faces: Int[Tensor, "coarse face"]
    shares: Float[Tensor, "coarse face"]
    core: Bool[Tensor, " cell"]
    noise: Float[Tensor, "cell noise"]
    later: Int[Tensor, "*samples"]
    kind: Int[Tensor, "*samples"]
    turn: Float[Tensor, "*samples 3"]
    flow_time: Float[Tensor, "*samples"]

    def to(self, device: torch.device) -> "DrawnBatch":
        """Return the batch on a device; the processor does not wait for copies to a GPU.

        Args:
            device: the device.
        """
        return DrawnBatch._make(part.to(device, non_blocking=device.type != "cpu") for part in self)

    def padded(self, sizes: GraphSizes) -> "DrawnBatch":
        """Return the batch with padding of its graph up to given sizes.

        Args:
            sizes: with room for the graph, see :func:`~gensim_graph.graph.pad_graph`.
        """
        return self._replace(graph=pad_graph(self.graph, sizes))


def collate_drawn(samples: list[DrawnBatch]) -> DrawnBatch:
    """Join single drawn samples into a batch.

    Args:
        samples: of any meshes and coarsening levels.
    """
    graph = batch_graphs([sample.graph for sample in samples])
    first_cells = accumulate((len(sample.rows) for sample in samples[:-1]), initial=0)
    widest = max(sample.faces.shape[1] for sample in samples)

    def widened(values: Tensor) -> Tensor:
        return pad(values, (0, widest - values.shape[1]))

    return DrawnBatch(
        graph,
        torch.cat([sample.rows for sample in samples]),
        torch.cat([sample.coarse + first for sample, first in zip(samples, first_cells, strict=True)]),
        torch.cat([widened(sample.faces) for sample in samples]),
        torch.cat([widened(sample.shares) for sample in samples]),
        torch.cat([sample.core for sample in samples]),
        torch.cat([sample.noise for sample in samples]),
        torch.stack([sample.later for sample in samples]),
        torch.stack([sample.kind for sample in samples]),
        torch.stack([sample.turn for sample in samples]),
        torch.stack([sample.flow_time for sample in samples]),
    )

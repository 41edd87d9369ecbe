"""Graph-kernel layers: what a cell learns from the cells that it touches.

A graph neural operator (Li et al. 2020) with three kernels, consistent with the operators that they discretise:
the area-weighted mean over the neighbours, and the length unit times the gradient, which raises the spin by one
(eth f = h (d/dx + i d/dy) f) or lowers it (eth-bar, with -i). So a scalar gives its gradient, a vector its
divergence and curl (spin 0) and its shear (spin 2), exactly for linear fields on any mesh.
"""

import torch
from torch import nn

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import Modulation, Scales
from gensim_graph.nn.neighbour_sum import stencil_sum
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins, rms_normalise
from gensim_graph.typing import Float, Tensor


def neighbourhood(
    features: Float[Tensor, "batch face channel"], graph: MeshGraph, cells: slice | None = None
) -> Float[Tensor, "batch some 3 channel"]:
    """Mean over the neighbours minus the value, and h times the gradient along x and y, of a range of the cells.

    It has a derivative for all cells only, which None stands for.
    """
    weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1)
    cells = cells or slice(0, features.shape[1])
    return stencil_sum(features.contiguous(), graph.neighbours, weights, cells.start, cells.stop)


class GraphKernel(nn.Module):
    """Residual layer on the cells: normalise, look at the neighbourhood, combine in a gated network.

    Args:
        spins: channels in and out.
        embedding: width of the flow-time embedding.
    """

    def __init__(self, spins: Spins, embedding: int) -> None:
        super().__init__()
        self.spins = spins
        n, m, k = spins
        self.norm = SpinNorm(spins)
        self.modulation = Modulation(embedding, spins, 1, (1.0,))
        seen = Spins(2 * n + 2 * m, 2 * m + n + k, 2 * k + m)
        self.mlp = SpinMLP(seen, spins, 2 * n, 2 * m, gain=0.3)

    def forward(
        self,
        features: Float[Tensor, "batch face channel"],
        embedding: Float[Tensor, "batch graph embedding"],
        graph: MeshGraph,
    ) -> Float[Tensor, "batch face channel"]:
        """Same shape."""
        scales = self.modulation(embedding, graph.length, face_graph(graph))
        up, down = self.mlp.up.assemble(), self.mlp.down.assemble()

        def normalise(cells: slice, shared: tuple[Scales, Tensor], x: Tensor) -> tuple[Tensor]:
            scales, norm = shared
            return (rms_normalise(x, norm) * scales(0, cells),)

        def look(cells: slice, _: None, normed: Tensor, around: Tensor) -> tuple[Tensor, ...]:
            return up.spins.split(self._look_around(normed, around))

        def gate(cells: slice, _: None, hidden: Tensor) -> tuple[Tensor, ...]:
            return self.mlp.gate(hidden)

        (normed,) = in_chunks(normalise, (scales, self.norm.spread), features)

        if torch.is_grad_enabled():
            (hidden,) = in_chunks(look, None, normed, neighbourhood(normed, graph), matrices=up.matrices)
            return features + in_chunks(gate, None, hidden, matrices=down.matrices)[0]

        def combine(cells: slice, _: None, x: Tensor, some: Tensor) -> tuple[Tensor]:
            hidden = up.of_parts(*look(cells, None, some, neighbourhood(normed, graph, cells)))
            return (x + down.of_parts(*gate(cells, None, hidden)),)

        return in_chunks(combine, None, features, normed)[0]

    def _look_around(self, features: Tensor, around: Tensor) -> Tensor:
        mean, dx, dy = around.unbind(2)
        scalar, vector, tensor = self.spins.split(features)
        mean0, mean1, mean2 = self.spins.split(mean)
        scalar_x, vector_x, tensor_x = self.spins.split(dx)
        scalar_y, vector_y, tensor_y = self.spins.split(dy)
        (ur_x, ui_x), (ur_y, ui_y) = vector_x.chunk(2, -1), vector_y.chunk(2, -1)
        (tr_x, ti_x), (tr_y, ti_y) = tensor_x.chunk(2, -1), tensor_y.chunk(2, -1)
        (vr, vi), (mr, mi) = vector.chunk(2, -1), mean1.chunk(2, -1)
        (wr, wi), (nr, ni) = tensor.chunk(2, -1), mean2.chunk(2, -1)

        seen = (
            *(scalar, mean0, ur_x + ui_y, ui_x - ur_y),
            *(vr, mr, scalar_x, tr_x + ti_y, vi, mi, scalar_y, ti_x - tr_y),
            *(wr, nr, ur_x - ui_y, wi, ni, ui_x + ur_y),
        )
        return torch.cat(seen, dim=-1)


def face_graph(graph: MeshGraph) -> Tensor:
    """(F,) graph of a batch that each cell belongs to."""
    batch: Tensor | None = graph.batch
    return torch.zeros_like(graph.slot) if batch is None else batch

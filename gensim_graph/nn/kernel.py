"""Graph-kernel layers: what a cell learns from the cells that it touches.

A graph neural operator (Li et al. 2020) with three kernels, consistent with the operators that they discretise:
the area-weighted mean over the neighbours, and the length unit times the gradient, which raises the spin by one
(eth f = h (d/dx + i d/dy) f) or lowers it (eth-bar, with -i). So a scalar gives its gradient, a vector its
divergence and curl (spin 0) and its shear (spin 2), exactly for linear fields on any mesh.
"""

import torch
from torch import nn

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.embedding import Modulation, log_length
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


def neighbourhood(features: Float[Tensor, "batch face channel"], graph: MeshGraph) -> tuple[Tensor, Tensor, Tensor]:
    """Mean over the neighbours minus the value, and h times the gradient along x and y, each (B, F, D)."""
    weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1).to(features.dtype)
    total = [torch.zeros_like(features) for _ in range(3)]
    for column in range(graph.neighbours.shape[1]):
        difference = features.index_select(1, graph.neighbours[:, column]) - features
        total = [part + difference * weights[:, column, i, None] for i, part in enumerate(total)]
    return total[0], total[1], total[2]


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
        (scale,) = self.modulation(embedding, log_length(graph.length), face_graph(graph))
        normed = self.norm(features) * scale
        return features + self.mlp(self._look_around(normed, graph))

    def _look_around(self, features: Tensor, graph: MeshGraph) -> Tensor:
        mean, dx, dy = neighbourhood(features, graph)
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

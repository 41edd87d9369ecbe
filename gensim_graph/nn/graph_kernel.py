"""Graph-kernel layers on the cells: each cell learns from the cells that share an edge with it.

This is a graph neural operator (Li et al. 2020) with three kernels, each consistent with the continuous operator that
it discretises: the area-weighted mean over the neighbours, and the length unit L times the gradient, which raises the
spin by one, L (d/dx + i d/dy) f, or lowers it, L (d/dx - i d/dy) f. A scalar thus yields its gradient, and a vector its
divergence and curl (spin 0) and its shear (spin 2), exactly for linear fields on any mesh.
"""

import torch
from torch import nn

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import Modulation, Scales
from gensim_graph.nn.gate import SpinParts
from gensim_graph.nn.neighbour_sum import PlainStencilSum, stencil_sum
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins, rms_normalise
from gensim_graph.typing import Float, Tensor


def neighbourhood(
    features: Float[Tensor, "batch face channel"], graph: MeshGraph, cells: slice | None = None
) -> Float[Tensor, "batch some 3 channel"]:
    """Compute the mean over the neighbours minus the value, and the length unit times the gradient along x and y.

    Gradients for the training are available only if all cells are computed (``cells=None``).

    Args:
        features: (B, F, D) of all cells.
        graph: graph of the cells.
        cells: slice of the cells to compute; None computes all of them.
    """
    weights = torch.cat((graph.mean.unsqueeze(-1), graph.gradient), dim=-1)
    if torch.compiler.is_compiling():  # the compiler takes all cells at once
        return PlainStencilSum.apply(features, graph.neighbours, weights)

    cells = cells or slice(0, features.shape[1])
    return stencil_sum(features.contiguous(), graph.neighbours, weights, cells.start, cells.stop)


class GraphKernel(nn.Module):
    """Residual layer on the cells: normalise, collect the neighbourhood, combine everything in a gated network.

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
        collected = Spins(2 * n + 2 * m, 2 * m + n + k, 2 * k + m)
        self.mlp = SpinMLP(collected, spins, 2 * n, 2 * m, gain=0.3)

    def forward(
        self,
        features: Float[Tensor, "batch face channel"],
        embedding: Float[Tensor, "batch graph embedding"],
        graph: MeshGraph,
    ) -> Float[Tensor, "batch face channel"]:
        """Apply the layer.

        Args:
            features: (B, F, D) of the cells.
            embedding: (B, G, embedding) of the flow times.
            graph: graph of the cells.
        """
        scales = self.modulation(embedding, graph.length, face_graph(graph))
        up, down = self.mlp.up.assemble(), self.mlp.down.assemble()

        def normalise(cells: slice, shared: tuple[Scales, Tensor], x: Tensor) -> tuple[Tensor]:
            scales, norm = shared
            return (rms_normalise(x, norm) * scales(0, cells),)

        def collect(cells: slice, _: None, normed: Tensor, around: Tensor) -> SpinParts:
            return up.spins.split_for_products(self._collect(normed, around))

        def gate(cells: slice, _: None, hidden: Tensor) -> SpinParts:
            return self.mlp.gate(hidden)

        (normed,) = in_chunks(normalise, (scales, self.norm.spread), features)

        if torch.is_grad_enabled():
            (hidden,) = in_chunks(collect, None, normed, neighbourhood(normed, graph), matrices=up.matrices)
            return features + in_chunks(gate, None, hidden, matrices=down.matrices)[0]

        # Without gradients the whole layer is applied chunk by chunk.
        def combine(cells: slice, _: None, x: Tensor, own: Tensor) -> tuple[Tensor]:
            hidden = up.of_parts(*collect(cells, None, own, neighbourhood(normed, graph, cells)))
            return (x + down.of_parts(*gate(cells, None, hidden)),)

        return in_chunks(combine, None, features, normed)[0]

    def _collect(self, features: Tensor, around: Tensor) -> Tensor:
        """Join values, means and derivatives (``x``, ``y``: along an axis) in the spin layout."""
        mean, dx, dy = around.unbind(2)
        scalar, vector, tensor = self.spins.split(features)
        mean_scalar, mean_vector, mean_tensor = self.spins.split(mean)
        scalar_x, vector_x, tensor_x = self.spins.split(dx)
        scalar_y, vector_y, tensor_y = self.spins.split(dy)

        (u_x, v_x), (u_y, v_y) = vector_x.chunk(2, -1), vector_y.chunk(2, -1)
        (re_x, im_x), (re_y, im_y) = tensor_x.chunk(2, -1), tensor_y.chunk(2, -1)
        (u, v), (mean_u, mean_v) = vector.chunk(2, -1), mean_vector.chunk(2, -1)
        (re, im), (mean_re, mean_im) = tensor.chunk(2, -1), mean_tensor.chunk(2, -1)

        collected = (
            *(scalar, mean_scalar, u_x + v_y, v_x - u_y),  # divergence and curl of vectors
            *(u, mean_u, scalar_x, re_x + im_y),  # gradient of scalars, divergence of tensors: real part
            *(v, mean_v, scalar_y, im_x - re_y),  # the same, imaginary part
            *(re, mean_re, u_x - v_y),  # shear of vectors: real part
            *(im, mean_im, v_x + u_y),  # the same, imaginary part
        )
        return torch.cat(collected, dim=-1)


def face_graph(graph: MeshGraph) -> Tensor:
    """(F,) number of the graph that each cell belongs to, in a batch."""
    batch: Tensor | None = graph.batch
    return torch.zeros_like(graph.slot) if batch is None else batch

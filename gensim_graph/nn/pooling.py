"""Moment pooling: from cells to tokens and back.

A token of four cells keeps the moments ``u_p = sum_j w_j d_j^p f_j`` of its cells for p = -2..2. Here d is the position
of a cell relative to the token, as a complex number in token lengths, and w the share of the cell in the area of the
token; the factor d^p raises the spin by p. On a 2x2 patch of a grid, 1, d and d^2 span every possible patch embedding.
On any mesh the result does not depend on the order of the cells. The way back uses the same moments.

Pooling is the only step of the operator that depends on the grouping of cells into tokens.
"""

import torch
from torch import nn

from gensim_graph.graph import TOKEN_CELLS, MeshGraph
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.gate import Complex, SpinParts, times, times_conjugate
from gensim_graph.nn.spin import SpinLinear, Spins
from gensim_graph.typing import Float, Tensor


def _lift(spins: Spins, features: Tensor, offset: Tensor) -> Tensor:
    """Multiply features by d^p for every p that keeps the spin within 0..2.

    Args:
        spins: channels of the features.
        features: (..., D).
        offset: (..., 2) position relative to the token in token lengths. It is below one half; twice the offset is
            used for d, so that all moments are of similar size.
    """
    d: Complex = (2 * offset[..., :1], 2 * offset[..., 1:])
    d_square = times(d, d)
    scalar, vector_parts, tensor_parts = spins.split(features)
    vector, tensor = _complex(vector_parts), _complex(tensor_parts)

    scalars = (scalar, *times_conjugate(vector, d), *times_conjugate(tensor, d_square))
    vectors = (vector, times(_real(scalar), d), times_conjugate(tensor, d))
    tensors = (tensor, times(_real(scalar), d_square), times(vector, d))

    parts = (
        *scalars,
        *(real for real, _ in vectors),
        *(imaginary for _, imaginary in vectors),
        *(real for real, _ in tensors),
        *(imaginary for _, imaginary in tensors),
    )
    return torch.cat(parts, dim=-1)


def _lifted_spins(spins: Spins) -> Spins:
    """Channels after the multiplication by d^p."""
    n, m, k = spins
    return Spins(n + 2 * m + 2 * k, m + n + k, k + n + m)


def _complex(features: Tensor) -> Complex:
    real, imaginary = features.chunk(2, -1)
    return real, imaginary


def _real(scalar: Tensor) -> Complex:
    return scalar, torch.zeros_like(scalar)


class MomentPool(nn.Module):
    """From features of the cells (B, F, D_cell) to features of the tokens (B, T, D_token).

    Args:
        cell: channels of the cells.
        token: channels of the tokens.
    """

    def __init__(self, cell: Spins, token: Spins) -> None:
        super().__init__()
        self.cell = cell
        self.project = SpinLinear(_lifted_spins(cell), token)

    def forward(
        self, features: Float[Tensor, "batch face channel"], graph: MeshGraph
    ) -> Float[Tensor, "batch token out"]:
        """Compute the moments of the cells of each token and mix them linearly; padded tokens hold only the bias.

        Args:
            features: (B, F, D_cell).
            graph: graph of the cells.
        """
        project = self.project.assemble()
        weight = graph.slot_weight.reshape(-1, TOKEN_CELLS, 1).to(features.dtype)
        offset = graph.slot_offset.reshape(-1, TOKEN_CELLS, 2).to(features.dtype)

        def moments(tokens: slice, _: None, slots: Tensor) -> SpinParts:
            lifted = _lift(self.cell, slots, offset[tokens])
            return project.spins.split_for_products((lifted * weight[tokens]).sum(dim=2))

        cell_of_slot = torch.zeros_like(graph.slot_weight, dtype=torch.long)
        cell_of_slot[graph.slot] = torch.arange(len(graph.slot), device=graph.slot.device)
        slots = features.index_select(1, cell_of_slot).unflatten(1, (-1, TOKEN_CELLS))

        return in_chunks(moments, None, slots, matrices=project.matrices)[0]


class MomentUnpool(nn.Module):
    """From features of the tokens (B, T, D_token) to features of the cells (B, F, D_cell).

    Each cell receives the value, slope and curvature of its token, evaluated at its centre.

    Args:
        token: channels of the tokens.
        cell: channels of the cells.
    """

    def __init__(self, token: Spins, cell: Spins) -> None:
        super().__init__()
        self.hidden = cell
        self.project = SpinLinear(token, cell)
        self.combine = SpinLinear(_lifted_spins(cell), cell)

    def forward(
        self, features: Float[Tensor, "batch token channel"], graph: MeshGraph
    ) -> Float[Tensor, "batch face out"]:
        """Evaluate the moments of each token at its cells.

        Args:
            features: (B, T, D_token).
            graph: graph of the cells.
        """
        combine = self.combine.assemble()
        offset = graph.slot_offset[graph.slot].to(features.dtype)

        def evaluate(cells: slice, _: None, values: Tensor) -> SpinParts:
            return combine.spins.split_for_products(_lift(self.hidden, values, offset[cells]))

        at_cells = self.project(features).index_select(1, graph.slot // TOKEN_CELLS)

        return in_chunks(evaluate, None, at_cells, matrices=combine.matrices)[0]

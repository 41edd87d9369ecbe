"""From cells to tokens and back, by moments.

A token of four cells keeps the moments ``u_p = sum_j w_j d_j^p f_j`` of its cells, with d the position as a complex
number over the token length, w the share of the area and p = -2..2; multiplying by d^p raises the spin by p. On a
2x2 patch of a grid 1, d and d^2 span every patch embedding; on any mesh the result does not depend on the order of
the cells. The way back uses the same moments. Pooling is the one step that depends on how cells are grouped.
"""

import torch
from torch import nn

from gensim_graph.graph import TOKEN_CELLS, MeshGraph
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.spin import Complex, SpinLinear, Spins, times, times_conjugate
from gensim_graph.typing import Float, Tensor


def _complex(features: Tensor) -> Complex:
    real, imaginary = features.chunk(2, -1)
    return real, imaginary


def _real(scalar: Tensor) -> Complex:
    return scalar, torch.zeros_like(scalar)


def _lifted(spins: Spins, features: Tensor, offset: Complex, square: Complex) -> tuple[Spins, Tensor]:
    """Features times d^p for every p that keeps the spin within 0..2."""
    scalar, vector, tensor = spins.split(features)
    v, w = _complex(vector), _complex(tensor)
    v_down, w_down = times_conjugate(v, offset), times_conjugate(w, square)
    vectors = (v, times(_real(scalar), offset), times_conjugate(w, offset))
    tensors = (w, times(_real(scalar), square), times(v, offset))

    parts = (
        *(scalar, *v_down, *w_down),
        *(part[0] for part in vectors),
        *(part[1] for part in vectors),
        *(part[0] for part in tensors),
        *(part[1] for part in tensors),
    )
    return lifted_spins(spins), torch.cat(parts, dim=-1)


def lifted_spins(spins: Spins) -> Spins:
    """Channels after multiplication with the moments."""
    n, m, k = spins
    return Spins(n + 2 * m + 2 * k, m + n + k, k + n + m)


def _lift(spins: Spins, features: Tensor, offset: Tensor) -> Tensor:
    """Lifted features; offsets (n, 2) in token lengths are below one half: doubled, all moments have the same size."""
    d = (2 * offset[..., :1], 2 * offset[..., 1:])
    return _lifted(spins, features, d, times(d, d))[1]


class MomentPool(nn.Module):
    """Cells (B, F, D_cell) -> tokens (B, T, D)."""

    def __init__(self, cell: Spins, token: Spins) -> None:
        super().__init__()
        self.cell = cell
        self.project = SpinLinear(lifted_spins(cell), token)

    def forward(
        self, features: Float[Tensor, "batch face channel"], graph: MeshGraph
    ) -> Float[Tensor, "batch token out"]:
        """Moments of the cells of each token, mixed linearly; zero for padding (but for the bias)."""
        project = self.project.assemble()
        weight = graph.slot_weight.reshape(-1, TOKEN_CELLS, 1).to(features.dtype)
        offset = graph.slot_offset.reshape(-1, TOKEN_CELLS, 2).to(features.dtype)

        def moments(tokens: slice, _: None, slots: Tensor) -> tuple[Tensor, ...]:
            lifted = _lift(self.cell, slots, offset[tokens])
            return project.spins.split((lifted * weight[tokens]).sum(dim=2))

        cell_of_slot = torch.zeros_like(graph.slot_weight, dtype=torch.long)
        cell_of_slot[graph.slot] = torch.arange(len(graph.slot), device=graph.slot.device)
        slots = features.index_select(1, cell_of_slot).unflatten(1, (-1, TOKEN_CELLS))

        return in_chunks(moments, None, slots, matrices=project.matrices)[0]


class MomentUnpool(nn.Module):
    """Tokens (B, T, D) -> cells (B, F, D_cell): the value, slope and curvature of the token at each cell."""

    def __init__(self, token: Spins, cell: Spins) -> None:
        super().__init__()
        self.hidden = cell
        self.project = SpinLinear(token, cell)
        self.combine = SpinLinear(lifted_spins(cell), cell)

    def forward(
        self, features: Float[Tensor, "batch token channel"], graph: MeshGraph
    ) -> Float[Tensor, "batch face out"]:
        """Evaluate each token's moments at its cells."""
        combine, offset = self.combine.assemble(), graph.slot_offset[graph.slot].to(features.dtype)

        def evaluate(cells: slice, _: None, values: Tensor) -> tuple[Tensor, ...]:
            return combine.spins.split(_lift(self.hidden, values, offset[cells]))

        at_cells = self.project(features).index_select(1, graph.slot // TOKEN_CELLS)

        return in_chunks(evaluate, None, at_cells, matrices=combine.matrices)[0]

"""Sums over the neighbours of each cell with fixed weights: an operator of PyTorch with its own derivative.

``out[i, a] = sum_c w[i, c, a] (f[n(i, c)] - f[i])`` for the mean and the two components of the gradient. Neighbours
are mutual, so the derivative is again a gather over the same lists, with the weights of the way back, and nothing is
ever scattered.
"""

import torch

from gensim_graph.typing import Float, Int, Tensor

_CHUNK_ELEMENTS = 2**19
"""Gathered numbers at a time: what stays in the cache of a processor."""

_GPU_CHUNK_ELEMENTS = 2**28


@torch.library.custom_op("gensim_graph::stencil_sum", mutates_args=())
def stencil_sum(features: Tensor, neighbours: Tensor, weights: Tensor, first: int, last: int) -> Tensor:
    """Sum over the neighbours of the cells ``first`` to ``last``.

    Args:
        features: (B, F, D) of all cells.
        neighbours: (F, n); an absent one has weight 0.
        weights: (F, n, A).
        first, last: range of cells.

    Returns:
        (B, last - first, A, D).
    """
    batch, _, channels = features.shape
    count, parts = neighbours.shape[1], weights.shape[2]
    out = features.new_empty(batch, last - first, parts, channels)
    step = _step(features, count)

    for start in range(first, last, step):
        cells = slice(start, min(start + step, last))
        weight = weights[cells].transpose(1, 2).to(features.dtype)
        for b in range(batch):
            rows = features[b].index_select(0, neighbours[cells].flatten()).unflatten(0, (-1, count))
            rows -= features[b, cells].unsqueeze(1)
            torch.bmm(weight, rows, out=out[b, cells.start - first : cells.stop - first])

    return out


@stencil_sum.register_fake
def _(features: Tensor, neighbours: Tensor, weights: Tensor, first: int, last: int) -> Tensor:
    return features.new_empty(len(features), last - first, weights.shape[2], features.shape[2])


@torch.library.custom_op("gensim_graph::stencil_sum_backward", mutates_args=())
def stencil_sum_backward(grad: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
    """Gradient of the features: (B, F, A, D) -> (B, F, D)."""
    batch, cells_in_all, parts, channels = grad.shape
    count = neighbours.shape[1]
    out = grad.new_empty(batch, cells_in_all, channels)
    step = _step(grad, count * parts)

    for start in range(0, cells_in_all, step):
        cells = slice(start, min(start + step, cells_in_all))
        back = way_back(neighbours, weights, cells).to(grad.dtype).flatten(1).unsqueeze(1)
        own = weights[cells].sum(1, dtype=grad.dtype).unsqueeze(1)

        for b in range(batch):
            rows = grad[b].flatten(1).index_select(0, neighbours[cells].flatten())
            total = torch.bmm(back, rows.reshape(-1, count * parts, channels))
            out[b, cells] = total.baddbmm_(own, grad[b, cells], alpha=-1).squeeze(1)

    return out


@stencil_sum_backward.register_fake
def _(grad: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
    return grad.new_empty(grad.shape[0], grad.shape[1], grad.shape[3])


def way_back(
    neighbours: Int[Tensor, "face neighbour"], weights: Float[Tensor, "face neighbour part"], cells: slice
) -> Float[Tensor, "some neighbour part"]:
    """Weight that each neighbour of some cells gives to the cell itself; 0 for an absent neighbour."""
    others = neighbours[cells]
    me = torch.arange(cells.start, cells.stop, device=others.device)
    # An absent neighbour is cell 0 with weight 0, in the lists of others too; the weight of the mean is never 0.
    mine = (neighbours[others] == me[:, None, None]) & (weights[..., 0][others] != 0)
    column = mine.to(torch.uint8).argmax(dim=-1)
    found = mine.any(-1) & (weights[cells, :, 0] != 0)

    return weights[others, column] * found.unsqueeze(-1)


def _step(features: Tensor, gathered: int) -> int:
    elements = _CHUNK_ELEMENTS if features.device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    return max(1, elements // (gathered * features.shape[-1]))


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    features, neighbours, weights, first, last = inputs
    if (first, last) != (0, features.shape[1]):
        raise NotImplementedError("stencil_sum of a range of the cells has no derivative: take all of them")
    ctx.save_for_backward(neighbours, weights)


def _differentiate(ctx, grad):  # type: ignore[no-untyped-def]
    return stencil_sum_backward(grad.contiguous(), *ctx.saved_tensors), None, None, None, None


stencil_sum.register_autograd(_differentiate, setup_context=_keep)

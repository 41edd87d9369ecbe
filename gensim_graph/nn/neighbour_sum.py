"""Weighted sums over the neighbours of each cell, as an operator of PyTorch with its own gradient.

``out[i, a] = sum_c w[i, c, a] (f[n(i, c)] - f[i])`` for the mean and the two components of the gradient in space.
Being neighbours is mutual. The gradient with respect to f is therefore a gather over the same lists, with the weights
that the neighbours give to the cell; nothing is scattered.
"""

from typing import Any

import torch

from gensim_graph.typing import Float, Int, Tensor

_CHUNK_ELEMENTS = 2**19
"""Number of gathered values in a chunk, which fit into the cache of a processor."""

_GPU_CHUNK_ELEMENTS = 2**28
"""The same on a GPU, where only the memory is a limit."""


@torch.library.custom_op("gensim_graph::stencil_sum", mutates_args=())
def stencil_sum(features: Tensor, neighbours: Tensor, weights: Tensor, first: int, last: int) -> Tensor:
    """Sum over the neighbours of the cells ``first`` to ``last - 1``.

    Args:
        features: (B, F, D) of all cells.
        neighbours: (F, n) cells; a missing neighbour has weight 0.
        weights: (F, n, A) weights of A different sums.
        first, last: range of cells.

    Returns:
        (B, last - first, A, D).

    Raises:
        NotImplementedError: a gradient is needed and the range does not hold all cells.
    """
    batch, _, channels = features.shape
    count, parts = neighbours.shape[1], weights.shape[2]
    out = features.new_empty(batch, last - first, parts, channels)
    step = _step(features, count)

    for start in range(first, last, step):
        cells = slice(start, min(start + step, last))
        weight = weights[cells].transpose(1, 2).to(features.dtype)
        for sample in range(batch):
            rows = features[sample].index_select(0, neighbours[cells].flatten()).unflatten(0, (-1, count))
            rows -= features[sample, cells].unsqueeze(1)
            torch.bmm(weight, rows, out=out[sample, cells.start - first : cells.stop - first])

    return out


@stencil_sum.register_fake
def _(features: Tensor, neighbours: Tensor, weights: Tensor, first: int, last: int) -> Tensor:
    return features.new_empty(len(features), last - first, weights.shape[2], features.shape[2])


@torch.library.custom_op("gensim_graph::stencil_sum_backward", mutates_args=())
def stencil_sum_backward(grad: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
    """Gradient of :func:`stencil_sum` over all cells with respect to the features.

    Args:
        grad: (B, F, A, D) gradient of the sums.
        neighbours: (F, n) cells.
        weights: (F, n, A).

    Returns:
        (B, F, D).
    """
    batch, n_cells, parts, channels = grad.shape
    count = neighbours.shape[1]
    out = grad.new_empty(batch, n_cells, channels)
    step = _step(grad, count * parts)

    for start in range(0, n_cells, step):
        cells = slice(start, min(start + step, n_cells))
        returned = _returned_weights(neighbours, weights, cells).to(grad.dtype).flatten(1).unsqueeze(1)
        own = weights[cells].sum(1, dtype=grad.dtype).unsqueeze(1)

        for sample in range(batch):
            rows = grad[sample].flatten(1).index_select(0, neighbours[cells].flatten())
            total = torch.bmm(returned, rows.reshape(-1, count * parts, channels))
            out[sample, cells] = total.baddbmm_(own, grad[sample, cells], alpha=-1).squeeze(1)

    return out


@stencil_sum_backward.register_fake
def _(grad: Tensor, neighbours: Tensor, weights: Tensor) -> Tensor:
    return grad.new_empty(grad.shape[0], grad.shape[1], grad.shape[3])


class PlainStencilSum(torch.autograd.Function):
    """:func:`stencil_sum` of all cells in elementary steps, which a compiler joins with those before and after it.

    The gradient is a gather, too; automatic differentiation would scatter.
    """

    @staticmethod
    def forward(
        ctx: Any,
        features: Float[Tensor, "batch face channel"],
        neighbours: Int[Tensor, "face neighbour"],
        weights: Float[Tensor, "face neighbour part"],
    ) -> Float[Tensor, "batch face part channel"]:
        """Sum over the neighbours.

        Args:
            ctx: keeps what the gradient needs.
            features: (B, F, D).
            neighbours: (F, n) cells; a missing neighbour has weight 0.
            weights: (F, n, A) weights of A different sums.
        """
        ctx.save_for_backward(neighbours, weights)
        differences = features[:, neighbours] - features.unsqueeze(2)
        return (weights.to(features.dtype).unsqueeze(-1) * differences.unsqueeze(3)).sum(2)

    @staticmethod
    def backward(ctx: Any, grad: Float[Tensor, "batch face part channel"]) -> tuple[Tensor, None, None]:
        """Gather the gradient of the features.

        Args:
            ctx: of the forward pass.
            grad: (B, F, A, D) gradient of the sums.
        """
        neighbours, weights = ctx.saved_tensors
        returned = _returned_weights(neighbours, weights, slice(0, len(neighbours))).to(grad.dtype)
        own = weights.sum(1, dtype=grad.dtype)
        gathered = (returned.unsqueeze(-1) * grad[:, neighbours]).sum((2, 3))
        return gathered - (own.unsqueeze(-1) * grad).sum(2), None, None


def _returned_weights(
    neighbours: Int[Tensor, "face neighbour"], weights: Float[Tensor, "face neighbour part"], cells: slice
) -> Float[Tensor, "some neighbour part"]:
    """Weights that the neighbours of each cell give to this cell; 0 for a missing neighbour."""
    others = neighbours[cells]
    own = torch.arange(cells.start, cells.stop, device=others.device)

    # A missing neighbour is stored as cell 0 with weight 0; the mean gives every real neighbour a weight above 0.
    is_own = (neighbours[others] == own[:, None, None]) & (weights[..., 0][others] != 0)
    column = is_own.to(torch.uint8).argmax(dim=-1)
    found = is_own.any(-1) & (weights[cells, :, 0] != 0)

    return weights[others, column] * found.unsqueeze(-1)


def _step(features: Tensor, gathered: int) -> int:
    """Number of cells in a chunk, if ``gathered`` rows are gathered for each cell."""
    elements = _CHUNK_ELEMENTS if features.device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    return max(1, elements // (gathered * features.shape[-1]))


def _save_weights(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    """Keep what the gradient needs."""
    features, neighbours, weights, *cells = inputs
    if cells != [0, features.shape[1]]:
        raise NotImplementedError("stencil_sum has a gradient for all cells only, not for a range of them")
    ctx.save_for_backward(neighbours, weights)


def _differentiate(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None, None]:
    return stencil_sum_backward(grad.contiguous(), *ctx.saved_tensors), None, None, None, None


stencil_sum.register_autograd(_differentiate, setup_context=_save_weights)

"""Projected features -> queries, keys and values of the heads, queries and keys normalised; the derivative is written
out, as the many narrow copies that this takes would otherwise be made several times over.
"""

from typing import Any

import torch

from gensim_graph.nn.attention.heads import HEAD_CONTENT, HEAD_SPINS
from gensim_graph.typing import Float, Tensor

_EPS = 1e-6


def split_heads(
    projected: Float[Tensor, "batch token channel"],
    query_scale: Float[Tensor, "head content"],
    key_scale: Float[Tensor, "head content"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Query, key and value of every head, and what its localisation is made of.

    Args:
        projected: [scalars | Re, Im vectors | Re, Im tensors], each by head, each head (query | key | value | place).
        query_scale, key_scale: of the RMS norm over a head (Henry et al. 2020).

    Returns:
        Query, key and value (B, T, H, 56), in a head [scalars | Re, Im vectors | Re, Im tensors]; place (B, T, H, 5).
    """
    if torch.compiler.is_compiling():  # which fuses the copies and derives them by itself
        return plain_split(projected, query_scale, key_scale)
    query, key, value, place = _Split.apply(projected, query_scale, key_scale)
    return query, key, value, place


def plain_split(
    projected: Float[Tensor, "batch token channel"],
    query_scale: Float[Tensor, "head content"],
    key_scale: Float[Tensor, "head content"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The same as it stands above."""
    query, key, value, place = (torch.cat(pieces, dim=-1) for pieces in _pieces(projected, len(query_scale)))
    query, key = (part * (part.square().mean(dim=-1, keepdim=True) + _EPS).rsqrt() for part in (query, key))
    return query * query_scale, key * key_scale, value, place


def _pieces(projected: Tensor, heads: int) -> list[tuple[Tensor, ...]]:
    """The five parts of query, key, value and place as views of the projected features."""
    n, m, k = HEAD_SPINS
    widths = [heads * (3 * n + 1), *[heads * (3 * m + 1)] * 2, *[heads * (3 * k + 1)] * 2]
    parts = projected.split(widths, dim=-1)

    cut = [
        part.unflatten(-1, (heads, -1)).split((w, w, w, 1), dim=-1)
        for part, w in zip(parts, (n, m, m, k, k), strict=True)
    ]
    return list(zip(*cut, strict=True))


def _joined(pieces: tuple[Tensor, ...]) -> Tensor:
    """Parts side by side. Copies of whole slices are faster here than ``cat`` of pieces that lie apart."""
    whole = pieces[0].new_empty(*pieces[0].shape[:-1], sum(piece.shape[-1] for piece in pieces))
    _copy(pieces, whole)
    return whole


def _copy(pieces: tuple[Tensor, ...], whole: Tensor) -> None:
    for target, piece in zip(whole.split([piece.shape[-1] for piece in pieces], dim=-1), pieces, strict=True):
        target.copy_(piece)


def _inverse_norm(features: Tensor) -> Tensor:
    mean_square = torch.linalg.vector_norm(features, dim=-1, keepdim=True).square_().div_(HEAD_CONTENT)
    return mean_square.add_(_EPS).rsqrt_()


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, query_scale: Tensor, key_scale: Tensor) -> tuple[Tensor, ...]:
        query, key, value, place = (_joined(pieces) for pieces in _pieces(projected, len(query_scale)))
        ctx.save_for_backward(projected, query_scale, key_scale)
        for features, scale in ((query, query_scale), (key, key_scale)):
            features.mul_(_inverse_norm(features)).mul_(scale)
        return query, key, value, place

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        projected, query_scale, key_scale = ctx.saved_tensors
        into = torch.empty_like(projected)
        given, wanted = (_pieces(tensor, len(query_scale)) for tensor in (projected, into))
        of_scales = []
        of_heads = list(grads)

        for index, scale in enumerate((query_scale, key_scale)):
            features = _joined(given[index])
            inverse = _inverse_norm(features)
            features.mul_(inverse)
            product = grads[index] * features
            of_scales.append(product.sum(dim=(0, 1)))
            along = product.mul_(scale).mean(dim=-1, keepdim=True)
            of_heads[index] = (grads[index] * scale).addcmul_(features, along, value=-1).mul_(inverse)

        for grad, pieces in zip(of_heads, wanted, strict=True):
            sizes = [piece.shape[-1] for piece in pieces]
            for piece, part in zip(pieces, grad.split(sizes, dim=-1), strict=True):
                piece.copy_(part)

        return into, *of_scales

"""Features of the heads in PyTorch: split projected features into queries, keys and values, and join what comes back.

The derivative of the split is written out: automatic differentiation would copy the many narrow slices several times.
"""

from typing import Any

import torch

from gensim_graph.nn.native import HEAD_CONTENT, HEAD_SPINS, NORM_EPSILON
from gensim_graph.typing import Float, Tensor


def split_heads(
    projected: Float[Tensor, "batch token channel"],
    query_scale: Float[Tensor, "head content"],
    key_scale: Float[Tensor, "head content"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Split projected features into queries, keys, values and channels of the localisation; normalise the first two.

    Args:
        projected: (B, T, D) [scalars | Re, Im vectors | Re, Im tensors], each part head by head, each head [query | key
            | value | one channel of the localisation].
        query_scale: (H, 56) scales of the queries after their RMS norm (Henry et al. 2020).
        key_scale: (H, 56) scales of the keys.

    Returns:
        Query, key and value (B, T, H, 56), in a head [scalars | Re, Im vectors | Re, Im tensors], and the channels of
        the localisation (B, T, H, 5).
    """
    if torch.compiler.is_compiling():  # the compiler fuses the copies and differentiates them itself
        return plain_split(projected, query_scale, key_scale)
    query, key, value, predicted = _Split.apply(projected, query_scale, key_scale)
    return query, key, value, predicted


def plain_split(
    projected: Float[Tensor, "batch token channel"],
    query_scale: Float[Tensor, "head content"],
    key_scale: Float[Tensor, "head content"],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Reference form of :func:`split_heads`, without a derivative of its own.

    Args:
        projected: (B, T, D) as in :func:`split_heads`.
        query_scale: (H, 56).
        key_scale: (H, 56).
    """
    query, key, value, predicted = (torch.cat(pieces, dim=-1) for pieces in _pieces(projected, len(query_scale)))
    query, key = (part * (part.square().mean(dim=-1, keepdim=True) + NORM_EPSILON).rsqrt() for part in (query, key))
    return query * query_scale, key * key_scale, value, predicted


def join_heads(
    content: Float[Tensor, "batch token head content"], moments: Float[Tensor, "batch token head moments"]
) -> Float[Tensor, "batch token channel"]:
    """Join content and moments of all heads as features by spin.

    The moments of two scalars become gradients (vectors); those of the vector u + i v become its divergence and curl,
    (u + i v)(dx - i dy), and its shear, (u + i v)(dx + i dy).

    Args:
        content: (B, T, H, 56), in a head [scalars | Re, Im vectors | Re, Im tensors].
        moments: (B, T, H, 8) moments of f, g, u, v along x, then along y.
    """
    n, m, k = HEAD_SPINS
    scalars, *complex_parts = content.split((n, m, m, k, k), dim=-1)
    vector_real, vector_imaginary, tensor_real, tensor_imaginary = complex_parts
    along_x, along_y = moments.chunk(2, dim=-1)
    fx, gx, ux, vx = along_x.split(1, dim=-1)
    fy, gy, uy, vy = along_y.split(1, dim=-1)

    groups = (
        (scalars, ux + vy, vx - uy),
        (vector_real, fx, gx),
        (vector_imaginary, fy, gy),
        (tensor_real, ux - vy),
        (tensor_imaginary, vx + uy),
    )
    return torch.cat([torch.cat(group, dim=-1).flatten(-2) for group in groups], dim=-1)


def _pieces(projected: Tensor, heads: int) -> list[tuple[Tensor, ...]]:
    """Five parts each of query, key, value and localisation, as views of the projected features."""
    n, m, k = HEAD_SPINS
    widths = [heads * (3 * n + 1), *[heads * (3 * m + 1)] * 2, *[heads * (3 * k + 1)] * 2]
    parts = projected.split(widths, dim=-1)

    cut = [
        part.unflatten(-1, (heads, -1)).split((width, width, width, 1), dim=-1)
        for part, width in zip(parts, (n, m, m, k, k), strict=True)
    ]
    return list(zip(*cut, strict=True))


def _joined(pieces: tuple[Tensor, ...]) -> Tensor:
    """Put parts side by side. Copying whole slices is faster here than ``cat`` of pieces that lie apart."""
    whole = pieces[0].new_empty(*pieces[0].shape[:-1], sum(piece.shape[-1] for piece in pieces))
    for target, piece in zip(_slices(whole, pieces), pieces, strict=True):
        target.copy_(piece)
    return whole


def _slices(whole: Tensor, pieces: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Views of a tensor, as wide as the pieces."""
    return whole.split([piece.shape[-1] for piece in pieces], dim=-1)


def _inverse_norm(features: Tensor) -> Tensor:
    mean_square = torch.linalg.vector_norm(features, dim=-1, keepdim=True).square_().div_(HEAD_CONTENT)
    return mean_square.add_(NORM_EPSILON).rsqrt_()


class _Split(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, projected: Tensor, query_scale: Tensor, key_scale: Tensor) -> tuple[Tensor, ...]:
        query, key, value, predicted = (_joined(pieces) for pieces in _pieces(projected, len(query_scale)))
        ctx.save_for_backward(projected, query_scale, key_scale)

        for features, scale in ((query, query_scale), (key, key_scale)):
            features.mul_(_inverse_norm(features)).mul_(scale)

        return query, key, value, predicted

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        projected, query_scale, key_scale = ctx.saved_tensors
        grad_projected = torch.empty_like(projected)
        pieces, targets = (_pieces(tensor, len(query_scale)) for tensor in (projected, grad_projected))
        grad_heads, grad_scales = list(grads), []

        for index, scale in enumerate((query_scale, key_scale)):
            features = _joined(pieces[index])
            inverse = _inverse_norm(features)
            features.mul_(inverse)
            product = grads[index] * features
            grad_scales.append(product.sum(dim=(0, 1)))
            along = product.mul_(scale).mean(dim=-1, keepdim=True)
            grad_heads[index] = (grads[index] * scale).addcmul_(features, along, value=-1).mul_(inverse)

        for grad, target in zip(grad_heads, targets, strict=True):
            for piece, part in zip(target, _slices(grad, target), strict=True):
                piece.copy_(part)

        return grad_projected, *grad_scales

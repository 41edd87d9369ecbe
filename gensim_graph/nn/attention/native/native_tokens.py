"""Compiled work on tokens before and after the attention of the backend ``native``, in one pass over memory each.

Before, projected features become queries, keys and values; :mod:`~gensim_graph.nn.attention.split`,
:mod:`~gensim_graph.nn.attention.localisation` and :mod:`~gensim_graph.nn.attention.clusters.cluster_positions` do the
same in PyTorch. After, the output of the attention becomes features by spin. In PyTorch this takes some sixty passes
over narrow slices, as long as the attention itself.
"""

import ctypes
from typing import Any

import torch

from gensim_graph.nn.attention.clusters import QueryPositions
from gensim_graph.nn.attention.interface import AttentionInputs, HeadWeights
from gensim_graph.nn.native import (
    HEAD_CHANNELS,
    HEAD_CONTENT,
    HEAD_SPINS,
    MOMENT_SPINS,
    PAIR_CHANNELS,
    TOKEN_BLOCK,
    call,
    expect_shapes,
    structure_fields,
)
from gensim_graph.typing import Float, Tensor

_REAL_PARTS = (1, 2, 2)
"""Real numbers of a scalar, a vector and a tensor."""

_PROJECTED = sum(parts * (3 * width + 1) for parts, width in zip(_REAL_PARTS, HEAD_SPINS, strict=True))
"""Channels that a head has among the projected features."""

_JOINED = sum(
    parts * (width + further) for parts, width, further in zip(_REAL_PARTS, HEAD_SPINS, MOMENT_SPINS, strict=True)
)
"""Channels that a head gives to the features after the attention."""


class _Tokens(ctypes.Structure):
    """``Tokens`` of ``heads.h``."""

    _fields_ = structure_fields(("ratio", "position"), ("count", "heads"))


def native_split_heads(
    projected: Float[Tensor, "batch some channel"], weights: HeadWeights, queries: QueryPositions
) -> AttentionInputs:
    """Make queries with their position channels, and pairs of keys and values, from projected features.

    Args:
        projected: (B, t, D) as in :func:`~gensim_graph.nn.attention.split.split_heads`.
        weights: of the heads.
        queries: positions of these tokens.

    Returns:
        Queries (B, t, H, 64) and pairs (B, t, H, 112).
    """
    query, pairs = _SplitHeads.apply(projected, *weights, *queries)
    return query, pairs


def native_join_heads(
    raw: Float[Tensor, "batch some head 64"], scale: Float[Tensor, " head"], queries: QueryPositions
) -> Float[Tensor, "batch some channel"]:
    """Make features by spin from content and moments about the centres of the clusters.

    Args:
        raw: (B, t, H, 64) output of the attention.
        scale: (H,) one over the width of each head, in token lengths.
        queries: positions of these tokens.
    """
    features = _JoinHeads.apply(raw, scale, *queries)
    assert isinstance(features, Tensor)
    return features


def _tokens(ratio: Tensor, position: Tensor, heads: int) -> _Tokens:
    return _Tokens(ratio.data_ptr(), position.data_ptr(), len(ratio), heads)


def _token_blocks(items: int) -> int:
    return -(-items // TOKEN_BLOCK)


class _SplitHeads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        projected, *weights, ratio, position = (part.contiguous() for part in arguments)
        ctx.save_for_backward(projected, *weights, ratio, position)
        batch, count, _ = projected.shape
        heads = len(weights[0])
        shapes = (batch, count, heads * _PROJECTED), (count,), (count, 2)
        expect_shapes("split_heads", *zip((projected, ratio, position), shapes, strict=True))

        query = projected.new_empty(batch, count, heads, HEAD_CHANNELS)
        pairs = projected.new_empty(batch, count, heads, PAIR_CHANNELS)
        call("split_heads", _tokens(ratio, position, heads), batch, *weights, projected, query, pairs)

        return query, pairs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        projected, *weights, ratio, position = ctx.saved_tensors
        batch, count, _ = projected.shape
        heads = len(weights[0])
        grad_query, grad_pairs = (part.contiguous() for part in grads)

        grad = torch.empty_like(projected)
        grad_weights = projected.new_empty(_token_blocks(batch * count), heads, PAIR_CHANNELS + 1)
        tensors = (projected, grad_query, grad_pairs, grad, grad_weights)
        call("split_heads_gradient", _tokens(ratio, position, heads), batch, *weights, *tensors)
        query_scale, key_scale, log_scale = grad_weights.sum(0).split((HEAD_CONTENT, HEAD_CONTENT, 1), dim=-1)

        return grad, query_scale, key_scale, log_scale.squeeze(-1), None, None


class _JoinHeads(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        raw, scale, ratio, position = (part.contiguous() for part in arguments)
        ctx.save_for_backward(raw, scale, ratio, position)
        batch, count, heads, _ = raw.shape
        shapes = (batch, count, heads, HEAD_CHANNELS), (heads,), (count,)
        expect_shapes("join_heads", *zip((raw, scale, ratio), shapes, strict=True))

        features = raw.new_empty(batch, count, heads * _JOINED)
        call("join_heads", _tokens(ratio, position, heads), batch, scale, raw, features)

        return features

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        raw, scale, ratio, position = ctx.saved_tensors
        batch, count, heads, _ = raw.shape
        grad_raw, grad_scales = torch.empty_like(raw), raw.new_empty(_token_blocks(batch * count), heads)
        tensors = (scale, raw, grads[0].contiguous(), grad_raw, grad_scales)
        call("join_heads_gradient", _tokens(ratio, position, heads), batch, *tensors)

        return grad_raw, grad_scales.sum(0), None, None

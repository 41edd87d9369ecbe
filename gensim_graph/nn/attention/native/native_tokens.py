"""What happens to tokens before and after the attention of the backend ``native``, in one pass each.

Projected features become queries, keys and values (:mod:`~gensim_graph.nn.attention.split`,
:mod:`~gensim_graph.nn.attention.localisation`, :mod:`~gensim_graph.nn.attention.clusters.cluster_positions`), and what was seen becomes features by
spin. In PyTorch these are some sixty passes over narrow slices, as long as the attention itself.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import torch

from gensim_graph.nn.attention.heads import HEAD_CHANNELS, HEAD_CONTENT, HEAD_SPINS, AttentionPlan, HeadWeights, Packed
from gensim_graph.nn.attention.native.native_kernel import PAIR
from gensim_graph.nn.native import call, expect_shapes
from gensim_graph.typing import Float, Tensor

_SUMMED = 64
"""Tokens whose gradients of weights are summed together: ``TOKENS`` of ``native/heads.h``."""

_SEEN = sum(parts * (width + further) for parts, width, further in zip((1, 2, 2), HEAD_SPINS, (2, 2, 1), strict=True))
"""Channels of features that come from a head."""

_PROJECTED = sum(parts * (3 * width + 1) for parts, width in zip((1, 2, 2), HEAD_SPINS, strict=True))
"""Channels of projected features that are of a head."""


class _Tokens(ctypes.Structure):
    """``Tokens`` of ``native/look.cpp``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("ratio", "pos")),
        *((name, ctypes.c_int64) for name in ("count", "heads", "width")),
    )


class _Weights(ctypes.Structure):
    """``Weights`` of ``native/look.cpp``."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ("query_scale", "key_scale", "log_scale"))


class _Seen(ctypes.Structure):
    """``Seen`` of ``native/see.cpp``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("ratio", "pos", "scale")),
        *((name, ctypes.c_int64) for name in ("count", "heads")),
    )


def look(
    projected: Float[Tensor, "batch some channel"], weights: HeadWeights, plan: AttentionPlan, tokens: slice
) -> Packed:
    """Queries with their places (B, t, H, 64), keys and values side by side (B, t, H, 112), of a range of tokens."""
    query, pairs = _Look.apply(projected, *weights, *_places(plan, tokens))
    return query, pairs


def see(
    raw: Float[Tensor, "batch some head 64"], weights: HeadWeights, plan: AttentionPlan, tokens: slice
) -> Float[Tensor, "batch some channel"]:
    """Content and moments of a range of tokens as features by spin."""
    features = _See.apply(raw, weights.log_scale.exp(), *_places(plan, tokens))
    assert isinstance(features, Tensor)
    return features


def _places(plan: AttentionPlan, tokens: slice) -> tuple[Tensor, Tensor]:
    ratio, position = plan.places
    return ratio[tokens], position[tokens]


def _address(tensors: Sequence[Tensor]) -> list[int]:
    return [tensor.data_ptr() for tensor in tensors]


def _blocks(items: int) -> int:
    return -(-items // _SUMMED)


class _Look(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> tuple[Tensor, Tensor]:
        projected, *weights, ratio, pos = (part.contiguous() for part in arguments)
        ctx.save_for_backward(projected, *weights, ratio, pos)
        batch, count, width = projected.shape
        heads = len(weights[0])
        expect_shapes("look", (projected, (batch, count, heads * _PROJECTED)), (ratio, (count,)), (pos, (count, 2)))
        query = projected.new_empty(batch, count, heads, HEAD_CHANNELS)
        pairs = projected.new_empty(batch, count, heads, PAIR)
        tokens = _Tokens(*_address((ratio, pos)), count, heads, width)
        call("look", tokens, _Weights(*_address(weights)), batch, projected, query, pairs)

        return query, pairs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        projected, *weights, ratio, pos = ctx.saved_tensors
        batch, count, width = projected.shape
        heads = len(weights[0])
        grad = torch.empty_like(projected)
        of_weights = projected.new_empty(_blocks(batch * count), heads, PAIR + 1)
        of_query, of_pairs = (part.contiguous() for part in grads)
        tokens = _Tokens(*_address((ratio, pos)), count, heads, width)

        call(
            "look_gradient",
            *(tokens, _Weights(*_address(weights)), batch),
            *(projected, of_query, of_pairs, grad, of_weights),
        )
        query_scale, key_scale, log_scale = of_weights.sum(0).split((HEAD_CONTENT, HEAD_CONTENT, 1), dim=-1)

        return grad, query_scale, key_scale, log_scale.squeeze(-1), None, None


class _See(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *arguments: Tensor) -> Tensor:
        raw, scale, ratio, pos = (part.contiguous() for part in arguments)
        ctx.save_for_backward(raw, scale, ratio, pos)
        batch, count, heads, _ = raw.shape
        expect_shapes("see", (raw, (batch, count, heads, HEAD_CHANNELS)), (scale, (heads,)), (ratio, (count,)))
        features = raw.new_empty(batch, count, heads * _SEEN)
        call("see", _Seen(*_address((ratio, pos, scale)), count, heads), batch, raw, features)

        return features

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        raw, scale, ratio, pos = ctx.saved_tensors
        batch, count, heads, _ = raw.shape
        grad, of_scale = torch.empty_like(raw), raw.new_empty(_blocks(batch * count), heads)
        seen = _Seen(*_address((ratio, pos, scale)), count, heads)
        call("see_gradient", seen, batch, raw, grads[0].contiguous(), grad, of_scale)

        return grad, of_scale.sum(0), None, None

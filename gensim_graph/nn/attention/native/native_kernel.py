"""The compiled attention as operators of PyTorch with a derivative of their own: they work under torch.compile.

The computation is in ``attention.cpp`` of :mod:`gensim_graph.nn.native`. The backward pass needs queries, keys, values,
the output and the log-sum-exp; nothing as large as the halos is kept.
"""

import ctypes
from typing import NamedTuple

import torch

from gensim_graph.nn.native import HEAD_CHANNELS, PAIR_CHANNELS, PATTERNS, TILE, call, expect_shapes, structure_fields
from gensim_graph.typing import Bool, Float, Int, Tensor


class HaloTables(NamedTuple):
    """Keys of each cluster, and of each tile of at most 64 of its queries.

    Attributes:
        token: (C, K) token of each key.
        order: (tile, K) keys of the cluster, sorted by the groups of 16 queries that see them.
        starts: (tile, 17) first key of each of the 16 patterns of groups.
        key_pos: (C, K, 2) about the centre of the cluster, in units of its reach.
        log_area: (C, K) logarithm of the area of each key.
        query_pos: (C, W, 2) about the centre of the cluster, in units of its reach.
        steepness: (C, W) (reach of the cluster / reach of the query)^2, 0 for padding.
    """

    token: Int[Tensor, "cluster key"]
    order: Int[Tensor, "tile key"]
    starts: Int[Tensor, "tile 17"]
    key_pos: Float[Tensor, "cluster key 2"]
    log_area: Float[Tensor, "cluster key"]
    query_pos: Float[Tensor, "cluster query 2"]
    steepness: Float[Tensor, "cluster query"]


class _Halo(ctypes.Structure):
    """``Halo`` of ``halo.h``."""

    _fields_ = structure_fields(HaloTables._fields, ("clusters", "keys", "width", "tiles_each", "heads"))


def _halo(tables: HaloTables, heads: int) -> _Halo:
    clusters, width = tables.steepness.shape
    sizes = clusters, tables.token.shape[1], width, -(-width // TILE), heads
    return _Halo(*(table.data_ptr() for table in tables), *sizes)


def halo_tables(
    token: Int[Tensor, "cluster key"],
    key_valid: Bool[Tensor, "cluster key"],
    key_pos: Float[Tensor, "cluster key 2"],
    log_area: Float[Tensor, "cluster key"],
    query_pos: Float[Tensor, "cluster query 2"],
    steepness: Float[Tensor, "cluster query"],
) -> HaloTables:
    """Sort the keys of each tile by the groups of queries that see them.

    Args:
        token: (C, K) token of each key.
        key_valid: (C, K) False for padding.
        key_pos, log_area, query_pos, steepness: as in :class:`HaloTables`.
    """
    clusters, width = steepness.shape
    tiles, keys = clusters * -(-width // TILE), token.shape[1]
    order = torch.empty(tiles, keys, dtype=torch.int32)
    starts = torch.empty(tiles, PATTERNS + 1, dtype=torch.int32)
    numbers = (part.to(torch.float32).contiguous() for part in (key_pos, log_area, query_pos, steepness))
    tables = HaloTables(token.to(torch.int64).contiguous(), order, starts, *numbers)
    call("order_keys", _halo(tables, heads=1), key_valid.contiguous(), order, starts)

    return tables


def _check(query: Tensor, pairs: Tensor, tables: HaloTables) -> None:
    batch, _, heads, _ = query.shape
    tokens = tables.steepness.numel()
    query_shape, pair_shape = (batch, tokens, heads, HEAD_CHANNELS), (batch, tokens, heads, PAIR_CHANNELS)
    expect_shapes("attention", (query, query_shape), (pairs, pair_shape))


@torch.library.custom_op("gensim_graph::native_attention", mutates_args=())
def native_attention(
    query: Tensor,
    pairs: Tensor,
    token: Tensor,
    order: Tensor,
    starts: Tensor,
    key_pos: Tensor,
    log_area: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
) -> tuple[Tensor, Tensor]:
    """Attend from every cluster to its halo.

    Args:
        query: (B, T, H, 64) content and position channels.
        pairs: (B, T, H, 112) keys and values side by side, 56 channels each.
        token, order, starts, key_pos, log_area, query_pos, steepness: :class:`HaloTables`.

    Returns:
        Content and moments about the centres of the clusters (B, T, H, 64), and log-sum-exp (B, H, T), in single
        precision. Both are 0 for padded queries.

    Raises:
        ValueError: the tokens are not those of the tables.
    """
    tables = HaloTables(token, order, starts, key_pos, log_area, query_pos, steepness)
    batch, tokens, heads, _ = query.shape
    _check(query, pairs, tables)
    query, pairs = (part.to(torch.float32).contiguous() for part in (query, pairs))
    out, log_sum = torch.empty_like(query), query.new_empty(batch, heads, tokens)
    call("attention", _halo(tables, heads), batch, query, pairs, out, log_sum)

    return out, log_sum


@native_attention.register_fake
def _(query: Tensor, pairs: Tensor, *tables: Tensor) -> tuple[Tensor, Tensor]:
    batch, tokens, heads, _ = query.shape
    return query.new_empty(query.shape, dtype=torch.float32), query.new_empty(batch, heads, tokens, dtype=torch.float32)


@torch.library.custom_op("gensim_graph::native_attention_backward", mutates_args=())
def native_attention_backward(
    grad: Tensor,
    query: Tensor,
    pairs: Tensor,
    out: Tensor,
    log_sum: Tensor,
    token: Tensor,
    order: Tensor,
    starts: Tensor,
    key_pos: Tensor,
    log_area: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of queries and of pairs of keys and values.

    Args:
        grad: (B, T, H, 64) gradient of the output.
        query, pairs: inputs of :func:`native_attention`.
        out, log_sum: its results.
        token, order, starts, key_pos, log_area, query_pos, steepness: :class:`HaloTables`.

    Raises:
        ValueError: the tokens are not those of the tables.
    """
    tables = HaloTables(token, order, starts, key_pos, log_area, query_pos, steepness)
    batch, _, heads, _ = query.shape
    _check(query, pairs, tables)
    expect_shapes("attention", (grad, tuple(query.shape)), (out, tuple(query.shape)))
    grad, queries, both = (part.to(torch.float32).contiguous() for part in (grad, query, pairs))

    # One thread computes a head of a sample. If that leaves threads idle, the clusters are divided into parts, each
    # with a sum of its own.
    n_parts = _parts(batch * heads, torch.get_num_threads(), len(order))
    grad_query, grad_pairs = torch.empty_like(queries), both.new_zeros(n_parts, *both.shape)
    tensors = (grad, queries, both, out, log_sum, grad_query, grad_pairs)
    call("attention_gradient", _halo(tables, heads), batch, *tensors, n_parts)
    total = grad_pairs[0] if n_parts == 1 else grad_pairs.sum(0)

    return grad_query.to(query.dtype), total.to(pairs.dtype)


@native_attention_backward.register_fake
def _(grad: Tensor, query: Tensor, pairs: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), pairs.new_empty(pairs.shape)


def _parts(jobs: int, threads: int, most: int) -> int:
    """Smallest number of parts of the clusters that keeps nine of ten threads busy."""
    for parts in range(1, most):
        rounds = -(-jobs * parts // threads)
        if jobs * parts >= 0.9 * rounds * threads:
            return parts
    return max(1, most)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs[:2], *output, *inputs[2:])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    return (*native_attention_backward(grad, *ctx.saved_tensors), *[None] * len(HaloTables._fields))


native_attention.register_autograd(_differentiate, setup_context=_keep)

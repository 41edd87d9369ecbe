"""The compiled attention as operators of PyTorch, with a derivative of their own: they work under torch.compile.

What is computed is in ``native/attention.cpp``. Kept for the backward pass are queries, keys, values, the output and
the log-sum-exp, nothing the size of the halos.
"""

import ctypes
from typing import NamedTuple

import torch

from gensim_graph.nn.attention.heads import HEAD_CHANNELS, HEAD_CONTENT
from gensim_graph.nn.native import call, expect_shapes
from gensim_graph.typing import Bool, Float, Int, Tensor

TILE, _PATTERNS = 64, 16
"""Queries that are looked at together, and which of their four groups see a key: as in ``native/``."""

PAIR = 2 * HEAD_CONTENT
"""Numbers of a key and its value."""


class HaloTables(NamedTuple):
    """Keys of each cluster, and of each tile of at most 64 of its queries.

    Attributes:
        token: (C, K) which token a key is.
        order: (tile, K) slots of the keys, sorted by which groups of 16 queries see them.
        starts: (tile, 17) where the keys of each of the 16 patterns begin.
        key_pos, log_area: (C, K, 2) and (C, K), about the centre of the cluster and in units of its reach.
        query_pos, steepness: (C, W, 2) and (C, W).
    """

    token: Int[Tensor, "cluster key"]
    order: Int[Tensor, "tile key"]
    starts: Int[Tensor, "tile 17"]
    key_pos: Float[Tensor, "cluster key 2"]
    log_area: Float[Tensor, "cluster key"]
    query_pos: Float[Tensor, "cluster query 2"]
    steepness: Float[Tensor, "cluster query"]


class _Halo(ctypes.Structure):
    """``Halo`` of ``native/halo.h``."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in HaloTables._fields),
        *((name, ctypes.c_int64) for name in ("clusters", "keys", "width", "tiles_each", "heads")),
    )


def _halo(tables: HaloTables, heads: int) -> _Halo:
    clusters, width = tables.steepness.shape
    sizes = clusters, tables.token.shape[1], width, -(-width // TILE), heads
    return _Halo(*(table.data_ptr() for table in tables), *sizes)


def _check(query: Tensor, pairs: Tensor, tables: HaloTables) -> None:
    batch, _, heads, _ = query.shape
    tokens = tables.steepness.numel()
    shapes = (batch, tokens, heads, HEAD_CHANNELS), (batch, tokens, heads, PAIR)
    expect_shapes("attention", (query, shapes[0]), (pairs, shapes[1]))


def halo_tables(
    token: Int[Tensor, "cluster key"],
    meant: Bool[Tensor, "cluster key"],
    key_pos: Float[Tensor, "cluster key 2"],
    log_area: Float[Tensor, "cluster key"],
    query_pos: Float[Tensor, "cluster query 2"],
    steepness: Float[Tensor, "cluster query"],
) -> HaloTables:
    """Sort the keys that are meant by the queries that see them."""
    clusters, width = steepness.shape
    tiles, keys = clusters * -(-width // TILE), token.shape[1]
    order = torch.empty(tiles, keys, dtype=torch.int32)
    starts = torch.empty(tiles, _PATTERNS + 1, dtype=torch.int32)
    numbers = (part.to(torch.float32).contiguous() for part in (key_pos, log_area, query_pos, steepness))
    tables = HaloTables(token.to(torch.int64).contiguous(), order, starts, *numbers)
    call("order_keys", _halo(tables, heads=1), meant.contiguous(), order, starts)

    return tables


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
    """Attend.

    Args:
        query: (B, T, H, 64), the last eight channels of which are multiplied with the places of the keys.
        pairs: (B, T, H, 112) keys and values side by side, 56 channels each.
        token, order, starts, key_pos, log_area, query_pos, steepness: :class:`HaloTables`.

    Returns:
        Content and moments about the centres of the clusters (B, T, H, 64), and log-sum-exp (B, H, T), in single
        precision. Both are 0 for queries that are not meant.
    """
    tables = HaloTables(token, order, starts, key_pos, log_area, query_pos, steepness)
    batch, tokens, heads, _ = query.shape
    _check(query, pairs, tables)
    query, pairs = (part.to(torch.float32).contiguous() for part in (query, pairs))
    out, log_sum = torch.empty_like(query), query.new_empty(batch, heads, tokens)
    call("attend_all", _halo(tables, heads), batch, query, pairs, out, log_sum)

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
    """Gradients of queries and of pairs of keys and values."""
    tables = HaloTables(token, order, starts, key_pos, log_area, query_pos, steepness)
    batch, _, heads, _ = query.shape
    _check(query, pairs, tables)
    expect_shapes("attention", (grad, tuple(query.shape)), (out, tuple(query.shape)))
    grad, of_query, of_pairs = (part.to(torch.float32).contiguous() for part in (grad, query, pairs))
    # A head of a sample is a thread's own; where that leaves threads idle, clusters are shared out, each share a sum.
    shares = _shares(batch * heads, torch.get_num_threads(), len(order))
    grad_query, grad_pairs = torch.empty_like(of_query), of_pairs.new_zeros(shares, *of_pairs.shape)
    parts = grad, of_query, of_pairs, out, log_sum, grad_query, grad_pairs
    call("differentiate_all", _halo(tables, heads), batch, *parts, shares)
    total = grad_pairs[0] if shares == 1 else grad_pairs.sum(0)

    return grad_query.to(query.dtype), total.to(pairs.dtype)


@native_attention_backward.register_fake
def _(grad: Tensor, query: Tensor, pairs: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return query.new_empty(query.shape), pairs.new_empty(pairs.shape)


def _shares(jobs: int, threads: int, most: int) -> int:
    """As few shares of the clusters as keep nine of ten threads busy."""
    for shares in range(1, most):
        rounds = -(-jobs * shares // threads)
        if jobs * shares >= 0.9 * rounds * threads:
            return shares
    return max(1, most)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.mark_non_differentiable(output[1])
    ctx.save_for_backward(*inputs[:2], *output, *inputs[2:])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    return (*native_attention_backward(grad, *ctx.saved_tensors), *[None] * len(HaloTables._fields))


native_attention.register_autograd(_differentiate, setup_context=_keep)

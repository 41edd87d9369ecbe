"""Attention of clusters to their halos on a processor: an operator of PyTorch with its own derivative.

It keeps queries, keys, values, the output and the log-sum-exp. The backward pass gathers the keys again, a few clusters
at a time, so that they stay in the cache of the processor. As a custom operator it works under torch.compile.
"""

import torch

from gensim_graph.nn.attention.clusters.cluster_chunks import ChunkTables, chunks_of
from gensim_graph.nn.native import HEAD_CHANNELS, HEAD_CONTENT, MOMENT_SOURCES
from gensim_graph.typing import Tensor


@torch.library.custom_op("gensim_graph::cluster_attention", mutates_args=())
def cluster_attention(
    query: Tensor,
    pairs: Tensor,
    halo: Tensor,
    counts: Tensor,
    channels: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor,
) -> tuple[Tensor, Tensor]:
    """Attend from every cluster to its halo.

    Args:
        query: (B, T, H, 64).
        pairs: (B, T, H, 128) keys and values side by side, 64 channels each; the last eight of a key are 1, those of a
            value are the sources of the moments, twice.
        halo, counts, channels, query_pos, steepness, taper: :class:`ChunkTables`.

    Returns:
        Output (B, T, H, 64) and log-sum-exp (B, C, H, W), in single precision.
    """
    out = torch.empty_like(query)
    clusters, width = steepness.shape
    log_sum = query.new_empty(len(query), clusters, query.shape[2], width)
    chunks = chunks_of(ChunkTables(halo, counts, channels, query_pos, steepness, taper), query.shape[2])
    queries, outs = (chunks.split(tokens) for tokens in (query, out))
    sums = [one.split(chunks.step) for one in log_sum]

    for index, (gather, mask) in enumerate(chunks):
        for b in range(len(query)):
            keys, values = gather(pairs[b])
            part, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                queries[b][index], keys, values, 0.0, False, attn_mask=mask, scale=1.0
            )
            outs[b][index].copy_(part)
            sums[b][index].copy_(lse)

    return out, log_sum


@cluster_attention.register_fake
def _(query: Tensor, pairs: Tensor, *tables: Tensor) -> tuple[Tensor, Tensor]:
    clusters, width = ChunkTables(*tables).steepness.shape
    return torch.empty_like(query), query.new_empty(len(query), clusters, query.shape[2], width)


@torch.library.custom_op("gensim_graph::cluster_attention_backward", mutates_args=())
def cluster_attention_backward(
    grad: Tensor,
    query: Tensor,
    pairs: Tensor,
    out: Tensor,
    log_sum: Tensor,
    halo: Tensor,
    counts: Tensor,
    channels: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor,
) -> tuple[Tensor, Tensor]:
    """Compute the gradients of queries and of pairs of keys and values.

    Args:
        grad: (B, T, H, 64) gradient of the output.
        query, pairs: inputs of :func:`cluster_attention`.
        out, log_sum: its results.
        halo, counts, channels, query_pos, steepness, taper: :class:`ChunkTables`.
    """
    grad_query, grad_pairs = torch.empty_like(query), torch.zeros_like(pairs, dtype=torch.float32)
    chunks = chunks_of(ChunkTables(halo, counts, channels, query_pos, steepness, taper), query.shape[2])
    grads, queries, outs, grad_queries = (chunks.split(tokens) for tokens in (grad, query, out, grad_query))
    sums = [one.split(chunks.step) for one in log_sum]

    for index, (gather, mask) in enumerate(chunks):
        for b in range(len(query)):
            keys, values = gather(pairs[b])
            dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grads[b][index],
                queries[b][index],
                keys,
                values,
                outs[b][index],
                sums[b][index],
                0.0,
                False,
                attn_mask=mask,
                scale=1.0,
            )
            grad_queries[b][index].copy_(dq)
            gather.add_gradients(dk, dv, grad_pairs[b])

    if pairs.dtype != grad_pairs.dtype:  # add the parts of one gradient before it is rounded
        _join_moment_gradients(grad_pairs[..., HEAD_CHANNELS:])

    return grad_query, grad_pairs.to(pairs.dtype)


def _join_moment_gradients(grad_values: Tensor) -> None:
    """Move the gradients of the copied sources of the moments to the content channels that they were copied from."""
    copies = grad_values[..., HEAD_CONTENT:].unflatten(-1, (-1, len(MOMENT_SOURCES)))
    grad_values[..., MOMENT_SOURCES] += copies.sum(-2)
    copies.zero_()


@cluster_attention_backward.register_fake
def _(grad: Tensor, query: Tensor, pairs: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(pairs)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:2], *output, *inputs[2:])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    grads = cluster_attention_backward(grad.contiguous(), *ctx.saved_tensors)
    return (*grads, *[None] * len(ChunkTables._fields))


cluster_attention.register_autograd(_differentiate, setup_context=_keep)

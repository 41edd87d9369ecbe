"""Attention of clusters to their halos on a CPU: an operator of PyTorch with its own derivative.

It keeps q, k, v, the output and the log-sum-exp; keys are gathered anew in the backward pass, a few clusters at a
time, so that they stay in the cache of the processor. Written as a custom operator, it works under torch.compile.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch

from gensim_graph.nn.attention.heads import HEAD_CHANNELS, HEAD_CONTENT, LIFTED
from gensim_graph.typing import Float, Int, Tensor

_CHUNK_ELEMENTS = 2**17
"""Gathered keys (numbers) a core works on at a time: 0.5 MB, and as much for the values."""

_GPU_CHUNK_ELEMENTS = 2**26


def chunk_of_clusters(elements: int, device: torch.device) -> int:
    """Clusters to take at a time if each gathers so many numbers; the heads of one keep several cores busy."""
    if device.type != "cpu":
        return max(1, _GPU_CHUNK_ELEMENTS // elements)
    return max(1, torch.get_num_threads() * _CHUNK_ELEMENTS // elements)


def taper_of(
    query_pos: Float[Tensor, "cluster query 2"],
    key_pos: Float[Tensor, "cluster key 2"],
    steepness: Float[Tensor, "cluster query"],
) -> Float[Tensor, "cluster query key"]:
    """2 log(1 - s^2), -inf from the radius on; 0 for padded queries, whose steepness is 0."""
    x, y = key_pos.unsqueeze(1).unbind(-1)
    distance2 = (x - query_pos[..., :1]).square_()
    distance2.addcmul_(y - query_pos[..., 1:], y - query_pos[..., 1:])
    inside = distance2.mul_(-steepness.unsqueeze(-1)).clamp_(min=-1)
    return inside.log1p_().mul_(2)


@torch.library.custom_op("gensim_graph::cluster_attention", mutates_args=())
def cluster_attention(
    query: Tensor,
    pairs: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        query: (B, T, H, 64).
        pairs: (B, T, H, 128) keys and values side by side, 64 channels each; the last eight of a key are 1, those of a
            value the lifted channels, twice.
        halo: (C, K) keys of each cluster.
        counts: (C,) how many of them are meant, the first ones.
        place: (C, 2, K, 8) what the last eight channels of keys and values are multiplied with.
        query_pos, steepness, taper: (C, W, 2), (C, W), (C, W, K) or None to make it chunk by chunk.

    Returns:
        Output (B, T, H, 64) and log-sum-exp (B, C, H, W), in single precision.
    """
    out = torch.empty_like(query)
    clusters, width = steepness.shape
    log_sum = query.new_empty(len(query), clusters, query.shape[2], width)
    chunks = _Chunks(halo, counts, place, query.shape[2])
    queries, outs = (chunks.split(tokens, width) for tokens in (query, out))
    sums = [one.split(chunks.step) for one in log_sum]
    masks = chunks.masks(query_pos, steepness, taper)

    for index, (gather, mask) in enumerate(zip(chunks, masks, strict=True)):
        for b in range(len(query)):
            keys, values = gather(pairs[b])
            part, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                queries[b][index], keys, values, 0.0, False, attn_mask=mask, scale=1.0
            )
            outs[b][index].copy_(part)
            sums[b][index].copy_(lse)

    return out, log_sum


@cluster_attention.register_fake
def _(
    query: Tensor,
    pairs: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor]:
    clusters, width = steepness.shape
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
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Gradients of queries and of pairs of keys and values."""
    width = steepness.shape[1]
    grad_query, grad_pairs = torch.empty_like(query), torch.zeros_like(pairs, dtype=torch.float32)
    chunks = _Chunks(halo, counts, place, query.shape[2])
    grads, queries, outs, into = (chunks.split(tokens, width) for tokens in (grad, query, out, grad_query))
    sums = [one.split(chunks.step) for one in log_sum]
    masks = chunks.masks(query_pos, steepness, taper)

    for index, (gather, mask) in enumerate(zip(chunks, masks, strict=True)):
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
            into[b][index].copy_(dq)
            gather.give_back(dk, dv, grad_pairs[b])

    if pairs.dtype != grad_pairs.dtype:  # add what belongs together before it is rounded
        of_values = grad_pairs[..., HEAD_CHANNELS:]
        copies = of_values[..., HEAD_CONTENT:].unflatten(-1, (-1, len(LIFTED)))
        of_values[..., LIFTED] += copies.sum(-2)
        copies.zero_()

    return grad_query, grad_pairs.to(pairs.dtype)


@cluster_attention_backward.register_fake
def _(
    grad: Tensor,
    query: Tensor,
    pairs: Tensor,
    out: Tensor,
    log_sum: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(pairs)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:2], *output, *inputs[2:])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    grads = cluster_attention_backward(grad.contiguous(), *ctx.saved_tensors)
    return (*grads, None, None, None, None, None, None)


cluster_attention.register_autograd(_differentiate, setup_context=_keep)


class _Chunks:
    """The clusters, some at a time, with a buffer for their keys and values that is used again and again.

    A chunk is a millisecond of work or less, and a view of a tensor takes a microsecond to make: whatever can be is
    split for all chunks at once.
    """

    def __init__(
        self,
        halo: Int[Tensor, "cluster key"],
        counts: Int[Tensor, " cluster"],
        place: Float[Tensor, "cluster 2 key 8"],
        heads: int,
    ) -> None:
        clusters, keys = halo.shape
        self.step = min(clusters, chunk_of_clusters(keys * heads * HEAD_CHANNELS, place.device))
        each = counts.clamp(min=1).tolist()
        self.counts = [max(each[first : first + self.step]) for first in range(0, clusters, self.step)]
        self.halo, self.place = halo.split(self.step), place.unsqueeze(1).split(self.step)
        self.slots = torch.arange(2 * heads, device=halo.device).unsqueeze(1)
        self.first_rows = (halo * len(self.slots)).unsqueeze(1).split(self.step)
        self.buffer = place.new_empty(self.step * 2 * heads * keys, HEAD_CHANNELS)
        self.views: dict[tuple[int, int], _Views] = {}

    def __iter__(self) -> Iterator["_Gather"]:
        for halo, rows, place, count in zip(self.halo, self.first_rows, self.place, self.counts, strict=True):
            size = len(halo), count
            if size not in self.views:
                self.views[size] = _views(self.buffer, *size, len(self.slots) // 2)
            yield _Gather(halo, rows[..., :count] + self.slots, place[..., :count, :], self.views[size])

    def split(self, tokens: Float[Tensor, "batch token head channel"], width: int) -> list[tuple[Tensor, ...]]:
        """Views (cluster, head, token, channel) of each chunk, for each sample."""
        by_head = tokens.unflatten(1, (-1, width)).transpose(2, 3)
        return [sample.split(self.step) for sample in by_head]

    def masks(self, query_pos: Tensor, steepness: Tensor, taper: Tensor | None) -> Iterator[Tensor]:
        """Taper (cluster, 1, query, key) of each chunk."""
        if taper is not None:
            for part, count in zip(taper.unsqueeze(1).split(self.step), self.counts, strict=True):
                yield part[..., :count]
            return

        parts = (query_pos.split(self.step), self.place, steepness.split(self.step), self.counts)
        for of_query, place, steep, count in zip(*parts, strict=True):
            yield taper_of(of_query, place[:, 0, 0, :count, :2], steep).unsqueeze(1)


class _Views(NamedTuple):
    """A buffer for the keys and values of a chunk: as rows; keys; values; the last eight channels of both.

    They lie head by head, so that a core attends to what it gathered itself, which its cache still has.
    """

    rows: Float[Tensor, "row 64"]
    keys: Float[Tensor, "cluster head key 64"]
    values: Float[Tensor, "cluster head key 64"]
    placed: Float[Tensor, "cluster head 2 key 8"]


def _views(buffer: Tensor, clusters: int, count: int, heads: int) -> _Views:
    rows = buffer[: clusters * heads * 2 * count]
    both = rows.view(clusters, heads, 2, count, HEAD_CHANNELS)
    keys, values = both.unbind(2)
    return _Views(rows, keys, values, both[..., HEAD_CONTENT:])


class _Gather(NamedTuple):
    """Keys and values of one chunk: which they are, where in the table, what they are multiplied with, their buffer."""

    halo: Int[Tensor, "cluster key"]
    rows: Int[Tensor, "cluster slot key"]
    place: Float[Tensor, "cluster 1 2 key 8"]
    views: _Views

    def __call__(self, pairs: Float[Tensor, "token head 128"]) -> tuple[Tensor, Tensor]:
        """Keys and values (cluster, head, key, 64)."""
        table, into = pairs.view(-1, HEAD_CHANNELS), self.views.rows
        if table.dtype == into.dtype:
            torch.index_select(table, 0, self.rows.flatten(), out=into)
        else:
            into.copy_(table.index_select(0, self.rows.flatten()))

        self.views.placed.mul_(self.place)
        return self.views.keys, self.views.values

    def give_back(self, of_keys: Tensor, of_values: Tensor, grad: Float[Tensor, "token head 128"]) -> None:
        """Add the gradients of gathered keys and values to those of the tokens."""
        of_values[..., HEAD_CONTENT:] *= self.place[:, :, 1]
        tokens = self.halo[:, : of_keys.shape[2]].flatten()
        # Whole contiguous rows: PyTorch adds them seven times faster than pieces of rows.
        rows = torch.cat((of_keys.transpose(1, 2), of_values.transpose(1, 2)), dim=-1).flatten(0, 1)
        grad.flatten(1).index_add_(0, tokens, rows.flatten(1))

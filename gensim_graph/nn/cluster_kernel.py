"""Attention of clusters to their halos on a CPU: an operator of PyTorch with its own derivative.

It keeps q, k, v, the output and the log-sum-exp; keys are gathered anew in the backward pass, a few clusters at a
time, so that they stay in the cache of the processor. Written as a custom operator, it works under torch.compile.
"""

import torch

from gensim_graph.nn.heads import HEAD_CONTENT, LIFTED
from gensim_graph.typing import Float, Int, Tensor

_CHUNK_ELEMENTS = 2**17
"""Gathered keys (numbers) a core works on at a time: 0.5 MB, and as much for the values."""

_GPU_CHUNK_ELEMENTS = 2**26

_SLOT = slice(HEAD_CONTENT, HEAD_CONTENT + len(LIFTED))
"""Where the values hold the channels to lift, once more."""


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


def with_places(rows: Tensor, place: Float[Tensor, "cluster key 8"]) -> Tensor:
    """Gathered keys (..., cluster, key, head, 64), their last eight channels replaced by the positions."""
    shape = (*rows.shape[:-1], place.shape[-1])
    return torch.cat((rows[..., :HEAD_CONTENT], place.unsqueeze(-2).expand(shape)), dim=-1)


def lift_values(rows: Tensor, place: Float[Tensor, "cluster key 8"]) -> Tensor:
    """Gathered values, their last eight channels replaced by the lifted channels times x, then times y."""
    lifted = rows[..., LIFTED]
    x, y = place[..., None, :1], place[..., None, 1:2]
    return torch.cat((rows[..., :HEAD_CONTENT], lifted * x, lifted * y), dim=-1)


@torch.library.custom_op("gensim_graph::cluster_attention", mutates_args=())
def cluster_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        query, key, value: (B, T, H, 64); the last eight channels of the keys are not read, those of the values hold the
            lifted channels and four that are not read.
        halo: (C, K) keys of each cluster.
        counts: (C,) how many of them are meant, the first ones.
        place: (C, K, 8) position channels of the keys.
        query_pos, steepness, taper: (C, W, 2), (C, W), (C, W, K) or None to make it chunk by chunk.

    Returns:
        Output (B, T, H, 64) and log-sum-exp (B, C, H, W), in single precision.
    """
    out = torch.empty_like(query)
    clusters, width = steepness.shape
    log_sum = query.new_empty(len(query), clusters, query.shape[2], width)
    gather = _Gather(halo, counts, place, query.shape[2])
    for some, count in gather.chunks():
        mask = _mask(some, count, place, query_pos, steepness, taper)
        tokens = slice(some.start * width, some.stop * width)
        for b in range(len(query)):
            queries = _by_head(query[b, tokens].unflatten(0, (-1, width)))
            keys, values = gather.keys(key[b], some, count), gather.values(value[b], some, count)
            part, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
                queries, _by_head(keys), _by_head(values), 0.0, False, attn_mask=mask, scale=1.0
            )
            out[b, tokens] = part.transpose(1, 2).flatten(0, 1)
            log_sum[b, some] = lse
    return out, log_sum


@cluster_attention.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
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
    key: Tensor,
    value: Tensor,
    out: Tensor,
    log_sum: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value."""
    width = steepness.shape[1]
    grad_query = torch.empty_like(query)
    grad_key, grad_value = (torch.zeros_like(tokens, dtype=torch.float32) for tokens in (key, value))
    gather = _Gather(halo, counts, place, query.shape[2])
    for some, count in gather.chunks():
        mask = _mask(some, count, place, query_pos, steepness, taper)
        tokens = slice(some.start * width, some.stop * width)
        rows = halo[some, :count].flatten()
        for b in range(len(query)):
            of_queries = (_by_head(part[b, tokens].unflatten(0, (-1, width))) for part in (grad, query, out))
            grads, queries, outs = of_queries
            keys, values = gather.keys(key[b], some, count), gather.values(value[b], some, count)
            dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grads,
                queries,
                _by_head(keys),
                _by_head(values),
                outs,
                log_sum[b, some],
                0.0,
                False,
                attn_mask=mask,
                scale=1.0,
            )
            grad_query[b, tokens] = dq.transpose(1, 2).flatten(0, 1)
            grad_key[b].flatten(1).index_add_(0, rows, dk.transpose(1, 2).flatten(0, 1).flatten(1))
            dv = _lower(dv.transpose(1, 2), place[some, :count].unsqueeze(2))
            grad_value[b].flatten(1).index_add_(0, rows, dv.flatten(0, 1).flatten(1))
    if value.dtype != grad_value.dtype:  # add what belongs together before it is rounded
        for index, channel in enumerate(LIFTED):
            grad_value[..., channel] += grad_value[..., HEAD_CONTENT + index]
        grad_value[..., _SLOT] = 0
    return grad_query, grad_key.to(key.dtype), grad_value.to(value.dtype)


@cluster_attention_backward.register_fake
def _(
    grad: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    out: Tensor,
    log_sum: Tensor,
    halo: Tensor,
    counts: Tensor,
    place: Tensor,
    query_pos: Tensor,
    steepness: Tensor,
    taper: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    return torch.empty_like(query), torch.empty_like(key), torch.empty_like(value)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*inputs[:3], *output, *inputs[3:])


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    grads = cluster_attention_backward(grad.contiguous(), *ctx.saved_tensors)
    return (*grads, None, None, None, None, None, None)


cluster_attention.register_autograd(_differentiate, setup_context=_keep)


class _Gather:
    """Keys and values of a chunk of clusters, in buffers that are used again and again."""

    def __init__(
        self,
        halo: Int[Tensor, "cluster key"],
        counts: Int[Tensor, " cluster"],
        place: Float[Tensor, "cluster key 8"],
        heads: int,
    ) -> None:
        self.halo, self.place, self.heads = halo, place, heads
        self.counts = counts.tolist()
        clusters, keys = halo.shape
        self.step = min(clusters, chunk_of_clusters(keys * heads * 64, place.device))
        self.buffers = [place.new_empty(self.step * keys, heads * 64) for _ in range(2)]

    def chunks(self) -> list[tuple[slice, int]]:
        """Ranges of clusters, and how many keys they need: attending to padding would be wasted."""
        clusters = len(self.halo)
        ranges = [slice(first, min(first + self.step, clusters)) for first in range(0, clusters, self.step)]
        return [(some, max(1, *self.counts[some])) for some in ranges]

    def keys(self, table: Tensor, some: slice, count: int) -> Tensor:
        keys = self._rows(table, some, count, self.buffers[0])
        keys[..., HEAD_CONTENT:] = self.place[some, :count].unsqueeze(2)
        return keys

    def values(self, table: Tensor, some: slice, count: int) -> Tensor:
        values, place = self._rows(table, some, count, self.buffers[1]), self.place[some, :count].unsqueeze(2)
        lifted = values[..., _SLOT]
        torch.mul(lifted, place[..., 1:2], out=values[..., _SLOT.stop :])
        lifted *= place[..., :1]
        return values

    def _rows(self, table: Tensor, some: slice, count: int, buffer: Tensor) -> Tensor:
        rows = self.halo[some, :count].flatten()
        flat = buffer[: len(rows)]
        if table.dtype == flat.dtype:
            torch.index_select(table.flatten(1), 0, rows, out=flat)
        else:
            flat.copy_(table.flatten(1).index_select(0, rows))
        return flat.view(-1, count, self.heads, 64)


def _lower(grad: Tensor, place: Float[Tensor, "cluster key 1 8"]) -> Tensor:
    """Gradient of the lifted channels where the values hold them."""
    lifted = grad[..., _SLOT]
    lifted *= place[..., :1]
    lifted.addcmul_(grad[..., _SLOT.stop :], place[..., 1:2])
    return grad


def _mask(some: slice, count: int, place: Tensor, query_pos: Tensor, steepness: Tensor, taper: Tensor | None) -> Tensor:
    if taper is None:
        return taper_of(query_pos[some], place[some, :count, :2], steepness[some]).unsqueeze(1)
    return taper[some, :, :count].unsqueeze(1)


def _by_head(tokens: Float[Tensor, "cluster token head channel"]) -> Float[Tensor, "cluster head token channel"]:
    return tokens.transpose(1, 2)

"""Backend ``clusters``: the keys of a few clusters are gathered at a time and attended to densely.

With positions and the localisation in further channels (:mod:`~gensim_graph.nn.attention.clusters.cluster_positions`) and the taper as the
mask it is plain scaled-dot-product attention, which PyTorch has on every device.
"""

import logging
from functools import cache

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters.cluster_kernel import chunk_of_clusters, cluster_attention, taper_of
from gensim_graph.nn.attention.clusters.cluster_positions import about_queries, placed_queries, ratio_of, steepness_of
from gensim_graph.nn.attention.heads import HEAD_CONTENT, LIFTED, AttentionPlan, Backend, Packed
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.typing import Float, Int, Tensor

_STORED_TAPER = 2**28
"""Taper (numbers) up to which it is kept for all blocks and evaluations (1 GB, 1.8 million cells); above, each chunk
of clusters makes its own, which costs a tenth more."""

_MOMENTS = 2 * len(LIFTED)

_SCALARS, _VECTOR = (slice(first, last + 1, last - first) for first, last in (LIFTED[:2], LIFTED[2:]))
"""The lifted channels as two slices, which are quicker to copy than four."""

log = logging.getLogger(__name__)


def _plan(graph: MeshGraph) -> AttentionPlan:
    steepness = steepness_of(graph)
    taper = None
    if graph.query_pos.shape[1] * graph.halo.numel() <= _STORED_TAPER:
        taper = _stored_taper(graph, steepness)

    counts = _counts(graph) if graph.halo.device.type == "cpu" and _kernel_at_hand() else None
    return AttentionPlan(graph, "clusters", taper, _key_channels(graph), steepness, ratio_of(graph), counts)


def _counts(graph: MeshGraph) -> Int[Tensor, " cluster"]:
    """Keys of each cluster up to the last one that is meant."""
    return (graph.halo_valid * torch.arange(1, graph.halo.shape[1] + 1)).amax(dim=1)


def _stored_taper(graph: MeshGraph, steepness: Tensor) -> Float[Tensor, "cluster query key"]:
    """In pieces, for the sake of the memory."""
    clusters = graph.n_clusters
    taper = graph.key_pos.new_empty(clusters, graph.query_pos.shape[1], graph.halo.shape[1])

    for part in range(0, clusters, 64):
        some = slice(part, part + 64)
        taper[some] = taper_of(graph.query_pos[some], graph.key_pos[some], steepness[some])

    return taper


def _key_channels(graph: MeshGraph) -> Float[Tensor, "cluster 2 key 8"]:
    """(x, y, -x^2/2, -xy, -y^2/2, log a, 1, 0) of every key, without parameters, and (x, x, x, x, y, y, y, y)."""
    x, y = graph.key_pos.unbind(-1)
    one = torch.ones_like(x)
    of_key = (x, y, -0.5 * x * x, -x * y, -0.5 * y * y, graph.key_log_area, one, 0 * one)
    of_value = (*[x] * len(LIFTED), *[y] * len(LIFTED))
    return torch.stack([torch.stack(channels, dim=-1) for channels in (of_key, of_value)], dim=1)


def _pack(
    query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan, tokens: slice
) -> Packed:
    """64 channels each, keys and values side by side."""
    lifted = value[..., _SCALARS], value[..., _VECTOR]
    queries = placed_queries(query, localisation, plan, tokens)
    return queries, torch.cat((key, key.new_ones(*key.shape[:-1], 8), value, *lifted, *lifted), dim=-1)


def _attend(packed: Packed, plan: AttentionPlan) -> Float[Tensor, "batch token head 64"]:
    """Content, and moments about the centres of the clusters."""
    graph = plan.graph
    assert plan.place is not None
    assert plan.steepness is not None

    if plan.counts is not None:
        where = (graph.halo, plan.counts, plan.place, graph.query_pos, plan.steepness, plan.taper)
        return cluster_attention(*packed, *where)[0]

    return _attend_with_checkpoints(packed, plan)


@cache
def _kernel_at_hand() -> bool:
    """Whether this PyTorch has the kernel that returns the log-sum-exp; said once if it does not."""
    found = hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")
    if not found:
        log.warning("this PyTorch lacks its attention kernel for CPUs: falling back to a slower one")
    return found


def _attend_with_checkpoints(packed: Packed, plan: AttentionPlan) -> Tensor:
    """The same with what every PyTorch has on every device; chunks are computed again in the backward pass."""
    graph, (query, pairs) = plan.graph, packed
    step = chunk_of_clusters(len(query) * graph.halo.shape[1] * query.shape[2] * query.shape[3], query.device)
    parts = []

    for first in range(0, graph.n_clusters, step):
        clusters = slice(first, min(first + step, graph.n_clusters))
        arguments = (query, pairs, plan, clusters)
        remember = torch.is_grad_enabled() and step < graph.n_clusters
        parts.append(checkpoint(_attend_to, *arguments, use_reentrant=False) if remember else _attend_to(*arguments))

    return torch.cat(parts, dim=1)


def _attend_to(query: Tensor, pairs: Tensor, plan: AttentionPlan, clusters: slice) -> Tensor:
    graph = plan.graph
    assert plan.place is not None
    assert plan.steepness is not None
    halo, place, width = graph.halo[clusters], plan.place[clusters], graph.query_pos.shape[1]
    queries = query[:, clusters.start * width : clusters.stop * width].unflatten(1, (-1, width)).flatten(0, 1)
    rows = pairs.index_select(1, halo.flatten()).unflatten(1, halo.shape).float()
    keys, values = (part[..., :HEAD_CONTENT] for part in rows.chunk(2, dim=-1))
    lifted = values[..., LIFTED].repeat(1, 1, 1, 1, _MOMENTS // len(LIFTED))  # of the content: it is rounded but once
    of_key, of_value = place.unsqueeze(-2).unbind(1)
    placed = of_key.expand(*keys.shape[:-1], -1), lifted * of_value
    keys, values = (torch.cat(both, dim=-1).flatten(0, 1) for both in zip((keys, values), placed, strict=True))

    if plan.taper is None:
        taper = taper_of(graph.query_pos[clusters], graph.key_pos[clusters], plan.steepness[clusters])
    else:
        taper = plan.taper[clusters]

    mask = taper.repeat(len(query), 1, 1).unsqueeze(1)
    queries, keys, values = (tokens.transpose(1, 2) for tokens in (queries, keys, values))
    out = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)

    return out.transpose(1, 2).unflatten(0, (len(query), -1)).flatten(1, 2)


CLUSTERS = Backend(_plan, _pack, _attend, about_queries)

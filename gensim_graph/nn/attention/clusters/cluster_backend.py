"""Backend ``clusters``: keys are gathered for a few clusters at a time, and attended to densely.

With the positions in further channels (:mod:`~gensim_graph.nn.attention.clusters.cluster_positions`) and the taper as a
mask this is plain scaled-dot-product attention, which PyTorch has on every device.
"""

import logging
from dataclasses import dataclass
from functools import cache

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.clusters.cluster_chunks import ChunkTables, chunk_of_clusters, cluster_taper
from gensim_graph.nn.attention.clusters.cluster_kernel import cluster_attention
from gensim_graph.nn.attention.clusters.cluster_positions import (
    QueryPositions,
    add_query_positions,
    moments_about_queries,
    query_positions,
    taper_steepness,
)
from gensim_graph.nn.attention.interface import AttentionInputs, AttentionOutput, AttentionPlan, Backend
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.native import HEAD_CONTENT, MOMENT_SOURCES, POSITION_CHANNELS
from gensim_graph.typing import Float, Int, Tensor

_STORED_TAPER = 2**28
"""Largest taper (numbers) that is kept for all blocks and evaluations: 1 GB, 1.8 million cells. A larger one is
computed again for each chunk of clusters, which costs a tenth more time."""

_SCALARS, _VECTOR = (slice(first, last + 1, last - first) for first, last in (MOMENT_SOURCES[:2], MOMENT_SOURCES[2:]))
"""The sources of the moments as two slices, which are quicker to copy than four."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClusterTables:
    """Tables of the backend.

    Attributes:
        queries: positions of the queries.
        clusters: tables of the clusters.
        with_kernel: True if this PyTorch has an attention kernel for the device that returns the log-sum-exp.
    """

    queries: QueryPositions
    clusters: ChunkTables
    with_kernel: bool


class ClusterBackend(Backend[ClusterTables]):
    """Attention of clusters to gathered halos, with PyTorch's own kernels."""

    def tables(self, graph: MeshGraph) -> ClusterTables:
        """Prepare the tables of the clusters, and the taper if it is small enough to be kept."""
        steepness = taper_steepness(graph)
        stored = graph.query_pos.shape[1] * graph.halo.numel() <= _STORED_TAPER
        taper = _taper_in_parts(graph, steepness, graph.n_clusters if stored else 0)
        channels = _key_channels(graph)
        tables = ChunkTables(graph.halo, _key_counts(graph), channels, graph.query_pos, steepness, taper)
        with_kernel = graph.halo.device.type == "cpu" and _kernel_available()

        return ClusterTables(query_positions(graph), tables, with_kernel)

    def arrange(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        localisation: Localisation,
        plan: AttentionPlan[ClusterTables],
        tokens: slice,
    ) -> AttentionInputs:
        """Append positions to the queries and the sources of moments to the values; keys and values side by side.

        Args:
            query, key, value: (B, t, H, 56).
            localisation: of these queries.
            plan: of the graph.
            tokens: the range, of t tokens.

        Returns:
            Queries (B, t, H, 64) and pairs (B, t, H, 128).
        """
        sources = value[..., _SCALARS], value[..., _VECTOR]
        queries = add_query_positions(query, localisation, plan.tables.queries.part(tokens))
        ones = key.new_ones(*key.shape[:-1], POSITION_CHANNELS)
        return queries, torch.cat((key, ones, value, *sources, *sources), dim=-1)

    def attend(
        self, inputs: AttentionInputs, plan: AttentionPlan[ClusterTables]
    ) -> Float[Tensor, "batch token head 64"]:
        """Attend to the gathered halos.

        Args:
            inputs: of :meth:`arrange`, for all tokens.
            plan: of the graph.

        Returns:
            Content, and moments about the centres of the clusters.
        """
        query, pairs = inputs
        if plan.tables.with_kernel:
            return cluster_attention(query, pairs, *plan.tables.clusters)[0]
        return _attend_with_checkpoints(query, pairs, plan.tables.clusters)

    def finish(self, raw: Tensor, scale: Tensor, plan: AttentionPlan[ClusterTables], tokens: slice) -> AttentionOutput:
        """Shift the moments to the queries.

        Args:
            raw: (B, t, H, 64) output of :meth:`attend`.
            scale: (H,) one over the width of each head.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        return moments_about_queries(raw, scale, plan.tables.queries.part(tokens))


def _key_counts(graph: MeshGraph) -> Int[Tensor, " cluster"]:
    """Number of keys of each cluster up to the last valid one."""
    numbers = torch.arange(1, graph.halo.shape[1] + 1, device=graph.halo.device)
    return (graph.halo_valid * numbers).amax(dim=1)


def _taper_in_parts(graph: MeshGraph, steepness: Tensor, clusters: int) -> Float[Tensor, "cluster query key"]:
    """Taper of the first clusters, computed in parts for the sake of the memory."""
    taper = graph.key_pos.new_empty(clusters, graph.query_pos.shape[1], graph.halo.shape[1])

    for first in range(0, clusters, 64):
        some = slice(first, first + 64)
        taper[some] = cluster_taper(graph.query_pos[some], graph.key_pos[some], steepness[some])

    return taper


def _key_channels(graph: MeshGraph) -> Float[Tensor, "cluster 2 key 8"]:
    """(x, y, -x^2/2, -xy, -y^2/2, log a, 1, 0) of every key, and (x, x, x, x, y, y, y, y) of its value."""
    x, y = graph.key_pos.unbind(-1)
    one = torch.ones_like(x)
    key_channels = (x, y, -0.5 * x * x, -x * y, -0.5 * y * y, graph.key_log_area, one, 0 * one)
    value_channels = (*[x] * len(MOMENT_SOURCES), *[y] * len(MOMENT_SOURCES))
    return torch.stack([torch.stack(channels, dim=-1) for channels in (key_channels, value_channels)], dim=1)


@cache
def _kernel_available() -> bool:
    """Return True if this PyTorch has the kernel that returns the log-sum-exp; log once if it does not."""
    found = hasattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu")
    if not found:
        log.warning("this PyTorch lacks its attention kernel for CPUs: falling back to a slower one")
    return found


def _attend_with_checkpoints(query: Tensor, pairs: Tensor, tables: ChunkTables) -> Tensor:
    """Attend by what every PyTorch has on every device; the backward pass computes each chunk again."""
    clusters, keys = tables.halo.shape
    step = chunk_of_clusters(len(query) * keys * query.shape[2] * query.shape[3], query.device)
    parts = []

    for first in range(0, clusters, step):
        arguments = (query, pairs, tables, slice(first, min(first + step, clusters)))
        remember = torch.is_grad_enabled() and step < clusters
        parts.append(checkpoint(_attend_to, *arguments, use_reentrant=False) if remember else _attend_to(*arguments))

    return torch.cat(parts, dim=1)


def _attend_to(query: Tensor, pairs: Tensor, tables: ChunkTables, clusters: slice) -> Tensor:
    """Attend from a range of clusters."""
    halo, width = tables.halo[clusters], tables.query_pos.shape[1]
    queries = query[:, clusters.start * width : clusters.stop * width].unflatten(1, (-1, width)).flatten(0, 1)
    rows = pairs.index_select(1, halo.flatten()).unflatten(1, halo.shape).float()
    keys, values = _with_channels(rows, tables.channels[clusters])

    if len(tables.taper):
        taper = tables.taper[clusters]
    else:
        key_pos = tables.channels[clusters, 0, :, :2]
        taper = cluster_taper(tables.query_pos[clusters], key_pos, tables.steepness[clusters])

    mask = taper.repeat(len(query), 1, 1).unsqueeze(1)
    queries, keys, values = (tokens.transpose(1, 2) for tokens in (queries, keys, values))
    out = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)

    return out.transpose(1, 2).unflatten(0, (len(query), -1)).flatten(1, 2)


def _with_channels(rows: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
    """Gathered keys and values (batch x cluster, key, head, 64) with positions and moments in their last channels."""
    keys, values = (part[..., :HEAD_CONTENT] for part in rows.chunk(2, dim=-1))
    # Sources are taken from the content, which has been rounded only once.
    sources = values[..., MOMENT_SOURCES].repeat(1, 1, 1, 1, POSITION_CHANNELS // len(MOMENT_SOURCES))
    key_channels, value_channels = channels.unsqueeze(-2).unbind(1)
    keys = torch.cat((keys, key_channels.expand(*keys.shape[:-1], -1)), dim=-1)
    values = torch.cat((values, sources * value_channels), dim=-1)
    return keys.flatten(0, 1), values.flatten(0, 1)


CLUSTERS = ClusterBackend()

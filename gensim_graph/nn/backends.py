"""Backends of the local-subgraph attention, behind one function.

All compute, for every query q and head,

    p_qk = softmax_k( q . k + localisation_qk + log a_k + taper_qk ),
    content_q = sum_k p_qk v_k,          moments_q = scale sum_k p_qk f_k (x_k - x_q) / h_q

with f the channels ``LIFTED`` of v. ``reference`` is the dense masked softmax in float64 over all pairs of tokens:
slow, and what the others are tested against. ``clusters`` gathers the keys of a few clusters at a time and calls
scaled-dot-product attention: the localisation rides in eight extra channels of queries and keys, the moments in
eight extra channels of the values. A new backend is one more row of ``BACKENDS``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.utils.checkpoint import checkpoint

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.localisation import Localisation, taper
from gensim_graph.typing import Float, Tensor

HEAD_CONTENT = 56
"""Content channels of a head; with eight for positions they make 64."""

HEAD_SPINS = (28, 7, 7)
"""Scalars, vectors and tensors among the content channels."""

LIFTED = (0, 1, 28, 35)
"""Channels of the values whose first moment is taken: two scalars and a vector (Re, Im)."""

_CHUNK_ELEMENTS = 2**24
"""Gathered keys (numbers) that the ``clusters`` backend holds at a time."""

_STORED_TAPER = 2**26
"""Taper (numbers) up to which it is kept for all blocks of an evaluation; above, each block makes it again."""

Output = tuple[Float[Tensor, "batch token head content"], Float[Tensor, "batch token head moments"]]


@dataclass(frozen=True)
class AttentionPlan:
    """What all blocks of one evaluation share.

    Attributes:
        graph: positions, areas, halos and the radius of the taper.
        taper: (C, W, K) taper of the clusters, or None where it is too large to keep.
    """

    graph: MeshGraph
    taper: Float[Tensor, "cluster query key"] | None = None


Backend = Callable[[Tensor, Tensor, Tensor, Localisation, AttentionPlan], Output]


def plan_attention(graph: MeshGraph, dtype: torch.dtype, backend: str = "clusters") -> AttentionPlan:
    """Prepare the attention of one evaluation on a graph."""
    if backend not in BACKENDS:
        raise InputError(f"attention backend '{backend}': expected one of {', '.join(BACKENDS)}")
    keep = backend == "clusters" and graph.query_pos.shape[1] * graph.halo.numel() <= _STORED_TAPER
    return AttentionPlan(graph, _taper_mask(graph, slice(0, graph.n_clusters), dtype) if keep else None)


def local_attention(
    query: Float[Tensor, "batch token head content"],
    key: Float[Tensor, "batch token head content"],
    value: Float[Tensor, "batch token head content"],
    localisation: Localisation,
    plan: AttentionPlan,
    backend: str = "clusters",
) -> Output:
    """Attend to the tokens of the own cluster and its halo.

    Args:
        query, key, value: (B, T, H, 56); queries carry their scale.
        localisation: coefficients of each query.
        plan: of :func:`plan_attention`, for the same backend.
        backend: a name in ``BACKENDS``.

    Returns:
        Content (B, T, H, 56) and moments (B, T, H, 8): the lifted channels times dx, then times dy. Rows of padded
        tokens are finite and mean nothing.
    """
    return BACKENDS[backend](query, key, value, localisation, plan)


def _reference(query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan) -> Output:
    """Dense softmax over all pairs of tokens, in float64. O(T^2)."""
    dtype, graph = query.dtype, plan.graph
    query, key, value = query.double(), key.double(), value.double()
    quadratic, linear, scale = localisation.to(torch.float64)
    length = graph.token_length.double()
    position = graph.token_pos.double()
    offset = (position[None, :] - position[:, None]) / length[:, None, None]
    logits = torch.einsum("bqhc,bkhc->bhqk", query, key)
    monomials = torch.stack((offset[..., 0] ** 2, 2 * offset[..., 0] * offset[..., 1], offset[..., 1] ** 2), dim=-1)
    logits = logits - 0.5 * torch.einsum("bqhm,qkm->bhqk", quadratic, monomials)
    logits = logits + torch.einsum("bqhm,qkm->bhqk", linear, offset)
    logits = logits + graph.token_area.double().clamp(min=1e-30).log() + _dense_taper(offset, graph)
    weights = torch.softmax(logits, dim=-1)
    content = torch.einsum("bhqk,bkhc->bqhc", weights, value)
    moments = torch.einsum("bhqk,bkhc,qkm->bqhmc", weights, value[..., LIFTED], offset)
    return content.to(dtype), (moments * scale[:, None, None]).flatten(-2).to(dtype)


def _dense_taper(offset: Tensor, graph: MeshGraph) -> Tensor:
    bias = taper(offset.square().sum(-1) / graph.radius.double()[graph.token_graph, None] ** 2)
    same = graph.token_graph[:, None] == graph.token_graph[None, :]
    allowed = same & graph.token_valid
    # A padded query sees everything, so that its row stays finite.
    bias = torch.where(graph.token_valid[:, None], bias, 0.0)
    return torch.where(allowed, bias, -torch.inf)


def _clusters(query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan) -> Output:
    """Gather the keys of some clusters, attend, go on; the gathered keys are made again in the backward pass."""
    batch, _, heads, content = query.shape
    graph = plan.graph
    per_cluster = batch * graph.halo.shape[1] * heads * content
    chunk = max(1, _CHUNK_ELEMENTS // per_cluster)
    parts = []
    for start in range(0, graph.n_clusters, chunk):
        clusters = slice(start, min(start + chunk, graph.n_clusters))
        arguments = (query, key, value, *localisation, plan, clusters)
        if chunk < graph.n_clusters and torch.is_grad_enabled():
            parts.append(checkpoint(_attend, *arguments, use_reentrant=False))
        else:
            parts.append(_attend(*arguments))
    joined = torch.cat(parts, dim=1)
    return joined[..., :content], joined[..., content:]


def _attend(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    quadratic: Tensor,
    linear: Tensor,
    scale: Tensor,
    plan: AttentionPlan,
    clusters: slice,
) -> Tensor:
    """Attention of a range of clusters: (B, tokens, H, 64), content and moments."""
    batch, graph = len(query), plan.graph
    width = graph.query_pos.shape[1]
    tokens = slice(clusters.start * width, clusters.stop * width)
    dtype = query.dtype
    query_pos, key_pos = graph.query_pos[clusters].to(dtype), graph.key_pos[clusters].to(dtype)
    # Positions are in units of the cluster's reach R: d = ratio (y_k - y_q) with ratio = R / h_q.
    reach = graph.cluster_length[clusters].repeat_interleave(width)
    ratio = (reach / graph.token_length[tokens]).to(dtype)[:, None]
    place = _query_channels(quadratic[:, tokens], linear[:, tokens], query_pos.flatten(0, 1), ratio)
    queries = torch.cat((query[:, tokens], place), dim=-1)
    queries = queries.unflatten(1, (-1, width)).flatten(0, 1).transpose(1, 2)
    keys = _gather(key, graph, clusters, _key_channels(key_pos, graph.key_log_area[clusters].to(dtype)))
    values = _gather_values(value, graph, clusters, key_pos)
    mask = _taper_mask(graph, clusters, dtype) if plan.taper is None else plan.taper[clusters]
    mask = mask.unsqueeze(1) if batch == 1 else mask.repeat(batch, 1, 1).unsqueeze(1)
    out = scaled_dot_product_attention(queries, keys, values, attn_mask=mask, scale=1.0)
    out = out.transpose(1, 2).unflatten(0, (batch, -1)).flatten(1, 2)
    return _centre_moments(out, query_pos.flatten(0, 1), ratio.unsqueeze(-1) * scale[:, None])


def _query_channels(quadratic: Tensor, linear: Tensor, position: Tensor, ratio: Tensor) -> Tensor:
    """(A x_q + b, A_xx, A_xy, A_yy, 1, 0, 0): its dot product with the key channels is the localisation."""
    xx, xy, yy = (quadratic * ratio.unsqueeze(-1) ** 2).unbind(-1)
    bx, by = (linear * ratio.unsqueeze(-1)).unbind(-1)
    x, y = position[:, :1], position[:, 1:]
    one = torch.ones_like(xx)
    zero = torch.zeros_like(xx)
    return torch.stack((xx * x + xy * y + bx, xy * x + yy * y + by, xx, xy, yy, one, zero, zero), dim=-1)


def _key_channels(position: Tensor, log_area: Tensor) -> Tensor:
    """(x, y, -x^2/2, -xy, -y^2/2, log a, 0, 0) of every key, without parameters: (c, K, 8)."""
    x, y = position.unbind(-1)
    zero = torch.zeros_like(x)
    return torch.stack((x, y, -0.5 * x * x, -x * y, -0.5 * y * y, log_area, zero, zero), dim=-1)


def _gather(tokens: Tensor, graph: MeshGraph, clusters: slice, extra: Tensor) -> Tensor:
    """Rows of the keys of each cluster with extra channels: (B c, H, K, 64)."""
    halo = graph.halo[clusters]
    rows = tokens.index_select(1, halo.flatten()).unflatten(1, halo.shape)
    extra = extra.unsqueeze(2).expand(len(rows), *extra.shape[:2], rows.shape[3], extra.shape[-1])
    return torch.cat((rows, extra), dim=-1).flatten(0, 1).transpose(1, 2)


def _gather_values(value: Tensor, graph: MeshGraph, clusters: slice, position: Tensor) -> Tensor:
    halo = graph.halo[clusters]
    rows = value.index_select(1, halo.flatten()).unflatten(1, halo.shape)
    lifted = rows[..., LIFTED]
    x, y = position[..., None, :1], position[..., None, 1:]
    return torch.cat((rows, lifted * x, lifted * y), dim=-1).flatten(0, 1).transpose(1, 2)


def _taper_mask(graph: MeshGraph, clusters: slice, dtype: torch.dtype) -> Tensor:
    """(c, W, K) taper; a padded query sees every key, a padded key is seen by nobody else."""
    query_pos, key_pos = graph.query_pos[clusters], graph.key_pos[clusters]
    width = query_pos.shape[1]
    tokens = slice(clusters.start * width, clusters.stop * width)
    support = graph.token_length[tokens] * graph.radius[graph.token_graph[tokens]]
    steepness = (graph.cluster_length[clusters].repeat_interleave(width) / support).square().reshape(-1, width, 1)
    distance2 = (key_pos[:, None, :] - query_pos[:, :, None]).square().sum(-1)
    bias = taper(distance2 * steepness).masked_fill(~graph.halo_valid[clusters].unsqueeze(1), -torch.inf)
    return torch.where(graph.token_valid[tokens].reshape(-1, width, 1), bias, 0.0).to(dtype)


def _centre_moments(out: Tensor, position: Tensor, factor: Tensor) -> Tensor:
    """Moments about the cluster centre -> moments about the query, in widths of the head."""
    content, moment_x, moment_y = out.split((HEAD_CONTENT, len(LIFTED), len(LIFTED)), dim=-1)
    lifted = content[..., LIFTED]
    x, y = position[:, None, :1], position[:, None, 1:]
    return torch.cat((content, factor * (moment_x - x * lifted), factor * (moment_y - y * lifted)), dim=-1)


BACKENDS: dict[str, Backend] = {"clusters": _clusters, "reference": _reference}

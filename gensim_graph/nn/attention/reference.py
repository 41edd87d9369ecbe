"""Backend ``reference``: dense masked softmax in float64 over all pairs of tokens, O(T^2); the others' yardstick."""

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.heads import LIFTED, AttentionOutput, AttentionPlan, Backend, Packed
from gensim_graph.nn.attention.localisation import Localisation, taper
from gensim_graph.typing import Tensor


def _plan(graph: MeshGraph) -> AttentionPlan:
    return AttentionPlan(graph, "reference")


def _pack(
    query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan, tokens: slice
) -> Packed:
    return query, key, value, localisation.quadratic, localisation.linear


def _attend(packed: Packed, plan: AttentionPlan) -> Tensor:
    dtype, graph = packed[0].dtype, plan.graph
    query, key, value, quadratic, linear = (part.double() for part in packed)
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

    return torch.cat((content, moments.flatten(-2)), dim=-1).to(dtype)


def _dense_taper(offset: Tensor, graph: MeshGraph) -> Tensor:
    bias = taper(offset.square().sum(-1) / graph.radius.double()[graph.token_graph, None] ** 2)
    same = graph.token_graph[:, None] == graph.token_graph[None, :]
    allowed = same & graph.token_valid
    # A padded query sees everything, so that its row stays finite.
    bias = torch.where(graph.token_valid[:, None], bias, 0.0)

    return torch.where(allowed, bias, -torch.inf)


def _finish(raw: Tensor, scale: Tensor, plan: AttentionPlan, tokens: slice) -> AttentionOutput:
    content, moments = raw.split((raw.shape[-1] - 2 * len(LIFTED), 2 * len(LIFTED)), dim=-1)
    return content, moments * scale[:, None]


REFERENCE = Backend(_plan, _pack, _attend, _finish)

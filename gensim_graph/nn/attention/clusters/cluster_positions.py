"""Positions in the channels of a head, about the centres of the clusters.

The localisation is part of the dot product of queries and keys, in eight further channels; the moments are eight
further channels of the values. Positions are relative to the centre of the cluster and in units of its reach R, so
that single precision is enough:

    q = (A x_q + b, A_xx, A_xy, A_yy, 1, s_q, 0),   k = (x, y, -x^2/2, -xy, -y^2/2, log a, 1, 0),
    s_q = -1/2 x_q^T A x_q - b . x_q,               q . k = -1/2 d^T A d + b . d + log a.

s_q drops out of the softmax; with it the rounding errors of the gradient of A are weighted with d, not with x.
"""

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.heads import HEAD_CONTENT, LIFTED, AttentionOutput, AttentionPlan
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.typing import Float, Tensor


def steepness_of(graph: MeshGraph) -> Float[Tensor, "cluster query"]:
    """(reach of the cluster / reach of the query)^2, 0 for padding: s^2 is the squared distance times this."""
    width = graph.query_pos.shape[1]
    support = (graph.token_length * graph.radius[graph.token_graph]).reshape(-1, width)
    return (graph.cluster_length.unsqueeze(1) / support).square() * graph.token_valid.reshape(-1, width)


def ratio_of(graph: MeshGraph) -> Float[Tensor, " token"]:
    """Reach of the cluster over the length of the query."""
    return graph.cluster_length.repeat_interleave(graph.query_pos.shape[1]) / graph.token_length


def placed_queries(
    query: Float[Tensor, "batch some head 56"], localisation: Localisation, plan: AttentionPlan, tokens: slice
) -> Float[Tensor, "batch some head 64"]:
    """Queries with (A x_q + b, A_xx, A_xy, A_yy, 1, s_q, 0), in single precision, which their positions need."""
    ratio, position = (part[tokens] for part in plan.places)
    ratio = ratio[:, None, None]
    xx, xy, yy = (localisation.quadratic * ratio.square()).unbind(-1)
    bx, by = (localisation.linear * ratio).unbind(-1)
    x, y = position.unsqueeze(1).unbind(-1)
    ax, ay = xx * x + xy * y, xy * x + yy * y
    own = -0.5 * (ax * x + ay * y) - bx * x - by * y
    one = torch.ones_like(xx)
    place = torch.stack((ax + bx, ay + by, xx, xy, yy, one, own, 0 * one), dim=-1).to(torch.float32)

    return torch.cat((query.to(place.dtype), place), dim=-1)


def about_queries(raw: Tensor, scale: Tensor, plan: AttentionPlan, tokens: slice) -> AttentionOutput:
    """Content, and moments about the centre of the cluster -> about the query, in widths of the head."""
    ratio, position = (part[tokens] for part in plan.places)
    moments = len(LIFTED)
    content, moment_x, moment_y = raw.split((HEAD_CONTENT, moments, moments), dim=-1)
    lifted = torch.cat([content[..., channel : channel + 1] for channel in LIFTED], dim=-1)
    x, y = position.unsqueeze(1).split(1, dim=-1)
    factor = ratio[:, None, None] * scale[:, None]

    return content, torch.cat((factor * (moment_x - x * lifted), factor * (moment_y - y * lifted)), dim=-1)

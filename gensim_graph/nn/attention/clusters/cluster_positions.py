"""Positions in further channels of a head, seen from the centres of the clusters.

With eight more channels the dot product of queries and keys contains the localisation, and the values contain the
first moments. Positions are relative to the centre of the cluster and in units of its reach R, so that single precision
is enough:

    q = (A x_q + b, A_xx, A_xy, A_yy, 1, s_q, 0),   k = (x, y, -x^2/2, -xy, -y^2/2, log a, 1, 0),
    s_q = -1/2 x_q^T A x_q - b . x_q,               q . k = -1/2 d^T A d + b . d + log a.

s_q drops out of the softmax. It serves the gradient of A: with it, rounding errors are weighted by d and not by x.
"""

from typing import NamedTuple

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.interface import AttentionOutput
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.native import HEAD_CONTENT, MOMENT_SOURCES
from gensim_graph.typing import Float, Tensor


class QueryPositions(NamedTuple):
    """Positions of the queries about the centres of their clusters.

    Attributes:
        ratio: (T,) reach of the cluster over the length of the query.
        position: (T, 2) x, y in units of that reach.
    """

    ratio: Float[Tensor, " token"]
    position: Float[Tensor, "token 2"]

    def part(self, tokens: slice) -> "QueryPositions":
        """Return a range of the tokens."""
        return QueryPositions(self.ratio[tokens], self.position[tokens])


def query_positions(graph: MeshGraph) -> QueryPositions:
    """Return the positions of all queries of a graph."""
    ratio = graph.cluster_length.repeat_interleave(graph.query_pos.shape[1]) / graph.token_length
    return QueryPositions(ratio, graph.query_pos.flatten(0, 1))


def taper_steepness(graph: MeshGraph) -> Float[Tensor, "cluster query"]:
    """(Reach of the cluster / reach of the query)^2, 0 for padding: s^2 is the squared distance times this."""
    width = graph.query_pos.shape[1]
    support = (graph.token_length * graph.radius[graph.token_graph]).reshape(-1, width)
    return (graph.cluster_length.unsqueeze(1) / support).square() * graph.token_valid.reshape(-1, width)


def add_query_positions(
    query: Float[Tensor, "batch some head 56"], localisation: Localisation, queries: QueryPositions
) -> Float[Tensor, "batch some head 64"]:
    """Append the position channels to queries, in single precision, which positions need.

    Args:
        query: (B, t, H, 56) content.
        localisation: of these queries.
        queries: positions of these queries.

    Returns:
        (B, t, H, 64), the last eight channels (A x_q + b, A_xx, A_xy, A_yy, 1, s_q, 0).
    """
    ratio = queries.ratio[:, None, None]
    xx, xy, yy = (localisation.quadratic * ratio.square()).unbind(-1)
    bx, by = (localisation.linear * ratio).unbind(-1)
    x, y = queries.position.unsqueeze(1).unbind(-1)
    ax, ay = xx * x + xy * y, xy * x + yy * y
    itself = -0.5 * (ax * x + ay * y) - bx * x - by * y
    one = torch.ones_like(xx)
    channels = torch.stack((ax + bx, ay + by, xx, xy, yy, one, itself, 0 * one), dim=-1).to(torch.float32)

    return torch.cat((query.to(channels.dtype), channels), dim=-1)


def moments_about_queries(
    raw: Float[Tensor, "batch some head 64"], scale: Float[Tensor, " head"], queries: QueryPositions
) -> AttentionOutput:
    """Shift moments from the centre of the cluster to the query, in widths of the head.

    Args:
        raw: (B, t, H, 64) content, and moments about the centres of the clusters.
        scale: (H,) one over the width of each head, in token lengths.
        queries: positions of these queries.
    """
    moments = len(MOMENT_SOURCES)
    content, moment_x, moment_y = raw.split((HEAD_CONTENT, moments, moments), dim=-1)
    sources = torch.cat([content[..., channel : channel + 1] for channel in MOMENT_SOURCES], dim=-1)
    x, y = queries.position.unsqueeze(1).split(1, dim=-1)
    factor = queries.ratio[:, None, None] * scale[:, None]

    return content, torch.cat((factor * (moment_x - x * sources), factor * (moment_y - y * sources)), dim=-1)

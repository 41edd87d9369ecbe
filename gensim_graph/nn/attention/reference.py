"""Backend ``reference``: dense masked softmax in float64 over all pairs of tokens, O(T^2).

It is slow and simple; the tests compare the other backends with it.
"""

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.interface import AttentionInputs, AttentionOutput, AttentionPlan, Backend
from gensim_graph.nn.attention.localisation import Localisation, taper
from gensim_graph.nn.native import HEAD_CONTENT, MOMENT_SOURCES, POSITION_CHANNELS
from gensim_graph.typing import Tensor


class ReferenceBackend(Backend[None]):
    """Attention in float64 over all pairs; it needs no tables."""

    def tables(self, graph: MeshGraph) -> None:
        """Return nothing: positions, areas and radii are read from the graph."""

    def arrange(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        localisation: Localisation,
        plan: AttentionPlan[None],
        tokens: slice,
    ) -> AttentionInputs:
        """Leave everything as it is.

        Args:
            query, key, value: (B, t, H, 56).
            localisation: of these queries.
            plan, tokens: not used.
        """
        return query, key, value, localisation.quadratic, localisation.linear

    def attend(self, inputs: AttentionInputs, plan: AttentionPlan[None]) -> Tensor:
        """Attend to all tokens in float64.

        Args:
            inputs: of :meth:`arrange`, for all tokens.
            plan: of the graph.

        Returns:
            Content and moments in token lengths (B, T, H, 64), in the precision of the queries.
        """
        graph = plan.graph
        query, key, value, quadratic, linear = (part.double() for part in inputs)
        offset = _offsets(graph)
        dx, dy = offset.unbind(-1)
        monomials = torch.stack((dx**2, 2 * dx * dy, dy**2), dim=-1)

        logits = torch.einsum("bqhc,bkhc->bhqk", query, key)
        logits = logits - 0.5 * torch.einsum("bqhm,qkm->bhqk", quadratic, monomials)
        logits = logits + torch.einsum("bqhm,qkm->bhqk", linear, offset)
        logits = logits + graph.token_area.double().clamp(min=1e-30).log() + _dense_taper(offset, graph)
        weights = torch.softmax(logits, dim=-1)

        content = torch.einsum("bhqk,bkhc->bqhc", weights, value)
        moments = torch.einsum("bhqk,bkhc,qkm->bqhmc", weights, value[..., MOMENT_SOURCES], offset)
        return torch.cat((content, moments.flatten(-2)), dim=-1).to(inputs[0].dtype)

    def finish(self, raw: Tensor, scale: Tensor, plan: AttentionPlan[None], tokens: slice) -> AttentionOutput:
        """Scale the moments.

        Args:
            raw: (B, t, H, 64) output of :meth:`attend`.
            scale: (H,) one over the width of each head.
            plan, tokens: not used.
        """
        content, moments = raw.split((HEAD_CONTENT, POSITION_CHANNELS), dim=-1)
        return content, moments * scale[:, None]


def _offsets(graph: MeshGraph) -> Tensor:
    """(x_k - x_q) / h_q of all pairs (query, key, 2)."""
    position, length = graph.token_pos.double(), graph.token_length.double()
    return (position[None, :] - position[:, None]) / length[:, None, None]


def _dense_taper(offset: Tensor, graph: MeshGraph) -> Tensor:
    """Taper (query, key), -inf for padded keys and keys of other graphs."""
    bias = taper(offset.square().sum(-1) / graph.radius.double()[graph.token_graph, None] ** 2)
    same = graph.token_graph[:, None] == graph.token_graph[None, :]
    allowed = same & graph.token_valid
    # A padded query sees everything, so that its row stays finite.
    bias = torch.where(graph.token_valid[:, None], bias, 0.0)

    return torch.where(allowed, bias, -torch.inf)


REFERENCE = ReferenceBackend()

"""Local-subgraph attention on features with a spin.

Every head has 64 channels: 28 scalars, 7 vectors and 7 tensors of content (56 real numbers), and 8 for positions. The
product of a query and a key is the real part of q conj(k), which does not change when the frame turns. The moments of
the attention, sum_k p_qk f_k (x_k - x_q), tell the query the *direction* in which it found something: the gradient of a
scalar; the divergence, curl and shear of a vector. They take the place of rotary embeddings, as no rotary embedding of
the plane with finitely many channels is invariant to rotations.
"""

import math
from typing import Any

import torch
from torch import nn

from gensim_graph.nn.attention.backends import BACKENDS
from gensim_graph.nn.attention.interface import AttentionInputs, AttentionPlan, HeadWeights
from gensim_graph.nn.attention.localisation import LocalisationHead
from gensim_graph.nn.native import HEAD_CONTENT, HEAD_SPINS, MOMENT_SPINS
from gensim_graph.nn.spin import SpinLinear, Spins
from gensim_graph.typing import Float, Tensor


class LocalAttention(nn.Module):
    """Multi-head attention within the radius of the graph.

    Args:
        spins: channels in and out.
        heads: number of heads.
    """

    def __init__(self, spins: Spins, heads: int) -> None:
        super().__init__()
        self.heads = heads
        n, m, k = HEAD_SPINS
        self.project = SpinLinear(spins, Spins(heads * (3 * n + 1), heads * (3 * m + 1), heads * (3 * k + 1)))
        self.localise = LocalisationHead(heads)
        self.query_scale = nn.Parameter(torch.ones(heads, n + m + k))
        self.key_scale = nn.Parameter(torch.ones(heads, n + m + k))
        joined = (heads * (width + further) for width, further in zip(HEAD_SPINS, MOMENT_SPINS, strict=True))
        self.out = SpinLinear(Spins(*joined), spins)

    def forward(
        self, features: Float[Tensor, "batch token channel"], plan: AttentionPlan[Any]
    ) -> Float[Tensor, "batch token channel"]:
        """Attend to neighbouring tokens; same shape.

        Args:
            features: (B, T, D) of all tokens.
            plan: of the graph.
        """
        tokens = slice(0, features.shape[1])
        raw = self.attend(self.split_heads(self.project(features), self.weights, plan, tokens), plan)
        return self.out(self.join_heads(raw, self.weights, plan, tokens))

    @property
    def weights(self) -> HeadWeights:
        """Weights of the heads, ready for use by the stages."""
        spins = Spins(*HEAD_SPINS)
        query_scale = spins.spread(self.query_scale) / math.sqrt(HEAD_CONTENT)
        return HeadWeights(query_scale, spins.spread(self.key_scale), self.localise.clamped)

    def split_heads(
        self,
        projected: Float[Tensor, "batch some channel"],
        weights: HeadWeights,
        plan: AttentionPlan[Any],
        tokens: slice,
    ) -> AttentionInputs:
        """Make the inputs of :meth:`attend`: queries, keys and values, normalised, with positions.

        Args:
            projected: (B, t, D) features of a range of tokens after ``project``.
            weights: of the heads.
            plan: of the graph.
            tokens: the range, of t tokens.
        """
        return BACKENDS[plan.backend].split_heads(projected, weights, plan, tokens)

    def attend(self, inputs: AttentionInputs, plan: AttentionPlan[Any]) -> Float[Tensor, "batch token head any"]:
        """Attend: the only stage in which tokens see each other.

        Args:
            inputs: of :meth:`split_heads`, for all tokens.
            plan: of the graph.
        """
        return BACKENDS[plan.backend].attend(inputs, plan)

    def join_heads(
        self,
        raw: Float[Tensor, "batch some head any"],
        weights: HeadWeights,
        plan: AttentionPlan[Any],
        tokens: slice,
    ) -> Float[Tensor, "batch some channel"]:
        """Make features by spin, the input of ``out``, from the output of :meth:`attend`.

        Args:
            raw: output of a range of tokens.
            weights: of the heads.
            plan: of the graph.
            tokens: the range.
        """
        return BACKENDS[plan.backend].join_heads(raw, weights, plan, tokens)

"""Block of the operator: attention between tokens, then a gated network on each token, both as residuals.

The input of both is normalised, and their input and output are scaled by flow time and spacing. Only the attention
connects tokens; all other steps treat every token on its own and run in chunks (:mod:`~gensim_graph.nn.chunks`).
"""

from functools import partial

import torch
from torch import nn

from gensim_graph.nn.attention import AttentionInputs, AttentionPlan, HeadWeights, LocalAttention
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import Modulation, Scales
from gensim_graph.nn.gate import SpinParts
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins, rms_normalise
from gensim_graph.typing import Float, Tensor

Shared = tuple[Scales, Tensor]
"""Scales of the modulation, and scale of a norm."""


class Block(nn.Module):
    """Pre-norm transformer block on tokens.

    Args:
        spins: channels.
        heads: number of attention heads.
        embedding: width of the flow-time embedding.
        expansion: ratio of hidden to outer width of the gated network.
    """

    def __init__(self, spins: Spins, heads: int, embedding: int, expansion: float) -> None:
        super().__init__()
        self.spins = spins
        self.attention_norm, self.mlp_norm = SpinNorm(spins), SpinNorm(spins)
        self.modulation = Modulation(embedding, spins, 4, (1.0, 0.3, 1.0, 0.3))
        self.attention = LocalAttention(spins, heads)
        self.mlp = SpinMLP(spins, spins, round(expansion * spins.scalar), round(expansion * spins.vector))

    def forward(
        self,
        features: Float[Tensor, "batch token channel"],
        embedding: Float[Tensor, "batch graph embedding"],
        plan: AttentionPlan,
    ) -> Float[Tensor, "batch token channel"]:
        """Apply the block.

        Args:
            features: (B, T, D) of all tokens.
            embedding: (B, G, embedding) of the flow times.
            plan: plan of the graph.
        """
        graph = plan.graph
        scales = self.modulation(embedding, graph.token_length / 2, graph.token_graph)
        apply = self._apply_with_gradients if torch.is_grad_enabled() else self._apply_without_gradients
        return apply(features, scales, plan)

    def _apply_with_gradients(self, features: Tensor, scales: Scales, plan: AttentionPlan) -> Tensor:
        """Apply the steps one after the other, each in chunks, with the matrix products between them."""
        attention, weights = self.attention, self.attention.weights
        split_heads, join_heads = partial(self._split_heads, plan), partial(self._join_heads, plan)
        project, out = attention.project.assemble().matrices, attention.out.assemble().matrices
        up, down = self.mlp.up.assemble().matrices, self.mlp.down.assemble().matrices

        shared = (scales, self.attention_norm.spread)
        (projected,) = in_chunks(self._before_attention, shared, features, matrices=project)
        raw = attention.attend(in_chunks(split_heads, weights, projected), plan)
        (attended,) = in_chunks(join_heads, weights, raw, matrices=out)

        shared = (scales, self.mlp_norm.spread)
        (hidden,) = in_chunks(self._before_mlp, shared, features, attended, matrices=up)
        (update,) = in_chunks(self._gate, None, hidden, matrices=down)

        return in_chunks(self._add, scales, features, attended, update)[0]

    def _apply_without_gradients(self, features: Tensor, scales: Scales, plan: AttentionPlan) -> Tensor:
        """Apply all steps before the attention, and all steps after it, in one pass over the chunks.

        No intermediate result besides inputs and output of the attention then exists for all tokens.
        """
        attention, weights = self.attention, self.attention.weights
        project, out = attention.project.assemble(), attention.out.assemble()
        up, down = self.mlp.up.assemble(), self.mlp.down.assemble()
        attention_shared, mlp_shared = (scales, self.attention_norm.spread), (scales, self.mlp_norm.spread)

        def first_half(tokens: slice, _: None, x: Tensor) -> AttentionInputs:
            projected = project.of_parts(*self._before_attention(tokens, attention_shared, x))
            return self._split_heads(plan, tokens, weights, projected)

        def second_half(tokens: slice, _: None, x: Tensor, raw: Tensor) -> tuple[Tensor]:
            attended = out.of_parts(*self._join_heads(plan, tokens, weights, raw))
            hidden = up.of_parts(*self._before_mlp(tokens, mlp_shared, x, attended))
            update = down.of_parts(*self._gate(tokens, None, hidden))
            return self._add(tokens, scales, x, attended, update)

        raw = attention.attend(in_chunks(first_half, None, features), plan)

        return in_chunks(second_half, None, features, raw)[0]

    # The steps on a slice of tokens; their first arguments are those of a function of `in_chunks`.

    def _before_attention(self, tokens: slice, shared: Shared, x: Tensor) -> SpinParts:
        scales, norm = shared
        return self.spins.split_for_products(rms_normalise(x, norm) * scales(0, tokens))

    def _split_heads(
        self, plan: AttentionPlan, tokens: slice, weights: HeadWeights, projected: Tensor
    ) -> AttentionInputs:
        return self.attention.split_heads(projected, weights, plan, tokens)

    def _join_heads(self, plan: AttentionPlan, tokens: slice, weights: HeadWeights, raw: Tensor) -> SpinParts:
        joined = self.attention.join_heads(raw, weights, plan, tokens)
        return self.attention.out.spins_in.split_for_products(joined)

    def _before_mlp(self, tokens: slice, shared: Shared, x: Tensor, attended: Tensor) -> SpinParts:
        scales, norm = shared
        normed = rms_normalise(x + scales(1, tokens) * attended, norm)
        return self.spins.split_for_products(normed * scales(2, tokens))

    def _gate(self, tokens: slice, _: None, hidden: Tensor) -> SpinParts:
        return self.mlp.gate(hidden)

    def _add(self, tokens: slice, scales: Scales, x: Tensor, attended: Tensor, update: Tensor) -> tuple[Tensor]:
        return (x + scales(1, tokens) * attended + scales(3, tokens) * update,)


class LongSkip(nn.Module):
    """Interpolation towards the features of an earlier block, lerp(x, skip, g), with one learned g for each channel.

    The long skips of GenSIM.

    Args:
        spins: channels.
    """

    def __init__(self, spins: Spins) -> None:
        super().__init__()
        self.spins = spins
        self.logit = nn.Parameter(torch.full((spins.channels,), -1.0))

    def forward(
        self, features: Float[Tensor, "batch token channel"], skip: Float[Tensor, "batch token channel"]
    ) -> Float[Tensor, "batch token channel"]:
        """Interpolate.

        Args:
            features: (B, T, D).
            skip: (B, T, D) features of the earlier block.
        """
        return torch.lerp(features, skip, self.spins.spread(torch.sigmoid(self.logit)))

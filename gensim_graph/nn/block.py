"""A block: attention, then the gated network, both normalised before and gated after by flow time and spacing.

All but the attention looks at one token at a time, and is done on some tokens at a time.
"""

import torch
from torch import nn

from gensim_graph.nn.attention import AttentionPlan, HeadWeights, LocalAttention, Packed
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import Modulation, Scales
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins, rms_normalise
from gensim_graph.typing import Float, Tensor

Shared = tuple[Scales, tuple[Tensor, Tensor]]
"""Scales of the modulation, and of the two norms."""

SpinParts = tuple[Tensor, Tensor, Tensor]
"""Scalars, vectors and tensors."""


class Block(nn.Module):
    """Pre-norm transformer block on tokens.

    Args:
        spins: channels.
        heads: attention heads.
        embedding: width of the flow-time embedding.
        expansion: hidden over outer width of the gated network.
    """

    def __init__(self, spins: Spins, heads: int, embedding: int, expansion: float) -> None:
        super().__init__()
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
        """Same shape."""
        graph, attention = plan.graph, self.attention
        scales = self.modulation(embedding, graph.token_length / 2, graph.token_graph)
        project, out = attention.project.assemble(), attention.out.assemble()
        up, down = self.mlp.up.assemble(), self.mlp.down.assemble()
        norms = self.attention_norm.spread, self.mlp_norm.spread

        def before_attention(tokens: slice, shared: Shared, x: Tensor) -> SpinParts:
            scales, (norm, _) = shared
            return up.spins.split(rms_normalise(x, norm) * scales(0, tokens))

        def look(tokens: slice, weights: HeadWeights, projected: Tensor) -> Packed:
            return attention.look(projected, weights, plan, tokens)

        def see(tokens: slice, weights: HeadWeights, raw: Tensor) -> SpinParts:
            return out.spins.split(attention.see(raw, weights, plan, tokens))

        def before_mlp(tokens: slice, shared: Shared, x: Tensor, seen: Tensor) -> SpinParts:
            scales, (_, norm) = shared
            return up.spins.split(rms_normalise(x + scales(1, tokens) * seen, norm) * scales(2, tokens))

        def gate(tokens: slice, _: None, hidden: Tensor) -> SpinParts:
            return self.mlp.gate(hidden)

        def add(tokens: slice, scales: Scales, x: Tensor, seen: Tensor, change: Tensor) -> tuple[Tensor]:
            return (x + scales(1, tokens) * seen + scales(3, tokens) * change,)

        weights, shared = attention.weights, (scales, norms)

        if torch.is_grad_enabled():
            (projected,) = in_chunks(before_attention, shared, features, matrices=project.matrices)
            raw = attention.attend(in_chunks(look, weights, projected), plan)
            (seen,) = in_chunks(see, weights, raw, matrices=out.matrices)
            (hidden,) = in_chunks(before_mlp, shared, features, seen, matrices=up.matrices)
            (change,) = in_chunks(gate, None, hidden, matrices=down.matrices)
            return in_chunks(add, scales, features, seen, change)[0]

        # Without a backward pass nothing in between need ever be there for all tokens.
        def first(tokens: slice, _: None, x: Tensor) -> Packed:
            return look(tokens, weights, project.of_parts(*before_attention(tokens, shared, x)))

        def second(tokens: slice, _: None, x: Tensor, raw: Tensor) -> tuple[Tensor]:
            seen = out.of_parts(*see(tokens, weights, raw))
            hidden = up.of_parts(*before_mlp(tokens, shared, x, seen))
            return add(tokens, scales, x, seen, down.of_parts(*gate(tokens, None, hidden)))

        raw = attention.attend(in_chunks(first, None, features), plan)

        return in_chunks(second, None, features, raw)[0]


class LongSkip(nn.Module):
    """Interpolate towards the features of an earlier block: lerp(x, skip, g), g learned per channel (GenSIM)."""

    def __init__(self, spins: Spins) -> None:
        super().__init__()
        self.spins = spins
        self.logit = nn.Parameter(torch.full((spins.channels,), -1.0))

    def forward(
        self, features: Float[Tensor, "batch token channel"], skip: Float[Tensor, "batch token channel"]
    ) -> Float[Tensor, "batch token channel"]:
        """Same shape."""
        return torch.lerp(features, skip, self.spins.spread(torch.sigmoid(self.logit)))

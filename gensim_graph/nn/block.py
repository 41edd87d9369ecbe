"""A block: attention, then the gated network, both normalised before and gated after by flow time and spacing.

All but the attention looks at one token at a time, and is done on some tokens at a time.
"""

import torch
from torch import nn

from gensim_graph.nn.attention import LocalAttention
from gensim_graph.nn.chunks import in_chunks, stage
from gensim_graph.nn.embedding import Modulation, Scales
from gensim_graph.nn.heads import AttentionPlan, Packed
from gensim_graph.nn.spin import SpinMap, SpinMLP, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


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
        graph = plan.graph
        scales = self.modulation(embedding, graph.token_length / 2, graph.token_graph)
        project, out, mlp = self.attention.project.assemble(), self.attention.out.assemble(), self.mlp.assemble()

        def look(tokens: slice, features: Tensor) -> Packed:
            projected = stage(lambda x: self._before_attention(x, scales, tokens, project), features)
            return stage(lambda projected: self.attention.look(projected, plan, tokens), projected)

        def combine(tokens: slice, features: Tensor, raw: Tensor) -> tuple[Tensor]:
            seen = stage(lambda raw: out(self.attention.see(raw, plan, tokens)), raw)
            features = stage(lambda x, seen: x + scales(1, tokens) * seen, features, seen)
            hidden = stage(lambda x: mlp.up(self.mlp_norm(x) * scales(2, tokens)), features)
            change = stage(mlp.down, hidden)
            return (stage(lambda x, change: x + scales(3, tokens) * change, features, change),)

        packed = in_chunks(look, features)
        return in_chunks(combine, features, self.attention.attend(packed, plan))[0]

    def _before_attention(self, features: Tensor, scales: Scales, tokens: slice, project: SpinMap) -> Tensor:
        return project(self.attention_norm(features) * scales(0, tokens))


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

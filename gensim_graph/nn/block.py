"""A block: attention, then the gated network, both normalised before and gated after by flow time and spacing."""

import torch
from torch import nn

from gensim_graph.nn.attention import LocalAttention
from gensim_graph.nn.backends import AttentionPlan
from gensim_graph.nn.embedding import Modulation, log_length
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


class Block(nn.Module):
    """Pre-norm transformer block on tokens.

    Args:
        spins: channels.
        heads: attention heads.
        embedding: width of the flow-time embedding.
        expansion: hidden over outer width of the gated network.
        backend: attention backend.
    """

    def __init__(self, spins: Spins, heads: int, embedding: int, expansion: float, backend: str) -> None:
        super().__init__()
        self.attention_norm, self.mlp_norm = SpinNorm(spins), SpinNorm(spins)
        self.modulation = Modulation(embedding, spins, 4, (1.0, 0.3, 1.0, 0.3))
        self.attention = LocalAttention(spins, heads, backend)
        self.mlp = SpinMLP(spins, spins, round(expansion * spins.scalar), round(expansion * spins.vector))

    def forward(
        self,
        features: Float[Tensor, "batch token channel"],
        embedding: Float[Tensor, "batch graph embedding"],
        plan: AttentionPlan,
    ) -> Float[Tensor, "batch token channel"]:
        """Same shape."""
        spacing = log_length(plan.graph.token_length / 2)
        scale, gate, mlp_scale, mlp_gate = self.modulation(embedding, spacing, plan.graph.token_graph)
        features = features + gate * self.attention(self.attention_norm(features) * scale, plan)
        return features + mlp_gate * self.mlp(self.mlp_norm(features) * mlp_scale)


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

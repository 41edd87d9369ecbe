"""Local-subgraph attention on features with a spin.

Every head has 64 channels: 28 scalars, 7 vectors and 7 tensors of content (56 real numbers) and 8 for the
localisation. The product of a query and a key is the real part of q conj(k), which does not change when the frame
turns; the moments of the attention, sum_k p_qk f_k (x_k - x_q), tell the query *where* what it found lies (the
gradient of a scalar, the divergence, curl and shear of a vector). They do here what rotary embeddings do elsewhere:
no rotary embedding of the plane with finitely many channels is invariant to rotations.
"""

import math

import torch
from torch import nn

from gensim_graph.nn.attention.backends import BACKENDS
from gensim_graph.nn.attention.heads import HEAD_CONTENT, HEAD_SPINS, AttentionPlan, HeadWeights, Packed
from gensim_graph.nn.attention.localisation import LocalisationHead, localise
from gensim_graph.nn.attention.split import split_heads
from gensim_graph.nn.native import native_serves
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
        self.out = SpinLinear(Spins(heads * (n + 2), heads * (m + 2), heads * (k + 1)), spins)

    def forward(
        self, features: Float[Tensor, "batch token channel"], plan: AttentionPlan
    ) -> Float[Tensor, "batch token channel"]:
        """Same shape."""
        tokens = slice(0, features.shape[1])
        raw = self.attend(self.look(self.project(features), self.weights, plan, tokens), plan)
        return self.out(self.see(raw, self.weights, plan, tokens))

    @property
    def weights(self) -> HeadWeights:
        """Weights of the heads, as the stages want to have them."""
        spins = Spins(*HEAD_SPINS)
        query_scale = spins.spread(self.query_scale) / math.sqrt(HEAD_CONTENT)
        return HeadWeights(query_scale, spins.spread(self.key_scale), self.localise.clamped)

    def look(
        self, projected: Float[Tensor, "batch some channel"], weights: HeadWeights, plan: AttentionPlan, tokens: slice
    ) -> Packed:
        """What the backend wants to have of a range of tokens: queries, keys and values, normalised and placed."""
        backend = BACKENDS[plan.backend]
        if backend.look is not None and native_serves(projected, *weights, *plan.places):
            return backend.look(projected, weights, plan, tokens)

        query, key, value, place = split_heads(projected, weights.query_scale, weights.key_scale)
        localisation = localise(weights.log_scale, place[..., 0], place[..., 1:3], place[..., 3:5])
        return backend.pack(query, key, value, localisation, plan, tokens)

    def attend(self, packed: Packed, plan: AttentionPlan) -> Float[Tensor, "batch token head any"]:
        """Attend: the one stage in which tokens see each other."""
        return BACKENDS[plan.backend].attend(packed, plan)

    def see(
        self,
        raw: Float[Tensor, "batch some head any"],
        weights: HeadWeights,
        plan: AttentionPlan,
        tokens: slice,
    ) -> Float[Tensor, "batch some channel"]:
        """What a range of tokens has seen, by spin: the input of the last linear map, ``out``."""
        backend = BACKENDS[plan.backend]
        if backend.see is not None and native_serves(raw, *weights, *plan.places):
            return backend.see(raw, weights, plan, tokens)
        return self._join(*backend.finish(raw, weights.log_scale.exp(), plan, tokens))

    def _join(self, content: Tensor, moments: Tensor) -> Tensor:
        """Content and moments of the heads -> channels by spin."""
        n, m, k = HEAD_SPINS
        s, vr, vi, wr, wi = content.split((n, m, m, k, k), dim=-1)
        fx, gx, ux, vx, fy, gy, uy, vy = moments.split(1, dim=-1)

        parts = (
            # f (dx + i dy); (u + i v)(dx - i dy), its divergence and curl; (u + i v)(dx + i dy), its shear
            *(s, ux + vy, vx - uy),
            *(vr, fx, gx),
            *(vi, fy, gy),
            *(wr, ux - vy),
            *(wi, vx + uy),
        )
        groups = (parts[0:3], parts[3:6], parts[6:9], parts[9:11], parts[11:13])

        return torch.cat([torch.cat(group, dim=-1).flatten(-2) for group in groups], dim=-1)

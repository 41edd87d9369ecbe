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

from gensim_graph.nn.backends import HEAD_CONTENT, HEAD_SPINS, AttentionPlan, local_attention
from gensim_graph.nn.localisation import LocalisationHead
from gensim_graph.nn.spin import SpinLinear, Spins
from gensim_graph.typing import Float, Tensor


class LocalAttention(nn.Module):
    """Multi-head attention within the radius of the graph.

    Args:
        spins: channels in and out.
        heads: number of heads.
        backend: a name in :data:`gensim_graph.nn.backends.BACKENDS`.
    """

    def __init__(self, spins: Spins, heads: int, backend: str = "clusters") -> None:
        super().__init__()
        self.heads, self.backend = heads, backend
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
        query, key, value, place = self._heads(self.project(features))
        query = _normalise(query, self.query_scale / math.sqrt(HEAD_CONTENT))
        key = _normalise(key, self.key_scale)
        localisation = self.localise(place[..., 0], place[..., 1:3], place[..., 3:5])
        content, moments = local_attention(query, key, value, localisation, plan, self.backend)
        return self.out(self._join(content, moments))

    def _heads(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Channels -> query, key, value (B, T, H, 56) and what the localisation is made of (B, T, H, 5)."""
        scalar, vector, tensor = self.project.spins_out.split(projected)
        n, m, k = HEAD_SPINS
        scalar = scalar.unflatten(-1, (self.heads, 3 * n + 1)).split((n, n, n, 1), dim=-1)
        vector = vector.unflatten(-1, (2, self.heads, 3 * m + 1)).split((m, m, m, 1), dim=-1)
        tensor = tensor.unflatten(-1, (2, self.heads, 3 * k + 1)).split((k, k, k, 1), dim=-1)
        query, key, value, place = (
            torch.cat((s, v[..., 0, :, :], v[..., 1, :, :], w[..., 0, :, :], w[..., 1, :, :]), dim=-1)
            for s, v, w in zip(scalar, vector, tensor, strict=True)
        )
        return query, key, value, place

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


def _normalise(heads: Tensor, scale: Tensor) -> Tensor:
    """RMS norm of each head (Henry et al. 2020), with a learned scale a channel."""
    return nn.functional.rms_norm(heads, heads.shape[-1:], eps=1e-6) * Spins(*HEAD_SPINS).spread(scale)

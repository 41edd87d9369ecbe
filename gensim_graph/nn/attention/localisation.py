"""Soft localisation: each head learns how far, and in which direction, it looks.

The logit of a key k for a query q gains, with d = (x_k - x_q) / h_q in token lengths,

    -1/2 d^T A d + b . d + log a_k + taper(|d| / r),      taper(s) = 2 log(1 - s^2)

A is symmetric positive definite and b a shift (upstream, say), both predicted for each query and head; a_k is the
area of the key, so that the softmax is an integral over the domain and has a limit as the mesh is refined; the
taper ends it smoothly at r. In channels that turn: A = a (1 + anisotropy), a from spin 0, the anisotropy from spin
2, b from spin 1.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from gensim_graph.typing import Float, Tensor

NARROWEST, WIDEST = 0.7, 5.0
"""Widths (standard deviations in token lengths) of the heads at initialisation, spaced geometrically."""


class Localisation(NamedTuple):
    """Quadratic and linear coefficients of the localisation of every query.

    Attributes:
        quadratic: (B, T, H, 3) A_xx, A_xy, A_yy in token lengths^-2.
        linear: (B, T, H, 2) b in token lengths^-1.
        scale: (H,) square root of the isotropic part a at rest: one over the width of the head.
    """

    quadratic: Float[Tensor, "batch token head 3"]
    linear: Float[Tensor, "batch token head 2"]
    scale: Float[Tensor, " head"]

    def to(self, dtype: torch.dtype) -> "Localisation":
        """Same in another precision."""
        return Localisation(*(part.to(dtype) for part in self))


class LocalisationHead(nn.Module):
    """Turn predicted channels into a localisation.

    The isotropic part may change by a factor exp(+-1.5), the axes of the ellipse by a factor of at most 3, the centre
    by two widths, whatever the network says: a head cannot lose its support.
    """

    def __init__(self, heads: int) -> None:
        super().__init__()
        widths = torch.logspace(math.log10(NARROWEST), math.log10(WIDEST), heads)
        self.log_scale = nn.Parameter(-widths.log())

    def forward(
        self,
        scalar: Float[Tensor, "batch token head"],
        vector: Float[Tensor, "batch token head 2"],
        tensor: Float[Tensor, "batch token head 2"],
    ) -> Localisation:
        """Predicted channels of spin 0, 1 and 2 -> coefficients."""
        return localise(self.clamped, scalar, vector, tensor)

    @property
    def clamped(self) -> Float[Tensor, " head"]:
        """Logarithm of one over the width of each head at rest."""
        return self.log_scale.clamp(min=-2.5, max=0.7)


def localise(
    log_scale: Float[Tensor, " head"],
    scalar: Float[Tensor, "batch token head"],
    vector: Float[Tensor, "batch token head 2"],
    tensor: Float[Tensor, "batch token head 2"],
) -> Localisation:
    """Predicted channels of spin 0, 1 and 2 -> coefficients of heads of a width."""
    isotropic = torch.exp(2 * log_scale + 1.5 * torch.tanh(scalar))
    real, imaginary = ((0.8 * isotropic).unsqueeze(-1) * _squash(tensor)).unbind(-1)
    quadratic = torch.stack((isotropic + real, imaginary, isotropic - real), dim=-1)
    linear = 2 * isotropic.sqrt().unsqueeze(-1) * _squash(vector)
    return Localisation(quadratic, linear, log_scale.exp())


def _squash(vector: Tensor) -> Tensor:
    """Keep the direction, bring the length below one."""
    return vector * torch.rsqrt(1 + vector.square().sum(-1, keepdim=True))


def taper(distance2: Tensor) -> Tensor:
    """2 log(1 - s^2) of the squared distance in radii; -inf from the radius on."""
    inside = distance2 < 1
    return torch.where(inside, 2 * torch.log1p(-torch.where(inside, distance2, 0.0)), -torch.inf)

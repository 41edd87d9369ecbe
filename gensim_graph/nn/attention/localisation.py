"""Soft localisation: every head learns how far, and in which direction, it looks.

The logit of a key k for a query q gains, with d = (x_k - x_q) / h_q in token lengths,

    -1/2 d^T A d + b . d + log a_k + taper(|d| / r),      taper(s) = 2 log(1 - s^2)

A is symmetric and positive definite, b a shift (upstream, for example); the network predicts both for each query and
head. a_k is the area of the key: with it the softmax is an integral over the domain, which has a limit as the mesh is
refined. The taper brings the weight smoothly to zero at the radius r. In channels that turn with the frame: A = a (1 +
anisotropy), with a from a scalar, the anisotropy from a tensor and b from a vector.
"""

import math
from typing import NamedTuple

import torch
from torch import nn

from gensim_graph.nn.native import ANISOTROPY, ISOTROPIC_RANGE, SHIFT
from gensim_graph.typing import Float, Tensor

NARROWEST, WIDEST = 0.7, 5.0
"""Widths (standard deviations in token lengths) of the heads at initialisation, spaced geometrically."""


class Localisation(NamedTuple):
    """Quadratic and linear coefficients of the localisation of every query.

    Attributes:
        quadratic: (B, T, H, 3) A_xx, A_xy, A_yy in token lengths^-2.
        linear: (B, T, H, 2) b in token lengths^-1.
        scale: (H,) square root of the isotropic part a if the network predicts zeros: one over the width of the head.
    """

    quadratic: Float[Tensor, "batch token head 3"]
    linear: Float[Tensor, "batch token head 2"]
    scale: Float[Tensor, " head"]


class LocalisationHead(nn.Module):
    """Localisation from the channels that the network predicts.

    The isotropic part changes by a factor of at most exp(1.5), the axes of the ellipse by a factor of at most 3, the
    centre by at most two widths, whatever the network predicts: a head cannot lose its support.

    Args:
        heads: number of heads.

    Example:
        At initialisation, and if the network predicts zeros, the heads are isotropic and centred:

        >>> import torch
        >>> from gensim_graph.nn.attention import LocalisationHead
        >>> heads, tokens = 3, 5
        >>> scalar, vector = torch.zeros(1, tokens, heads), torch.zeros(1, tokens, heads, 2)
        >>> localisation = LocalisationHead(heads)(scalar, vector, vector)
        >>> [round(width, 2) for width in (1 / localisation.scale).tolist()]  # in token lengths
        [0.7, 1.87, 5.0]
        >>> [round(part, 2) for part in localisation.quadratic[0, 0, 0].tolist()]  # A_xx, A_xy, A_yy
        [2.04, 0.0, 2.04]
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
        """Compute the coefficients from predicted channels.

        Args:
            scalar: (B, T, H) isotropic part.
            vector: (B, T, H, 2) direction of the shift, in the frame of the graph.
            tensor: (B, T, H, 2) anisotropic part (Re, Im), in the frame of the graph.
        """
        return localise(self.clamped, scalar, vector, tensor)

    @property
    def clamped(self) -> Float[Tensor, " head"]:
        """Logarithm of one over the width of each head (in token lengths), within bounds."""
        return self.log_scale.clamp(min=-2.5, max=0.7)


def localise(
    log_scale: Float[Tensor, " head"],
    scalar: Float[Tensor, "batch token head"],
    vector: Float[Tensor, "batch token head 2"],
    tensor: Float[Tensor, "batch token head 2"],
) -> Localisation:
    """Compute the localisation of heads of a given width.

    Args:
        log_scale: (H,) logarithm of one over the width of each head, in token lengths.
        scalar: (B, T, H) predicted isotropic part.
        vector: (B, T, H, 2) predicted direction of the shift, in the frame of the graph.
        tensor: (B, T, H, 2) predicted anisotropic part (Re, Im), in the frame of the graph.
    """
    isotropic = torch.exp(2 * log_scale + ISOTROPIC_RANGE * torch.tanh(scalar))
    real, imaginary = ((ANISOTROPY * isotropic).unsqueeze(-1) * _squash(tensor)).unbind(-1)
    quadratic = torch.stack((isotropic + real, imaginary, isotropic - real), dim=-1)
    linear = SHIFT * isotropic.sqrt().unsqueeze(-1) * _squash(vector)

    return Localisation(quadratic, linear, log_scale.exp())


def _squash(vector: Tensor) -> Tensor:
    """Keep the direction, bring the length below one."""
    return vector * torch.rsqrt(1 + vector.square().sum(-1, keepdim=True))


def taper(distance2: Tensor) -> Tensor:
    """2 log(1 - s^2) of the squared distance s^2 in radii; -inf at the radius and beyond."""
    inside = distance2 < 1
    return torch.where(inside, 2 * torch.log1p(-torch.where(inside, distance2, 0.0)), -torch.inf)

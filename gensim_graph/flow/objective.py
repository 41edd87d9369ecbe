"""The censored objective.

The velocity error is Gaussian with a learned scale sigma of each variable, flow time and resolution. With the
standardised error e = (v - v_predicted) / sigma the loss of a cell is (Finn et al. 2025)

    log sigma + e^2 / 2 + log(2 pi) / 2     where the target state lies inside its bounds,
    -log Phi(e)                             where it sits at the lower bound,
    -log Phi(-e)                            where it sits at the upper bound.
"""

import math

import torch
from torch import nn

from gensim_graph.typing import Bool, Float, Tensor


def censored_nll(
    velocity: Float[Tensor, "*shape"],
    predicted: Float[Tensor, "*shape"],
    log_scale: Float[Tensor, "..."],
    at_lower: Bool[Tensor, "*shape"],
    at_upper: Bool[Tensor, "*shape"],
) -> Float[Tensor, "*shape"]:
    """Negative log-likelihood of each value; ``log_scale`` broadcasts."""
    error = (velocity - predicted) * torch.exp(-log_scale)
    inside = log_scale + 0.5 * error.square() + 0.5 * math.log(2 * math.pi)
    # log_ndtr has no finite gradient far out in the branch that torch.where throws away: keep its argument near.
    beyond = torch.where(at_lower, error, torch.where(at_upper, -error, 0.0))
    return torch.where(at_lower | at_upper, -torch.special.log_ndtr(beyond), inside)


class ScaleModel(nn.Module):
    """Logarithm of the scale of the velocity error, of each variable, as a function of flow time and length unit.

    The components of a vector share their scale, so that it does not depend on the frame.

    Args:
        group: (variables,) which scale each variable takes.
        width: hidden features.
    """

    def __init__(self, group: tuple[int, ...], width: int = 32) -> None:
        super().__init__()
        self.group = group
        self.network = nn.Sequential(
            nn.Linear(6, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, max(group) + 1)
        )
        self.from_length = nn.Parameter(torch.zeros(max(group) + 1))

    def forward(
        self, flow_time: Float[Tensor, "*items"], log_length: Float[Tensor, "*items"]
    ) -> Float[Tensor, "*items variable"]:
        """Log scale for each flow time and logarithm of the length unit."""
        phase = math.pi * flow_time.unsqueeze(-1) * torch.tensor([0.5, 1.0, 2.0], device=flow_time.device)
        scale = self.network(torch.cat((phase.sin(), phase.cos()), dim=-1))
        scale = scale + log_length.unsqueeze(-1) * self.from_length
        return scale.clamp(-6.0, 3.0)[..., list(self.group)]

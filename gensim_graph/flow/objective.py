"""The censored loss, and the scale of the velocity error that it learns.

The velocity error is modelled as Gaussian with a learned scale sigma, which depends on variable, flow time and length
unit. With the standardised error e = (v - v_predicted) / sigma the loss of a cell is (Finn et al. 2025)

    log sigma + e^2 / 2 + log(2 pi) / 2     if the target state lies inside its bounds,
    -log Phi(e)                             if it lies at the lower bound,
    -log Phi(-e)                            if it lies at the upper bound.

Phi is the cumulative distribution function of the standard normal distribution.
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
    """Negative log-likelihood of each value.

    Args:
        velocity: velocity of the flow, the target; of the normalised residual, so without unit.
        predicted: velocity that the operator predicts.
        log_scale: log sigma, broadcast against the velocity.
        at_lower, at_upper: True for values whose target state lies at its lower or upper bound.
    """
    error = (velocity - predicted) * torch.exp(-log_scale)
    inside = log_scale + 0.5 * error.square() + 0.5 * math.log(2 * math.pi)

    # torch.where differentiates the unused branch too, and log_ndtr has no finite gradient far out: give it 0 there.
    beyond = torch.where(at_lower, error, torch.where(at_upper, -error, 0.0))
    return torch.where(at_lower | at_upper, -torch.special.log_ndtr(beyond), inside)


class ScaleModel(nn.Module):
    """Logarithm of the scale of the velocity error of each variable, as a function of flow time and length unit.

    Both components of a vector have the same scale, so that it does not depend on the frame.

    Args:
        group: (variable,) number of the scale that each variable uses; components of a vector share a number.
        width: number of hidden features.
    """

    frequency: Tensor

    def __init__(self, group: tuple[int, ...], width: int = 32) -> None:
        super().__init__()
        self.group = group
        self.register_buffer("frequency", torch.tensor([0.5, 1.0, 2.0]), persistent=False)
        self.network = nn.Sequential(
            nn.Linear(6, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, max(group) + 1)
        )
        self.from_length = nn.Parameter(torch.zeros(max(group) + 1))

    def forward(
        self, flow_time: Float[Tensor, "*items"], log_length: Float[Tensor, "*items"]
    ) -> Float[Tensor, "*items variable"]:
        """Compute log sigma.

        Args:
            flow_time: flow times in [0, 1].
            log_length: logarithm of the length unit divided by a reference length.
        """
        phase = math.pi * flow_time.unsqueeze(-1) * self.frequency
        scale = self.network(torch.cat((phase.sin(), phase.cos()), dim=-1))
        scale = scale + log_length.unsqueeze(-1) * self.from_length

        # Without a tensor of indices, because a GPU would have to wait for its transfer.
        scales = scale.clamp(-6.0, 3.0).unbind(-1)
        return torch.stack([scales[number] for number in self.group], dim=-1)

"""The path from noise to data.

    z_tau = tau x1 + (1 - tau) eps,     dz/dtau = x1 - eps,     eps ~ N(0, I),  tau in [0, 1]

(Lipman et al. 2023; the straight path of GenSIM). x1 is the normalised residual of the state.
"""

from typing import NamedTuple

import torch

from gensim_graph.typing import Float, Tensor


class NoisedSample(NamedTuple):
    """A point on the path.

    Attributes:
        noised: z = tau x1 + (1 - tau) eps.
        velocity: x1 - eps, the target of the operator.
    """

    noised: Float[Tensor, "*shape"]
    velocity: Float[Tensor, "*shape"]


def noised_sample(
    residual: Float[Tensor, "*shape"], noise: Float[Tensor, "*shape"], flow_time: Float[Tensor, "..."]
) -> NoisedSample:
    """Point at ``flow_time`` between ``noise`` and ``residual``; flow_time broadcasts against both."""
    return NoisedSample(flow_time * residual + (1 - flow_time) * noise, residual - noise)


def stratified_flow_times(count: int, generator: torch.Generator | None = None) -> Float[Tensor, " count"]:
    """One uniform draw in each of ``count`` equal strata of [0, 1), in random order: less variance in the loss."""
    strata = torch.randperm(count, generator=generator)
    return (strata + torch.rand(count, generator=generator)) / count

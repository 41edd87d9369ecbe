"""The straight path from noise to data (Lipman et al. 2023; also the path of GenSIM).

    z_tau = tau x1 + (1 - tau) eps,     dz/dtau = x1 - eps,     eps ~ N(0, I),  tau in [0, 1]

x1 is the normalised residual of the state, tau the flow time.
"""

from typing import NamedTuple

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
    """Compute a point on the path and the velocity there.

    Args:
        residual: x1, normalised.
        noise: eps, standard normal, of the same shape.
        flow_time: tau in [0, 1], broadcast against the other two.

    Example:
        >>> import torch
        >>> from gensim_graph.flow import noised_sample
        >>> residual, noise = torch.tensor([2.0, 4.0]), torch.tensor([0.0, -4.0])
        >>> point = noised_sample(residual, noise, torch.tensor(0.25))
        >>> point.noised
        tensor([ 0.5000, -2.0000])
        >>> point.velocity
        tensor([2., 8.])
    """
    return NoisedSample(flow_time * residual + (1 - flow_time) * noise, residual - noise)

"""The path from noise to data.

    z_tau = tau x1 + (1 - tau) eps,     dz/dtau = x1 - eps,     eps ~ N(0, I),  tau in [0, 1]

(Lipman et al. 2023; the straight path of GenSIM). x1 is the normalised residual of the state.
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
    """Point at ``flow_time`` between ``noise`` and ``residual``; flow_time broadcasts against both."""
    return NoisedSample(flow_time * residual + (1 - flow_time) * noise, residual - noise)

"""Flow times of the sampler: the sigmoid schedule of GenSIM, with small steps at both ends."""

import torch

from gensim_graph.errors import InputError
from gensim_graph.typing import Float, Tensor


def sigmoid_schedule(steps: int, scale: float = 3.0, shift: float = 0.5) -> Float[Tensor, " knots"]:
    """Compute flow times 0 = tau_0 < ... < tau_steps = 1.

    ``tau_i = (g(i / steps) - g(0)) / (g(1) - g(0))`` with ``g(u) = sigmoid(scale (u - 1/2) + shift)``.

    Args:
        steps: number of steps, 1 or more.
        scale: strength of the sigmoid, 0 or more; 0 gives equal steps.
        shift: a positive shift makes the steps near the data (tau = 1) smaller.

    Raises:
        InputError: less than one step, or a negative scale.

    Example:
        >>> from gensim_graph.flow import sigmoid_schedule
        >>> sigmoid_schedule(4)
        tensor([0.0000, 0.2760, 0.5778, 0.8308, 1.0000])
        >>> sigmoid_schedule(4, scale=0.0)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if steps < 1 or scale < 0:
        raise InputError(f"schedule: expected steps >= 1 and scale >= 0; came steps={steps}, scale={scale}")

    knots = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    if scale > 0:
        curve = torch.sigmoid(scale * (knots - 0.5) + shift)
        knots = (curve - curve[0]) / (curve[-1] - curve[0])

    return knots.float()

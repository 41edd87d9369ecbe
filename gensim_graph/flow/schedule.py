"""Where the sampler stops on its way: the sigmoid schedule of GenSIM, with small steps at both ends."""

import torch

from gensim_graph.errors import InputError
from gensim_graph.typing import Float, Tensor


def sigmoid_schedule(steps: int, scale: float = 3.0, shift: float = 0.5) -> Float[Tensor, " knots"]:
    """Flow times 0 = tau_0 < ... < tau_steps = 1.

    ``tau_i = (g(i / steps) - g(0)) / (g(1) - g(0))`` with ``g(u) = sigmoid(scale (u - 1/2) + shift)``. A positive shift
    puts more steps near the data; scale 0 gives equal steps.

    Raises:
        InputError: less than one step, or a negative scale.
    """
    if steps < 1 or scale < 0:
        raise InputError(f"schedule: expected steps >= 1 and scale >= 0; came steps={steps}, scale={scale}")

    knots = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    if scale > 0:
        curve = torch.sigmoid(scale * (knots - 0.5) + shift)
        knots = (curve - curve[0]) / (curve[-1] - curve[0])

    return knots.float()

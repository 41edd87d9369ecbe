r"""Fluxes through the sides of cells that conserve the total and create no new extremes.

The carrier is the amount that crosses a side from left to right: area for amounts of ice, ice for its properties. The
flux of a density :math:`q` with the carrier :math:`c` is an upwind flux and a part of a correction (flux-corrected
transport, Zalesak 1979; Kuzmin, Löhner and Turek 2012):

.. math::
    F = \underbrace{\max(c, 0)\, q_l + \min(c, 0)\, q_r}_{\text{upwind}} + \phi\, F', \quad 0 \le \phi \le 1

:math:`F'` makes the upwind flux one of higher order. :math:`\phi` is the largest factor with which no cell leaves the
range of values that it and its neighbours have before the step and after the upwind fluxes.
"""

import torch

from gensim_graph.transport.sides import Sides
from gensim_graph.typing import Float, Tensor

ROUNDING = 16.0
"""Machine epsilons by which less is given away than there is, so that nothing falls below 0."""


def upwind_flux(
    sides: Sides, carrier: Float[Tensor, "*_ side member"], density: Float[Tensor, "*field cell member"]
) -> Float[Tensor, "*field side member"]:
    """Return the upwind fluxes of a quantity from left to right.

    Args:
        sides: sides of the cells.
        carrier: amount of carrier that crosses each side from left to right.
        density: density of the quantity in the carrier.
    """
    flux = carrier.clamp(min=0.0) * density.index_select(-2, sides.left)
    return flux.add_(carrier.clamp(max=0.0) * density.index_select(-2, sides.right))


def limited_correction(
    sides: Sides,
    correction: Float[Tensor, "*field side member"],
    density: Float[Tensor, "*field cell member"],
    density_after: Float[Tensor, "*field cell member"],
    capacity: Float[Tensor, "*_ cell _"],
    remaining: Float[Tensor, "*field cell member"] | None = None,
) -> Float[Tensor, "*field side member"]:
    """Return the part of the correcting fluxes that creates no new extreme, Zalesak (1979).

    Args:
        sides: sides of the cells.
        correction: full correcting flux through each side from left to right.
        density: density of the quantity in its carrier before the step.
        density_after: density after the upwind fluxes.
        capacity: carrier in each cell after the step; content over capacity is the density.
        remaining: content that each cell can still give away, not negative; None for no such limit.
    """
    highest = sides.highest_around(torch.maximum(density, density_after))
    lowest = sides.lowest_around(torch.minimum(density, density_after))

    # How much each cell may gain and lose, as a part of what the corrections ask for.
    gain, loss = sides.gain_and_loss(correction)
    may_gain = highest.sub_(density_after).mul_(capacity)
    may_lose = torch.sub(density_after, lowest, out=lowest).mul_(capacity)
    may_lose = may_lose if remaining is None else torch.minimum(may_lose, remaining)
    gain_factor, loss_factor = _factor(may_gain, gain), _factor(may_lose, loss)

    # The cell that gives and the one that receives must both allow it.
    factors = torch.cat([gain_factor, loss_factor], dim=-1)  # one read for both
    left_gain, left_loss = factors.index_select(-2, sides.left).chunk(2, dim=-1)
    right_gain, right_loss = factors.index_select(-2, sides.right).chunk(2, dim=-1)
    rightwards, leftwards = torch.minimum(left_loss, right_gain), torch.minimum(right_loss, left_gain)

    return rightwards.mul_(correction.clamp(min=0.0)).add_(leftwards.mul_(correction.clamp(max=0.0)))


def _factor(allowed: Tensor, asked: Tensor) -> Tensor:
    """Return the factor, at most 1, that reduces what is asked for to what is allowed, which is changed.

    Args:
        allowed: not negative.
        asked: not negative.
    """
    limits = torch.finfo(asked.dtype)
    allowed.mul_(1.0 - ROUNDING * limits.eps)
    return allowed.div_(torch.maximum(asked, allowed).clamp_(min=limits.tiny))

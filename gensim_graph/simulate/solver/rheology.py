r"""The brittle Bingham-Maxwell rheology.

Olason et al. (2022, doi:10.1029/2021MS002685); on fixed grids Brodeau et al. (2024, doi:10.5194/gmd-17-6051-2024).

Elastic springs in series with a friction element and a dashpot in parallel, all weakened by damage ``d``, with the
stress :math:`\sigma` per unit of thickness:

.. math::
    \dot\sigma = E K : \dot\varepsilon - \frac{\sigma}{\lambda} (1 - \tilde P), \quad
    E = E_0 (1 - d) e^{-C (1 - A)}, \quad
    \lambda = \lambda_0 \left[(1 - d) e^{-C (1 - A)}\right]^{\alpha - 1}

with :math:`\tilde P = \min(1, -P / \sigma_n)` in compression, 0 in tension, :math:`P = P_0 h^{3/2} e^{-C (1 - A)}`.
Where the stress leaves the Mohr-Coulomb envelope :math:`\tau + \mu \sigma_n = c`, it is brought back to it by the
factor :math:`d_c`, and the ice is damaged, both over the time that an elastic shear wave takes to cross the cell:
:math:`\dot d = (1 - d)(1 - d_c) / t_d`, :math:`\dot\sigma = -\sigma (1 - d_c) / t_d`. Damage heals linearly.

A stress is kept as its mean normal stress, half its normal difference and its shear, in which isotropic elasticity is
diagonal and :math:`\tau` a norm.
"""

from dataclasses import dataclass

import torch

from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY

_RIGID = 1e-12  # no stress lasts for ever
_SLIGHT = 1e-30  # Pa, so that no threshold over no stress is a number


@dataclass(frozen=True)
class Response:
    """What the rheology needs over the sub-steps of one step, in which thickness and concentration stand still.

    Attributes:
        normal, shear: Pa, elasticity times the sub-step of intact ice, for the mean stress and for the other two.
        relaxation: relaxation time of intact ice over the sub-step.
        threshold: Pa, up to which compression is elastic; never quite 0.
        cohesion: Pa.
        strength: Pa, in compression.
        breaking: share of the excess that is relaxed in a sub-step in intact ice, dt / t_d.
        healing: damage that heals in a sub-step.
        friction: tangent of the angle of internal friction.
        power: of the intact share in the relaxation time.
    """

    normal: Float[Tensor, "element member"]
    shear: Float[Tensor, "element member"]
    relaxation: Float[Tensor, "element member"]
    threshold: Float[Tensor, "element member"]
    cohesion: Float[Tensor, "element member"]
    strength: Float[Tensor, "element 1"]
    breaking: Float[Tensor, "element member"]
    healing: Float[Tensor, "element member"]
    friction: float
    power: float


def build_response(
    elements: Elements,
    constants: Constants,
    thickness: Float[Tensor, "element member"],
    concentration: Float[Tensor, "element member"],
    cohesion: Float[Tensor, "element member"],
    dt: float,
) -> Response:
    """Coefficients of a step from the state at its beginning.

    Args:
        elements: the triangles.
        constants: physics.
        thickness: m, ice volume per area.
        concentration: 1.
        cohesion: Pa, see :func:`cohesion_of`.
        dt: s, the sub-step.
    """
    stiff = torch.exp(-constants.compaction * (1.0 - concentration)) * (concentration > constants.least_concentration)
    elasticity, nu = constants.youngs_modulus * stiff, constants.poisson_ratio
    wave_speed = torch.sqrt(elasticity / (2.0 * (1.0 + nu) * constants.ice_density))

    return Response(
        elasticity * (dt / (2.0 * (1.0 - nu))),
        elasticity * (dt / (2.0 * (1.0 + nu))),
        (constants.relaxation_time / dt) * stiff ** (constants.relaxation_exponent - 1.0),
        constants.compression * thickness**constants.compression_power * stiff + _SLIGHT,
        cohesion,
        constants.lab_strength * _size_effect(elements),
        wave_speed * (dt / elements.sides),
        torch.exp(-constants.healing_compaction * (1.0 - concentration))
        * (dt / (constants.healing_time * SECONDS_PER_DAY)),
        constants.internal_friction,
        constants.relaxation_exponent - 1.0,
    )


def cohesion_of(elements: Elements, constants: Constants, random: Float[Tensor, "element member"]) -> Tensor:
    r"""Cohesion of the cells, :math:`c_{lab} \sqrt{0.1 m / \Delta x}`, raised by a uniform random number in [0, 1]."""
    return constants.lab_cohesion * _size_effect(elements) * (1.0 + constants.cohesion_spread * random)


def _size_effect(elements: Elements) -> Float[Tensor, "element 1"]:
    """Larger samples break more easily: strength goes with the inverse root of their size."""
    return torch.sqrt(0.1 / elements.spacing)


def update_stress(
    response: Response,
    gradient: tuple[Tensor, Tensor],
    stress: Float[Tensor, "3 element member"],
    intact: Float[Tensor, "element member"],
) -> tuple[Float[Tensor, "3 element member"], Float[Tensor, "element member"]]:
    """One sub-step of stress and damage.

    Args:
        response: coefficients.
        gradient: of the velocity, see :meth:`Elements.velocity_gradient`, 1/s.
        stress: mean normal stress (tension positive), half the normal difference and shear, Pa.
        intact: 1 - damage.

    Returns:
        Stress and intact share after the sub-step.
    """
    along_x, along_y = gradient
    mean, difference, shear = stress
    damping = _damping(response, mean, intact)
    weak = response.shear * intact
    mean = torch.addcmul(mean, response.normal * intact, along_x[0] + along_y[1]).mul_(damping)
    difference = torch.addcmul(difference, weak, along_x[0] - along_y[1]).mul_(damping)
    shear = torch.addcmul(shear, weak, along_x[1] + along_y[0]).mul_(damping)
    breaking = _excess(response, mean, difference, shear).mul_(response.breaking).mul_(torch.sqrt(intact))
    kept = torch.sub(1.0, breaking)
    healed = torch.addcmul(response.healing, intact, kept).clamp_(max=1.0)

    return torch.stack([mean, difference, shear]).mul_(kept), healed


def _damping(response: Response, mean: Tensor, intact: Tensor) -> Tensor:
    """Factor of the stress for viscous relaxation, implicit in time; with the compression before the sub-step.

    Where ``mean`` is tension the threshold over it is negative, so that the elastic share is 0.
    """
    elastic = (response.threshold / -mean).clamp_(0.0, 1.0)
    weakness = intact.square().square_() if response.power == 4.0 else intact**response.power
    time = weakness * response.relaxation
    return time / (time + _RIGID).add_(1.0 - elastic)


def _excess(response: Response, mean: Tensor, difference: Tensor, shear: Tensor) -> Tensor:
    """1 - d_c, the share of the stress outside of the envelope: 0 inside, always below 1."""
    load = torch.sqrt(difference.square().addcmul_(shear, shear)).add_(mean, alpha=response.friction)
    beyond = torch.maximum(load / response.cohesion, mean / -response.strength).clamp_(min=1.0)
    return torch.sub(1.0, beyond.reciprocal_())

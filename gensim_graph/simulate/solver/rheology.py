r"""The brittle Bingham-Maxwell rheology.

Olason et al. (2022, doi:10.1029/2021MS002685); on fixed grids Brodeau et al. (2024, doi:10.5194/gmd-17-6051-2024).

An elastic spring in series with a friction element and a dashpot in parallel, all of them weakened by the damage
:math:`d`. The stress :math:`\sigma`, per unit of thickness, changes with the strain rate :math:`\dot\varepsilon`:

.. math::
    \dot\sigma = E K : \dot\varepsilon - \frac{\sigma}{\lambda} (1 - \tilde P), \quad
    E = E_0 (1 - d) e^{-C (1 - A)}, \quad
    \lambda = \lambda_0 \left[(1 - d) e^{-C (1 - A)}\right]^{\alpha - 1}

with the elasticity :math:`E` and the stiffness tensor :math:`K` of plane stress, the relaxation time :math:`\lambda`,
the concentration :math:`A`, the thickness :math:`h` and the mean normal stress :math:`\sigma_n`, positive in tension.
Compression below the threshold :math:`P = P_0 h^{3/2} e^{-C (1 - A)}` is elastic:
:math:`\tilde P = \min(1, -P / \sigma_n)` in compression, and 0 in tension.

A stress outside the Mohr-Coulomb envelope :math:`\tau + \mu \sigma_n = c` (shear stress :math:`\tau`, internal friction
:math:`\mu`, cohesion :math:`c`), or beyond the compressive strength :math:`-\sigma_n = N`, damages the ice and relaxes.
The factor :math:`d_c` brings the stress back to the envelope. Both take the time :math:`t_d` in which an elastic shear
wave crosses the cell:

.. math::
    \dot d = (1 - d) \frac{1 - d_c}{t_d}, \quad \dot\sigma = -\sigma \frac{1 - d_c}{t_d}, \quad
    t_d = \Delta x \sqrt{\frac{2 (1 + \nu) \rho}{E}}

with the size :math:`\Delta x` of the cell, Poisson's ratio :math:`\nu` and the density :math:`\rho` of the ice. Damage
heals at a constant rate.

The components of the stress are the mean normal stress, half the normal difference and the shear. In these isotropic
elasticity is diagonal, and :math:`\tau` is the length of the vector of the other two.
"""

from dataclasses import dataclass

import torch

from gensim_graph.moved import moved_names
from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.simulate.solver.state import State
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_DAY

_LEAST_RELAXATION = 1e-12  # added to a denominator that is 0 where the ice neither bears nor relaxes a stress
_LEAST_THRESHOLD = 1e-30  # Pa, prevents 0 / 0 where there is neither a threshold nor a stress
_LAB_SAMPLE = 0.1  # m, size of the samples whose cohesion and strength were measured


@dataclass(frozen=True)
class StressCoefficients:
    r"""Coefficients of the rheology, constant over the sub-steps of one step.

    The values are those of intact ice; :func:`update_stress` applies the damage.

    Attributes:
        mean_stiffness: Pa, elasticity times the sub-step, for the mean stress: :math:`E \Delta t / (2 (1 - \nu))`.
        shear_stiffness: Pa, the same for the other two components: :math:`E \Delta t / (2 (1 + \nu))`.
        relaxation: relaxation time over the sub-step, :math:`\lambda / \Delta t`.
        threshold: Pa, compression up to which the ice is elastic, :math:`P`; never exactly 0.
        cohesion: Pa, :math:`c`.
        strength: Pa, compressive strength, :math:`N`.
        breaking: sub-step over the time in which a shear wave crosses the cell, :math:`\Delta t / t_d`.
        healing: damage that heals in a sub-step.
        friction: tangent of the angle of internal friction, :math:`\mu`.
        power: exponent of the intact share in the relaxation time, :math:`\alpha - 1`.
    """

    mean_stiffness: Float[Tensor, "element member"]
    shear_stiffness: Float[Tensor, "element member"]
    relaxation: Float[Tensor, "element member"]
    threshold: Float[Tensor, "element member"]
    cohesion: Float[Tensor, "element member"]
    strength: Float[Tensor, "element 1"]
    breaking: Float[Tensor, "element member"]
    healing: Float[Tensor, "element member"]
    friction: float
    power: float


def build_stress_coefficients(
    elements: Elements, constants: Constants, dt: float, state: State, cohesion: Float[Tensor, "element member"]
) -> StressCoefficients:
    """Compute the coefficients of a step from the state at its beginning.

    Args:
        elements: the triangles.
        constants: physical constants.
        dt: s, length of the sub-step.
        state: thickness and concentration at the beginning of the step.
        cohesion: Pa, see :func:`cohesion_of`.
    """
    # exp(-C (1 - A)), and 0 where there is too little ice to bear a stress
    open_water = 1.0 - state.concentration
    packed = state.concentration > constants.least_concentration
    compact = torch.exp(-constants.compaction * open_water) * packed

    # shear wave speed sqrt(E / (2 (1 + nu) rho)); t_d is the size of the cell over it
    elasticity = constants.youngs_modulus * compact
    nu = constants.poisson_ratio
    wave_speed = torch.sqrt(elasticity / (2.0 * (1.0 + nu) * constants.ice_density))

    healing_time = constants.healing_time * SECONDS_PER_DAY
    power = constants.relaxation_exponent - 1.0

    return StressCoefficients(
        mean_stiffness=elasticity * (dt / (2.0 * (1.0 - nu))),
        shear_stiffness=elasticity * (dt / (2.0 * (1.0 + nu))),
        relaxation=(constants.relaxation_time / dt) * compact**power,
        threshold=constants.compression * state.thickness**constants.compression_power * compact + _LEAST_THRESHOLD,
        cohesion=cohesion,
        strength=constants.lab_strength * _size_effect(elements),
        breaking=wave_speed * (dt / elements.mean_side),
        healing=torch.exp(-constants.healing_compaction * open_water) * (dt / healing_time),
        friction=constants.internal_friction,
        power=power,
    )


def cohesion_of(
    elements: Elements, constants: Constants, random: Float[Tensor, "element member"]
) -> Float[Tensor, "element member"]:
    r"""Compute the cohesion of the triangles, Pa.

    :math:`c = c_{lab} \sqrt{0.1\,\mathrm{m} / \Delta x}\, (1 + s r)` with the size :math:`\Delta x` of the cell, the
    spread :math:`s` and a random number :math:`r`.

    Args:
        elements: the triangles.
        constants: physical constants.
        random: uniform random numbers in [0, 1].
    """
    return constants.lab_cohesion * _size_effect(elements) * (1.0 + constants.cohesion_spread * random)


def _size_effect(elements: Elements) -> Float[Tensor, "element 1"]:
    """Return the strength of a cell relative to a sample: the inverse square root of the ratio of their sizes."""
    return torch.sqrt(_LAB_SAMPLE / elements.face_spacing)


def update_stress(
    coefficients: StressCoefficients,
    gradient: tuple[Tensor, Tensor],
    stress: Float[Tensor, "3 element member"],
    intact: Float[Tensor, "element member"],
) -> tuple[Float[Tensor, "3 element member"], Float[Tensor, "element member"]]:
    """Return stress (Pa) and intact share after one sub-step.

    Args:
        coefficients: coefficients of this step.
        gradient: velocity gradient, 1/s, from
            :meth:`~gensim_graph.simulate.solver.elements.Elements.velocity_gradient`.
        stress: Pa, components as in :class:`~gensim_graph.simulate.solver.state.State`.
        intact: 1 - damage.
    """
    # Elasticity, then viscous relaxation: sigma <- (sigma + dt E K : strain rate) * damping
    along_x, along_y = gradient
    mean, difference, shear = stress
    damping = _damping(coefficients, mean, intact)
    shear_stiffness = coefficients.shear_stiffness * intact
    mean = torch.addcmul(mean, coefficients.mean_stiffness * intact, along_x[0] + along_y[1]).mul_(damping)
    difference = torch.addcmul(difference, shear_stiffness, along_x[0] - along_y[1]).mul_(damping)
    shear = torch.addcmul(shear, shear_stiffness, along_x[1] + along_y[0]).mul_(damping)

    # Brittle fracture: the factor 1 - (1 - d_c) dt / t_d reduces stress and intact share. Damage lowers the wave speed:
    # 1 / t_d is proportional to sqrt(1 - d).
    excess = _excess(coefficients, mean, difference, shear)
    fractured = excess.mul_(coefficients.breaking).mul_(torch.sqrt(intact))
    kept = torch.sub(1.0, fractured)
    healed = torch.addcmul(coefficients.healing, intact, kept).clamp_(max=1.0)

    return torch.stack([mean, difference, shear]).mul_(kept), healed


def _damping(coefficients: StressCoefficients, mean: Tensor, intact: Tensor) -> Tensor:
    r"""Return the factor of the stress for viscous relaxation over a sub-step, implicit in time.

    .. math::
        \frac{\lambda}{\lambda + \Delta t\, (1 - \tilde P)}

    with :math:`\tilde P` from the stress before the sub-step.

    Args:
        coefficients: coefficients of this step.
        mean: Pa, mean normal stress before the sub-step.
        intact: 1 - damage.
    """
    # P / -sigma_n is negative in tension, so that its elastic share becomes 0.
    elastic_share = (coefficients.threshold / -mean).clamp_(0.0, 1.0)
    # Two squarings are faster than a power of 4, the usual one.
    weakness = intact.square().square_() if coefficients.power == 4.0 else intact**coefficients.power
    relaxation = weakness * coefficients.relaxation
    return relaxation / (relaxation + _LEAST_RELAXATION).add_(1.0 - elastic_share)


def _excess(coefficients: StressCoefficients, mean: Tensor, difference: Tensor, shear: Tensor) -> Tensor:
    r"""Return the share of the stress outside the envelope: 0 inside the envelope, always below 1.

    .. math::
        1 - d_c = 1 - \frac{1}{\max(1,\ (\tau + \mu \sigma_n) / c,\ -\sigma_n / N)}

    Args:
        coefficients: coefficients of this step.
        mean: Pa, mean normal stress.
        difference: Pa, half the normal difference.
        shear: Pa, shear stress.
    """
    load = torch.sqrt(difference.square().addcmul_(shear, shear)).add_(mean, alpha=coefficients.friction)
    beyond = torch.maximum(load / coefficients.cohesion, mean / -coefficients.strength).clamp_(min=1.0)
    return torch.sub(1.0, beyond.reciprocal_())


__getattr__ = moved_names(__name__)  # names of version 0.1

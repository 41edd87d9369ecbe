r"""The momentum equation of the ice on the nodes: explicit in the stress, implicit in water drag and Coriolis force.

.. math::
    m \dot u = \nabla \cdot (h \sigma) + \tau_a + \tau_w - m f\, k \times u, \quad
    \tau_a = \rho_a C_a |u_a| u_a, \quad \tau_w = \rho_w C_w |u_w - u| R_\theta (u_w - u)

with the drift :math:`u = (u, v)` along the axes of the plane, thickness :math:`h` (volume per area), stress
:math:`\sigma`, wind :math:`u_a`, ocean current :math:`u_w`, Coriolis parameter :math:`f`, and :math:`R_\theta` the
rotation by the turning angle of the water drag. The mass :math:`m` is that of the floes, not the mean over ice and open
water, as in neXtSIM (Connolley et al. 2004): at low concentration the ice then drifts freely.

In a sub-step :math:`\Delta t`, drag and Coriolis force depend on the drift :math:`u', v'` at its end; only the speed
:math:`|u_w - u|` in the drag is that at its start. With :math:`a = \Delta t / m`, :math:`\phi = \Delta t f` and
:math:`D = a \rho_w C_w |u_w - u|`, both components are solved for together (Hunke and Dukowicz 1997):

.. math::
    u' = \frac{\alpha r_u + \beta r_v}{\alpha^2 + \beta^2}, \quad
    v' = \frac{\alpha r_v - \beta r_u}{\alpha^2 + \beta^2}, \quad
    \alpha = 1 + D \cos\theta, \quad \beta = \phi + D \sin\theta

.. math::
    r_u &= u + a F_x + D (\cos\theta\, u_w - \sin\theta\, v_w) \\
    r_v &= v + a F_y + D (\cos\theta\, v_w + \sin\theta\, u_w), \quad F = \nabla \cdot (h \sigma) + \tau_a

Where the inertia is higher than the mass by a factor (:mod:`~gensim_graph.simulate.solver.time_steps`), this factor
divides :math:`a` and :math:`\phi`.
"""

import math
from dataclasses import dataclass

import torch

from gensim_graph.moved import moved_names
from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.simulate.solver.state import State
from gensim_graph.simulate.solver.time_steps import TimeSteps
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class MomentumCoefficients:
    r"""Coefficients of the momentum equation, constant over the sub-steps of one step.

    Attributes:
        acceleration: m2 s/kg, :math:`a`, sub-step over inertia per area; 0 on the coast.
        rotation: :math:`\phi`, angle by which the Coriolis force turns the drift in a sub-step.
        volume: m3, ice volume of the triangles.
        inverse_areas: 1/m2, 1 over the area of the nodes.
        wind_stress: Pa, :math:`\tau_a`, along the axes of the plane.
        current: m/s, :math:`u_w`, along the axes of the plane.
        drag: kg/m3, :math:`\rho_w C_w`.
        cosine: :math:`\cos\theta`.
        sine: :math:`\sin\theta`, positive in the northern hemisphere.
        free: 1 where the ice may move, 0 on the coast.
    """

    acceleration: Float[Tensor, "node member"]
    rotation: Float[Tensor, "node member"]
    volume: Float[Tensor, "element member"]
    inverse_areas: Float[Tensor, "node 1"]
    wind_stress: Float[Tensor, "2 node member"]
    current: Float[Tensor, "2 node _"]
    drag: float
    cosine: float
    sine: Float[Tensor, "node 1"]
    free: Float[Tensor, "node 1"]


def build_momentum_coefficients(
    elements: Elements,
    constants: Constants,
    steps: TimeSteps,
    state: State,
    wind: Float[Tensor, "2 node member"],
    current: Float[Tensor, "2 node _"],
) -> MomentumCoefficients:
    """Compute the coefficients of a step from the state at its beginning.

    Args:
        elements: the triangles.
        constants: physical constants.
        steps: length of the sub-step, and the factor of the inertia of each triangle.
        state: thickness, concentration and snow at the beginning of the step.
        wind: m/s at the nodes, along the axes of the plane.
        current: m/s at the nodes, along the axes of the plane; one for each member, or one for all.
    """
    # Mass of the floes per area, with a lower bound for thin ice and open water; inertia is the mass times a factor.
    mass = constants.ice_density * state.thickness + constants.snow_density * state.snow
    mass_of_floes = mass / state.concentration.clamp(min=1e-12)
    least = constants.ice_density * constants.least_thickness
    mass_on_nodes = elements.to_nodes(mass_of_floes).clamp(min=least)
    inertia = elements.to_nodes(mass_of_floes * steps.inertia_factor).clamp(min=least)

    dt = steps.substep
    speed = torch.sqrt(wind.square().sum(dim=0))
    angle = math.radians(constants.water_turning)

    return MomentumCoefficients(
        acceleration=dt / inertia * elements.free,
        rotation=dt * constants.coriolis * elements.sin_latitude * (mass_on_nodes / inertia),
        volume=state.thickness * elements.areas,
        inverse_areas=1.0 / elements.node_areas,
        wind_stress=constants.air_density * constants.air_drag * speed * wind,
        current=current,
        drag=constants.water_density * constants.water_drag,
        cosine=math.cos(angle),
        sine=math.sin(angle) * torch.sign(elements.sin_latitude),
        free=elements.free,
    )


def update_velocity(
    elements: Elements,
    coefficients: MomentumCoefficients,
    velocity: Float[Tensor, "2 node member"],
    stress: Float[Tensor, "3 element member"],
) -> Float[Tensor, "2 node member"]:
    """Return the velocity after one sub-step, m/s along the axes of the plane.

    Args:
        elements: the triangles.
        coefficients: coefficients of this step.
        velocity: m/s at the nodes, along the axes of the plane.
        stress: Pa, components as in :class:`~gensim_graph.simulate.solver.state.State`.
    """
    # F = div(h sigma) + tau_a, with sigma_xx = mean + difference and sigma_yy = mean - difference
    mean, difference, shear = stress * coefficients.volume
    internal = elements.stress_force(mean + difference, mean - difference, shear) * coefficients.inverse_areas
    force = internal + coefficients.wind_stress

    # D = a rho_w C_w |u_w - u|
    u, v = velocity
    current_u, current_v = coefficients.current
    relative_u = current_u - u
    relative_v = current_v - v
    speed = torch.sqrt(relative_u * relative_u + relative_v * relative_v)
    drag = coefficients.acceleration * (coefficients.drag * speed)
    drag_along = drag * coefficients.cosine
    drag_across = drag * coefficients.sine

    # alpha = 1 + D cos(theta), beta = phi + D sin(theta)
    alpha = torch.add(drag_along, 1.0)
    beta = coefficients.rotation + drag_across

    # r_u, r_v, then u' = (alpha r_u + beta r_v) / (alpha^2 + beta^2), v' = (alpha r_v - beta r_u) / (alpha^2 + beta^2)
    right_u = u + coefficients.acceleration * force[0] + drag_along * current_u - drag_across * current_v
    right_v = v + coefficients.acceleration * force[1] + drag_along * current_v + drag_across * current_u
    scale = coefficients.free / (alpha * alpha + beta * beta)

    return torch.stack([(alpha * right_u + beta * right_v) * scale, (alpha * right_v - beta * right_u) * scale])


__getattr__ = moved_names(__name__)  # names of version 0.1

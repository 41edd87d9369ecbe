r"""The momentum of the ice on the nodes, explicit in stress, implicit in water drag and Coriolis force.

.. math::
    m \dot u = \nabla \cdot (h \sigma) + \tau_a + \tau_w - m f\, k \times u, \quad
    \tau_a = \rho_a C_a |u_a| u_a, \quad \tau_w = \rho_w C_w |u_w - u| R_\theta (u_w - u)

with the mass ``m`` of the floes, not of the mean over ice and water, as in neXtSIM (Connolley et al. 2004): ice at low
concentration then goes over into free drift. The pair of equations is solved for both components at once (Hunke and
Dukowicz 1997).
"""

import math
from dataclasses import dataclass

import torch

from gensim_graph.simulate.solver.constants import Constants
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class Drive:
    """What the momentum needs over the sub-steps of one step.

    Attributes:
        agility: s m2/kg, sub-step over inertia, 0 on fixed nodes.
        rotation: 1, angle that the Coriolis force turns the drift by in a sub-step.
        weight: m, ice volume of the triangles, turns stress into force; with ``spread`` into force per area.
        spread: 1/m2, 1 over the area of a node.
        wind: Pa, stress of the wind.
        ocean: m/s, the current.
        drag: kg/m3, density times coefficient of the water.
        cosine, sine: of the turning angle of the water drag.
        free: 1 where the ice may move, 0 on the coast.
    """

    agility: Float[Tensor, "node member"]
    rotation: Float[Tensor, "node member"]
    weight: Float[Tensor, "element member"]
    spread: Float[Tensor, "node 1"]
    wind: Float[Tensor, "2 node member"]
    ocean: Float[Tensor, "2 node _"]
    drag: float
    cosine: float
    sine: Float[Tensor, "node 1"]
    free: Float[Tensor, "node 1"]


def build_drive(
    elements: Elements,
    constants: Constants,
    inertia: Float[Tensor, "element 1"],
    thickness: Float[Tensor, "element member"],
    concentration: Float[Tensor, "element member"],
    snow: Float[Tensor, "element member"],
    wind: Float[Tensor, "2 node member"],
    ocean: Float[Tensor, "2 node _"],
    dt: float,
) -> Drive:
    """Coefficients of a step from the state at its beginning.

    Args:
        elements: the triangles.
        constants: physics.
        inertia: factor of the inertia of each triangle, 1 or more, see :class:`~gensim_graph.simulate.solver.time_steps.Steps`.
        thickness, concentration, snow: m, 1, m; volumes per area.
        wind, ocean: m/s at the nodes.
        dt: s, the sub-step.
    """
    floes = (constants.ice_density * thickness + constants.snow_density * snow) / concentration.clamp(min=1e-12)
    least = constants.ice_density * constants.least_thickness
    mass = elements.to_nodes(floes).clamp(min=least)
    inert = elements.to_nodes(floes * inertia).clamp(min=least)
    speed = torch.sqrt(wind.square().sum(dim=0))
    angle = math.radians(constants.water_turning)

    return Drive(
        dt / inert * elements.free,
        dt * constants.coriolis * elements.sine * (mass / inert),
        thickness * elements.areas,
        1.0 / elements.node_areas,
        constants.air_density * constants.air_drag * speed * wind,
        ocean,
        constants.water_density * constants.water_drag,
        math.cos(angle),
        math.sin(angle) * torch.sign(elements.sine),
        elements.free,
    )


def update_velocity(
    elements: Elements,
    drive: Drive,
    velocity: Float[Tensor, "2 node member"],
    stress: Float[Tensor, "3 element member"],
) -> Float[Tensor, "2 node member"]:
    """One sub-step of the velocity, m/s, under a stress (Pa, see :mod:`gensim_graph.simulate.solver.rheology`)."""
    mean, difference, shear = stress * drive.weight
    force = elements.stress_force(mean + difference, mean - difference, shear) * drive.spread + drive.wind
    u, v = velocity
    current_u, current_v = drive.ocean
    off_u, off_v = current_u - u, current_v - v
    drag = drive.agility * (drive.drag * torch.sqrt(off_u * off_u + off_v * off_v))
    turned = drag * drive.sine
    along, across = torch.add(drag * drive.cosine, 1.0), drive.rotation + turned
    right_u = u + drive.agility * force[0] + drag * drive.cosine * current_u - turned * current_v
    right_v = v + drive.agility * force[1] + drag * drive.cosine * current_v + turned * current_u
    scale = drive.free / (along * along + across * across)

    return torch.stack([(along * right_u + across * right_v) * scale, (along * right_v - across * right_u) * scale])

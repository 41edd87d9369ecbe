r"""Transport of the ice across the sides of the triangles: conservative to rounding, without new extremes.

The flux of a density :math:`q` through a side that the area :math:`c` crosses from left to right is an upwind flux and
a part :math:`\phi` of a correction, which makes it the central flux where :math:`\phi = 1` (flux-corrected transport,
Zalesak 1979):

.. math::
    F = F_{\text{upwind}} + \phi\, \frac{|c|}{2} (q_r - q_l), \quad 0 \le \phi \le 1

Upwind fluxes, table of the sides and the limit :math:`\phi` are those of :mod:`gensim_graph.transport`.

Ice volume, ice area and snow are transported as amounts. Damage and stress are properties of the ice: they move with
its volume, and ice that meets in a triangle mixes in proportion to its volume. Stress is transported by upwind fluxes
alone: limiting its components one by one would make the result depend on the axes of the plane.

The flux through a side is that of the P1 velocity. Therefore the net outflow of a triangle is exactly its area times
the divergence that the rheology uses.
"""

import torch

from gensim_graph.mesh import edge_table
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.transport import Sides, find_sides, limited_correction, upwind_flux
from gensim_graph.typing import Float, Tensor

__all__ = ["Sides", "build_sides", "transport"]

_TRACE = 1e-9  # m of ice; with less ice than this damage and stress are set to 0


def build_sides(elements: Elements) -> Sides:
    """Build the table of the sides of all triangles, without the sides on the coast."""
    nodes, corners = elements.triangles.nodes, elements.triangles.corners
    boundary = edge_table(corners, len(nodes))
    ends = boundary.nodes[boundary.single]
    coast = elements.free.cpu().numpy()[ends, 0].max(axis=1) == 0.0

    return find_sides(nodes, corners, coast, elements.areas)


def transport(
    sides: Sides,
    velocity: Float[Tensor, "2 node member"],
    dt: float,
    amounts: Float[Tensor, "amount element member"],
    damage: Float[Tensor, "element member"],
    stress: Float[Tensor, "3 element member"],
) -> tuple[Float[Tensor, "amount element member"], Float[Tensor, "element member"], Float[Tensor, "3 element member"]]:
    """Move the ice with its drift over one time step.

    Ice leaves freely over an open boundary; ice that enters there is like the ice inside.

    Args:
        sides: sides of the triangles.
        velocity: m/s at the nodes along the axes of the plane, mean over the time step.
        dt: s, length of the time step.
        amounts: per area, ice volume (m) first; the others, such as concentration and snow (m), in any order.
        damage: damage of the ice, from 0 to 1.
        stress: Pa, components as in :class:`~gensim_graph.simulate.solver.state.State`; a property of the ice.

    Returns:
        Amounts, damage and stress afterwards; damage and stress are 0 where there is next to no ice.
    """
    crossing = sides.area_flux(velocity) * dt
    areas = sides.areas
    content, flux = _transport_corrected(sides, crossing, amounts * areas, amounts, areas, keep_positive=True)

    volume = amounts[:1] * areas
    volume_flux = flux[:1]
    volume_after = torch.where(content[:1] > _TRACE * areas, content[:1], 0.0)
    damage_content, _ = _transport_corrected(sides, volume_flux, volume * damage[None], damage[None], volume_after)
    stress_content, _ = _transport_upwind(sides, volume_flux, volume * stress, stress)
    properties = torch.where(volume_after > 0.0, torch.cat([damage_content, stress_content]) / volume_after, 0.0)

    return content / areas, properties[0], properties[1:]


def _transport_upwind(sides: Sides, carrier: Tensor, content: Tensor, density: Tensor) -> tuple[Tensor, Tensor]:
    """Return the content of each triangle after upwind fluxes, and these fluxes.

    Args:
        sides: sides of the triangles.
        carrier: as in :func:`_transport_corrected`.
        content: as in :func:`_transport_corrected`.
        density: as in :func:`_transport_corrected`.
    """
    flux = upwind_flux(sides, carrier, density)
    return content + sides.gain(flux), flux


def _transport_corrected(
    sides: Sides, carrier: Tensor, content: Tensor, density: Tensor, capacity: Tensor, keep_positive: bool = False
) -> tuple[Tensor, Tensor]:
    """Return the content of each triangle after corrected fluxes, and these fluxes.

    Args:
        sides: sides of the triangles.
        carrier: amount that crosses each side from left to right: area (m2) for amounts, ice volume (m3) for damage.
        content: transported quantity in each triangle: its density times the carrier that the triangle contains.
        density: density of the quantity in the carrier.
        capacity: carrier in each triangle afterwards; content over capacity is the new density.
        keep_positive: no triangle gives away more than its content before the step, even if more flows in meanwhile.
    """
    after_upwind, upwind = _transport_upwind(sides, carrier, content, density)
    density_after = torch.where(capacity > 0.0, after_upwind / capacity, density)
    remaining = (content - sides.gain_and_loss(upwind)[1]).clamp(min=0.0) if keep_positive else None

    correction = 0.5 * carrier.abs() * sides.difference(density)
    limited = limited_correction(sides, correction, density, density_after, capacity, remaining)

    return after_upwind + sides.gain(limited), upwind + limited

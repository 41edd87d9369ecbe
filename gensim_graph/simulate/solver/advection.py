r"""Transport of the ice across the sides of the triangles: conservative to rounding, without new extremes.

The flux of a density :math:`q` through a side that the area :math:`c` crosses from left to right is an upwind flux and
a part :math:`\phi` of a correction, which makes it the central flux where :math:`\phi = 1` (flux-corrected transport,
Zalesak 1979):

.. math::
    F = \underbrace{c\, \frac{q_l + q_r}{2} - \frac{|c|}{2} (q_r - q_l)}_{\text{upwind}} +
        \phi\, \underbrace{\frac{|c|}{2} (q_r - q_l)}_{\text{correction}}, \quad 0 \le \phi \le 1

:math:`\phi` is the largest factor with which no triangle leaves the range of values that it and its neighbours have
before the step and after the upwind fluxes.

Ice volume, ice area and snow are transported as amounts. Damage and stress are properties of the ice: they move with
its volume, and ice that meets in a triangle mixes in proportion to its volume. Stress is transported by upwind fluxes
alone: limiting its components one by one would make the result depend on the axes of the plane.

The flux through a side is that of the P1 velocity. Therefore the net outflow of a triangle is exactly its area times
the divergence that the rheology uses.
"""

from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.mesh import edge_table
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Int, Tensor

_TRACE = 1e-9  # m of ice; with less ice than this damage and stress are set to 0


@dataclass(frozen=True, eq=False)
class Sides:
    """The sides that ice may cross: between two triangles, or on an open boundary.

    Attributes:
        left, right: triangles on both sides; the same triangle twice on an open boundary.
        ends: nodes of the side, start and end, with ``left`` on the left of the way from start to end.
        half_normals: m, half the length of the side times its normal from left to right, along x and y of the plane.
        of_element: sides of each triangle; the number of sides fills the gaps of triangles with fewer than three.
        signs: -1 where the triangle is on the left of the side (a flux takes from it), +1 where it is on the right, 0
            in the gaps.
        areas: m2, of the triangles.
    """

    left: Int[Tensor, " side"]
    right: Int[Tensor, " side"]
    ends: Int[Tensor, "2 side"]
    half_normals: Float[Tensor, "2 side 1"]
    of_element: Int[Tensor, "element 3"]
    signs: Float[Tensor, "element 3 1"]
    areas: Float[Tensor, "element 1"]

    def area_flux(self, velocity: Float[Tensor, "2 node member"]) -> Float[Tensor, "side member"]:
        """Return the area that crosses each side from left to right in a second, m2/s, from a velocity in m/s."""
        both = velocity.index_select(1, self.ends[0]) + velocity.index_select(1, self.ends[1])
        return (both * self.half_normals).sum(dim=0)

    def difference(self, values: Float[Tensor, "field element member"]) -> Float[Tensor, "field side member"]:
        """Return the value on the right of each side minus that on its left."""
        return values.index_select(1, self.right) - values.index_select(1, self.left)

    def mean(self, values: Float[Tensor, "field element member"]) -> Float[Tensor, "field side member"]:
        """Return the mean of the values on the right and on the left of each side."""
        return 0.5 * (values.index_select(1, self.right) + values.index_select(1, self.left))

    def on_triangles(
        self, values: Float[Tensor, "field side member"], fill: float = 0.0
    ) -> Float[Tensor, "field element 3 member"]:
        """Return the values on the sides of each triangle.

        Args:
            values: on the sides, in any unit.
            fill: value in the gaps of triangles with fewer than three sides.
        """
        n_fields, _, n_members = values.shape
        padded = torch.cat([values, values.new_full((n_fields, 1, n_members), fill)], dim=1)
        return padded.index_select(1, self.of_element.reshape(-1)).view(n_fields, -1, 3, n_members)

    def gains(self, flux: Float[Tensor, "field side member"]) -> Float[Tensor, "field element 3 member"]:
        """Return the gain of each triangle through each of its sides, from fluxes that point from left to right."""
        return self.on_triangles(flux) * self.signs


def build_sides(elements: Elements) -> Sides:
    """Build the table of the sides of all triangles, without the sides on the coast."""
    nodes, corners = elements.triangles.nodes, elements.triangles.corners
    table = edge_table(corners, len(nodes))
    closed = elements.free.cpu().numpy()[table.nodes[table.single], 0].max(axis=1) == 0.0
    open_boundary = table.single[~closed]

    first = np.concatenate([table.pairs[:, 0], open_boundary])
    left = table.faces[first]
    right = np.concatenate([table.faces[table.pairs[:, 1]], table.faces[open_boundary]])

    ends = table.nodes[first]
    along = nodes[ends[:, 1]] - nodes[ends[:, 0]]
    half_normals = 0.5 * np.stack([along[:, 1], -along[:, 0]])
    of_element, signs = _sides_of_elements(left, right, len(corners))
    like = elements.areas

    def tensor(values: Array, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=like.device)

    return Sides(
        left=tensor(left),
        right=tensor(right),
        ends=tensor(ends.T),
        half_normals=tensor(half_normals[..., None], like.dtype),
        of_element=tensor(of_element),
        signs=tensor(signs[..., None], like.dtype),
        areas=like,
    )


def _sides_of_elements(left: Array, right: Array, n_elements: int) -> tuple[Array, Array]:
    """Return ``of_element`` and ``signs`` of :class:`Sides`, both (element, 3)."""
    inner = np.flatnonzero(right != left)
    owner = np.concatenate([left, right[inner]])
    side = np.concatenate([np.arange(len(left)), inner])
    sign = np.repeat([-1.0, 1.0], [len(left), len(inner)])

    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n_elements)
    column = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = owner[order]

    of_element = np.full((n_elements, 3), len(left))
    of_element[rows, column] = side[order]
    signs = np.zeros((n_elements, 3))
    signs[rows, column] = sign[order]

    return of_element, signs


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
    # F = c (q_l + q_r) / 2 - |c| (q_r - q_l) / 2
    flux = carrier * sides.mean(density) - 0.5 * carrier.abs() * sides.difference(density)
    return content + sides.gains(flux).sum(dim=2), flux


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
    correction = 0.5 * carrier.abs() * sides.difference(density)
    remaining = content + sides.gains(upwind).clamp(max=0.0).sum(dim=2) if keep_positive else None
    limited = _limit(sides, correction, after_upwind, density, capacity, remaining)

    return after_upwind + sides.gains(limited).sum(dim=2), upwind + limited


def _limit(
    sides: Sides,
    correction: Tensor,
    after_upwind: Tensor,
    density: Tensor,
    capacity: Tensor,
    remaining: Tensor | None,
) -> Tensor:
    """Return the part of the correcting fluxes that creates no new extreme, Zalesak (1979).

    Args:
        sides: sides of the triangles.
        correction: full correcting flux through each side.
        after_upwind: content of each triangle after the upwind fluxes.
        density: as in :func:`_transport_corrected`.
        capacity: as in :func:`_transport_corrected`.
        remaining: content that each triangle can still give away; None for no such limit.
    """
    density_after = torch.where(capacity > 0.0, after_upwind / capacity, density)
    highest = _highest_around(sides, torch.maximum(density, density_after))
    lowest = -_highest_around(sides, -torch.minimum(density, density_after))

    # How much each triangle may gain and lose, as a part of what the corrections ask for.
    gains = sides.gains(correction)
    may_gain = (highest - density_after) * capacity
    may_lose = (density_after - lowest) * capacity
    may_lose = may_lose if remaining is None else torch.minimum(may_lose, remaining.clamp(min=0.0))
    gain_factor = _factor(may_gain, gains.clamp(min=0.0).sum(dim=2))
    loss_factor = _factor(may_lose, gains.clamp(max=0.0).sum(dim=2).neg())

    # The triangle that gives and the one that receives must both allow it.
    rightwards = torch.minimum(loss_factor.index_select(1, sides.left), gain_factor.index_select(1, sides.right))
    leftwards = torch.minimum(loss_factor.index_select(1, sides.right), gain_factor.index_select(1, sides.left))

    return correction * torch.where(correction > 0.0, rightwards, leftwards)


def _factor(allowed: Tensor, asked: Tensor) -> Tensor:
    """Return the factor, at most 1, that reduces what is asked for to what is allowed."""
    return torch.where(asked > allowed, allowed / asked, 1.0)


def _highest_around(sides: Sides, values: Tensor) -> Tensor:
    """Return the highest of the values of each triangle and of its neighbours."""
    higher = torch.maximum(values.index_select(1, sides.left), values.index_select(1, sides.right))
    return torch.maximum(values, sides.on_triangles(higher, -torch.inf).amax(dim=2))

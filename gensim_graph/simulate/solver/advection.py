r"""Transport of the ice across the sides of the triangles: conservative to rounding, and no new extremes.

Upwind fluxes, corrected towards central ones as far as no triangle goes beyond what it and its neighbours held (flux
correction, Zalesak 1979). Ice volume, ice area and snow are transported as amounts; damage and stress belong to the ice
and go with its volume, so that what arrives mixes in proportion. Stress goes upwind: to limit its components one by one
would give the axes of the plane a meaning.

The flux through a side is that of the P1 velocity, so the net flux of a triangle is exactly its area times the
divergence that the rheology sees.
"""

from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.mesh import edge_table
from gensim_graph.simulate.solver.elements import Elements
from gensim_graph.typing import Array, Float, Int, Tensor

_TRACE = 1e-9  # m of ice: below it there is none whose properties one could tell


@dataclass(frozen=True, eq=False)
class Sides:
    """The sides that ice may cross: between two triangles, or on an open boundary.

    Attributes:
        left, right: triangles; the same one on both sides of an open boundary.
        ends: nodes of the side, start and end, ``left`` on their left.
        normals: m, half the length of the side times its normal from left to right, x and y.
        of: sides of each triangle; the number of sides where there are fewer than three.
        signs: -1 where the triangle is on the left (what crosses leaves it), +1 on the right, 0 where there is none.
        areas: m2, of the triangles.
    """

    left: Int[Tensor, " side"]
    right: Int[Tensor, " side"]
    ends: Int[Tensor, "2 side"]
    normals: Float[Tensor, "2 side 1"]
    of: Int[Tensor, "element 3"]
    signs: Float[Tensor, "element 3 1"]
    areas: Float[Tensor, "element 1"]

    def crossing(self, velocity: Float[Tensor, "2 node member"]) -> Float[Tensor, "side member"]:
        """Area that crosses each side from left to right, m2/s."""
        both = velocity.index_select(1, self.ends[0]) + velocity.index_select(1, self.ends[1])
        return (both * self.normals).sum(dim=0)

    def difference(self, values: Float[Tensor, "field element member"]) -> Float[Tensor, "field side member"]:
        """Right minus left."""
        return values.index_select(1, self.right) - values.index_select(1, self.left)

    def mean(self, values: Float[Tensor, "field element member"]) -> Float[Tensor, "field side member"]:
        """Mean of right and left."""
        return 0.5 * (values.index_select(1, self.right) + values.index_select(1, self.left))

    def on_triangles(self, values: Float[Tensor, "field side member"], fill: float = 0.0) -> Tensor:
        """Values on the three sides of each triangle: (field, element, 3, member), ``fill`` where there is no side."""
        n_fields, _, n_members = values.shape
        padded = torch.cat([values, values.new_full((n_fields, 1, n_members), fill)], dim=1)
        return padded.index_select(1, self.of.reshape(-1)).view(n_fields, -1, 3, n_members)

    def gains(self, flux: Float[Tensor, "field side member"]) -> Float[Tensor, "field element 3 member"]:
        """What each triangle gains through each of its sides by fluxes from left to right."""
        return self.on_triangles(flux) * self.signs


def build_sides(elements: Elements) -> Sides:
    """Sides of the triangles of a mesh, without those on the coast."""
    nodes, corners = elements.triangles.nodes, elements.triangles.corners
    table = edge_table(corners, len(nodes))
    closed = elements.free.cpu().numpy()[table.nodes[table.single], 0].max(axis=1) == 0.0
    rim = table.single[~closed]
    first = np.concatenate([table.pairs[:, 0], rim])
    left, right = table.faces[first], np.concatenate([table.faces[table.pairs[:, 1]], table.faces[rim]])
    ends = table.nodes[first]
    along = nodes[ends[:, 1]] - nodes[ends[:, 0]]
    normals = 0.5 * np.stack([along[:, 1], -along[:, 0]])
    of, signs = _sides_of(left, right, len(corners))
    like = elements.areas

    def tensor(values: Array, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=like.device)

    return Sides(
        tensor(left),
        tensor(right),
        tensor(ends.T),
        tensor(normals[..., None], like.dtype),
        tensor(of),
        tensor(signs[..., None], like.dtype),
        like,
    )


def _sides_of(left: Array, right: Array, n_elements: int) -> tuple[Array, Array]:
    inner = np.flatnonzero(right != left)
    owner = np.concatenate([left, right[inner]])
    side = np.concatenate([np.arange(len(left)), inner])
    sign = np.repeat([-1.0, 1.0], [len(left), len(inner)])
    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n_elements)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    of, signs = np.full((n_elements, 3), len(left)), np.zeros((n_elements, 3))
    of[owner[order], place], signs[owner[order], place] = side[order], sign[order]

    return of, signs


def transport(
    sides: Sides,
    velocity: Float[Tensor, "2 node member"],
    dt: float,
    amounts: Float[Tensor, "amount element member"],
    share: Float[Tensor, "element member"],
    stress: Float[Tensor, "3 element member"],
) -> tuple[Float[Tensor, "amount element member"], Float[Tensor, "element member"], Float[Tensor, "3 element member"]]:
    """Move the ice for a time.

    Ice drifts out over an open boundary as if nothing held it, and in as if the ice outside were like that inside.

    Args:
        sides: of the triangles.
        velocity: m/s at the nodes, the mean over the time.
        dt: s.
        amounts: per area, ice volume first.
        share: a property of the ice, from 0 to 1.
        stress: another one, with components.

    Returns:
        Amounts, share and stress afterwards; the last two are 0 where there is next to no ice.
    """
    crossing = sides.crossing(velocity) * dt
    areas = sides.areas
    held, flux = _corrected(sides, crossing, amounts * areas, amounts, areas, keeps=True)
    volume, moved = amounts[:1] * areas, torch.where(held[:1] > _TRACE * areas, held[:1], 0.0)
    mixed, _ = _corrected(sides, flux[:1], volume * share[None], share[None], moved)
    carried, _ = _upwind(sides, flux[:1], volume * stress, stress)
    properties = torch.where(moved > 0.0, torch.cat([mixed, carried]) / moved, 0.0)

    return held / areas, properties[0], properties[1:]


def _upwind(sides: Sides, carrier: Tensor, held: Tensor, density: Tensor) -> tuple[Tensor, Tensor]:
    """What each triangle holds after upwind fluxes, and the fluxes; arguments as in :func:`_corrected`."""
    flux = carrier * sides.mean(density) - 0.5 * carrier.abs() * sides.difference(density)
    return held + sides.gains(flux).sum(dim=2), flux


def _corrected(
    sides: Sides, carrier: Tensor, held: Tensor, density: Tensor, capacity: Tensor, keeps: bool = False
) -> tuple[Tensor, Tensor]:
    """Transport by a carrier: what each triangle holds afterwards, and the fluxes.

    Args:
        sides: of the triangles.
        carrier: what crosses each side from left to right: area for amounts, ice volume for shares.
        held: carried quantity in each triangle, its density times what of the carrier the triangle holds.
        density: of the quantity in the carrier.
        capacity: carrier in each triangle afterwards, by which what it holds is divided to be a density again.
        keeps: no triangle gives away more than it held, even if as much comes in.
    """
    low, upwind = _upwind(sides, carrier, held, density)
    correction = 0.5 * carrier.abs() * sides.difference(density)
    left = held + sides.gains(upwind).clamp(max=0.0).sum(dim=2) if keeps else None
    allowed = _limited(sides, correction, low, density, capacity, left)
    return low + sides.gains(allowed).sum(dim=2), upwind + allowed


def _limited(sides: Sides, flux: Tensor, low: Tensor, density: Tensor, capacity: Tensor, left: Tensor | None) -> Tensor:
    """The part of a correcting flux that takes no triangle beyond the densities around it, before and after.

    Args:
        sides: of the triangles.
        flux: the whole of it.
        low, density, capacity: as in :func:`_corrected`, ``low`` after the upwind fluxes.
        left: what each triangle has left to give, if that matters.
    """
    after = torch.where(capacity > 0.0, low / capacity, density)
    highest = _highest_around(sides, torch.maximum(density, after))
    lowest = -_highest_around(sides, -torch.minimum(density, after))
    gains = sides.gains(flux)
    stock = (after - lowest) * capacity
    stock = stock if left is None else torch.minimum(stock, left.clamp(min=0.0))
    room = _share((highest - after) * capacity, gains.clamp(min=0.0).sum(dim=2))
    stock = _share(stock, gains.clamp(max=0.0).sum(dim=2).neg())
    from_left = torch.minimum(stock.index_select(1, sides.left), room.index_select(1, sides.right))
    from_right = torch.minimum(stock.index_select(1, sides.right), room.index_select(1, sides.left))

    return flux * torch.where(flux > 0.0, from_left, from_right)


def _share(available: Tensor, wanted: Tensor) -> Tensor:
    return torch.where(wanted > available, available / wanted, 1.0)


def _highest_around(sides: Sides, values: Tensor) -> Tensor:
    """Highest value of each triangle and those across its sides."""
    across = torch.maximum(values.index_select(1, sides.left), values.index_select(1, sides.right))
    return torch.maximum(values, sides.on_triangles(across, -torch.inf).amax(dim=2))

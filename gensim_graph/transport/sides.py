"""Table of the sides that ice may cross, for cells of any shape, and sums of fluxes over the sides of a cell.

A cell is a face of a mesh, or a triangle of the solver. Fields are tensors with the members last, (cell, member) or
(field, cell, member): reading the values of a cell then reads one row. Sums over the sides of a cell are written out
one side after the other. Therefore a member gets the same numbers whatever other members are computed beside it.
"""

from dataclasses import dataclass

import numpy as np
import torch

from gensim_graph.mesh import edge_table
from gensim_graph.typing import Array, Float, Int, Tensor


@dataclass(frozen=True, eq=False)
class Sides:
    """The sides that ice may cross: between two cells, or on an open boundary.

    A gap is a place in the table of a cell with fewer sides than others. There, ``of_cell`` repeats a side of the same
    cell, ``neighbours`` the cell itself, and the sign is 0.

    Attributes:
        left, right: cells on both sides; the same cell twice on an open boundary.
        ends: nodes of the side, start and end, with ``left`` on the left of the way from start to end.
        half_normals: m, half the length of the side times its normal from left to right, along x and y of the plane.
        of_cell: the first side of each cell, then the second side of each cell, and so on.
        neighbours: cell across each of these sides; the cell itself on an open boundary.
        signs: -1 where the cell is on the left of the side (a flux takes from it), +1 where it is on the right, 0 in
            the gaps.
        areas: m2, of the cells.
        n_open: number of sides on an open boundary, which are the last ones.
    """

    left: Int[Tensor, " side"]
    right: Int[Tensor, " side"]
    ends: Int[Tensor, "2 side"]
    half_normals: Float[Tensor, "2 side _"]
    of_cell: Int[Tensor, "place cell"]
    neighbours: Int[Tensor, "place cell"]
    signs: Float[Tensor, "place cell _"]
    areas: Float[Tensor, "cell _"]
    n_open: int = 0

    def area_flux(self, velocity: Float[Tensor, "2 node member"]) -> Float[Tensor, "side member"]:
        """Return the area that crosses each side from left to right in a second, m2/s, from a velocity in m/s."""
        both = velocity.index_select(1, self.ends[0]) + velocity.index_select(1, self.ends[1])
        return (both * self.half_normals).sum(dim=0)

    def difference(self, values: Float[Tensor, "*field cell member"]) -> Float[Tensor, "*field side member"]:
        """Return the value on the right of each side minus that on its left."""
        return values.index_select(-2, self.right) - values.index_select(-2, self.left)

    def gain(self, flux: Float[Tensor, "*field side member"]) -> Float[Tensor, "*field cell member"]:
        """Return the gain of each cell from fluxes through its sides, which point from left to right."""
        first, *others = zip(self.of_cell, self.signs, strict=True)
        total = flux.index_select(-2, first[0]).mul_(first[1])

        for side, sign in others:
            total += flux.index_select(-2, side).mul_(sign)

        return total

    def gain_and_loss(
        self, flux: Float[Tensor, "*field side member"]
    ) -> tuple[Float[Tensor, "*field cell member"], Float[Tensor, "*field cell member"]]:
        """Return the sums of all fluxes into each cell and of all fluxes out of it, both positive."""
        gain = loss = None

        for side, sign in zip(self.of_cell, self.signs, strict=True):
            inward = flux.index_select(-2, side).mul_(sign)
            gain = inward.clamp(min=0.0) if gain is None else gain.add_(inward.clamp(min=0.0))
            loss = inward.clamp_(max=0.0) if loss is None else loss.add_(inward.clamp_(max=0.0))

        assert gain is not None
        assert loss is not None
        return gain, loss.neg_()

    def highest_around(self, values: Float[Tensor, "*field cell member"]) -> Float[Tensor, "*field cell member"]:
        """Return the highest of the values of each cell and of its neighbours."""
        highest = values.clone()
        for cells in self.neighbours:
            torch.maximum(highest, values.index_select(-2, cells), out=highest)

        return highest

    def lowest_around(self, values: Float[Tensor, "*field cell member"]) -> Float[Tensor, "*field cell member"]:
        """Return the lowest of the values of each cell and of its neighbours."""
        lowest = values.clone()
        for cells in self.neighbours:
            torch.minimum(lowest, values.index_select(-2, cells), out=lowest)

        return lowest


def find_sides(nodes: Array, cells: Array, coast: Array, areas: Float[Tensor, "cell 1"]) -> Sides:
    """Build the table of the sides of all cells, without the sides on the coast.

    Args:
        nodes: (N, 2) m.
        cells: (C, k) node numbers of the corners, counter-clockwise, padded with -1 at the end.
        coast: True for each boundary side that nothing crosses, in the order of :func:`~gensim_graph.mesh.edge_table`.
        areas: m2, of the cells; all tables get its precision and device.
    """
    table = edge_table(cells, len(nodes))
    open_boundary = table.single[~coast]

    first = np.concatenate([table.pairs[:, 0], open_boundary])
    left = table.faces[first]
    right = np.concatenate([table.faces[table.pairs[:, 1]], table.faces[open_boundary]])
    ends = table.nodes[first]

    if len(first) == 0:  # one closed cell: a side of no length spares the other functions this case
        left = right = np.zeros(1, dtype=np.int64)
        ends = np.zeros((1, 2), dtype=np.int64)

    along = nodes[ends[:, 1]] - nodes[ends[:, 0]]
    half_normals = 0.5 * np.stack([along[:, 1], -along[:, 0]])
    of_cell, signs = _sides_of_cells(left, right, len(cells))
    across = np.where(signs < 0.0, right[of_cell], left[of_cell])
    neighbours = np.where(signs == 0.0, np.arange(len(cells)), across)

    def tensor(values: Array, dtype: torch.dtype = torch.int64) -> Tensor:
        return torch.as_tensor(np.ascontiguousarray(values), dtype=dtype, device=areas.device)

    return Sides(
        left=tensor(left),
        right=tensor(right),
        ends=tensor(ends.T),
        half_normals=tensor(half_normals[..., None], areas.dtype),
        of_cell=tensor(of_cell),
        neighbours=tensor(neighbours),
        signs=tensor(signs[..., None], areas.dtype),
        areas=areas,
        n_open=len(open_boundary),
    )


def _sides_of_cells(left: Array, right: Array, n_cells: int) -> tuple[Array, Array]:
    """Return ``of_cell`` and ``signs`` of :class:`Sides`, both (place, cell)."""
    inner = np.flatnonzero(right != left)
    owner = np.concatenate([left, right[inner]])
    side = np.concatenate([np.arange(len(left)), inner])
    sign = np.repeat([-1.0, 1.0], [len(left), len(inner)])

    order = np.argsort(owner, kind="stable")
    counts = np.bincount(owner, minlength=n_cells)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
    rows = owner[order]

    of_cell = np.zeros((counts.max(), n_cells), dtype=np.int64)
    of_cell[:, rows[place == 0]] = side[order][place == 0]
    of_cell[place, rows] = side[order]
    signs = np.zeros(of_cell.shape)
    signs[place, rows] = sign[order]

    return of_cell, signs

r"""Second-order correction of upwind fluxes: a linear fit of the field in each cell, followed along the drift.

In a sub-step of the length :math:`\tau` ice crosses a side with the middle :math:`x_s` that was, at half time,
:math:`\tfrac{\tau}{2} u_s` before it. The density of this ice differs from that of its cell :math:`i` by

.. math:: q' = \nabla q_i \cdot (x_s - x_i - \tfrac{\tau}{2} u_s)

(van Leer 1979; Colella 1990).
"""

from dataclasses import dataclass, replace
from typing import Any

import torch

from gensim_graph.transport.sides import Sides
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True, eq=False)
class Carrier:
    """Amount that carries a quantity across the sides: area for amounts of ice, ice for its properties.

    Attributes:
        rightwards: amount that crosses each side from left to right, not negative.
        leftwards: minus the amount that crosses from right to left.
        right_moments: m times the amount, product of ``rightwards`` and the vector from the centre of the left cell to
            where this ice is at half time, along x and y.
        left_moments: the same for ``leftwards`` and the right cell.
    """

    rightwards: Float[Tensor, "side member"]
    leftwards: Float[Tensor, "side member"]
    right_moments: Float[Tensor, "2 side member"]
    left_moments: Float[Tensor, "2 side member"]


@dataclass(frozen=True, eq=False)
class LinearFit:
    """Slopes of fields in the cells of a mesh, and what they add to the fluxes through the sides.

    Attributes:
        sides: the sides that ice may cross.
        slopes: 1/m, weights of the differences across the sides of a cell in the slopes along x and y.
        from_left, from_right: m, vectors from the centres of both cells to the middle of the side; 0 on an open
            boundary, where ice that leaves or enters is like that in the cell.
        inner: 1 for sides between two cells, 0 on an open boundary.
        blend: part of the slope of each cell that is the mean slope of its neighbours; None if it is 0 everywhere. With
            three neighbours alone, the scheme is unstable on irregular triangles (Haider, Croisille and Courbet 2009).
    """

    sides: Sides
    slopes: Float[Tensor, "2 place cell _"]
    from_left: Float[Tensor, "2 side _"]
    from_right: Float[Tensor, "2 side _"]
    inner: Float[Tensor, "side _"]
    blend: Float[Tensor, "cell _"] | None

    def for_members(self, count: int) -> "LinearFit":
        """Repeat the tables for each member: operations on tables of the same shape are faster."""
        names = ("slopes", "from_left", "from_right", "inner")
        tables = {name: _repeated(getattr(self, name), count) for name in names}
        blend = None if self.blend is None else _repeated(self.blend, 2 * count)
        of_sides: dict[str, Any] = {
            name: _repeated(getattr(self.sides, name), count) for name in ("half_normals", "signs", "areas")
        }
        return replace(self, sides=replace(self.sides, **of_sides), blend=blend, **tables)

    def carrier(
        self, amount: Float[Tensor, "side member"], drift: Float[Tensor, "2 side member"], seconds: float
    ) -> Carrier:
        """Prepare an amount that crosses the sides, for the fluxes of all quantities that move with it.

        Args:
            amount: that crosses each side from left to right.
            drift: m/s, at the sides.
            seconds: length of the sub-step.
        """
        half = drift * (self.inner * (0.5 * seconds))
        rightwards, leftwards = amount.clamp(min=0.0), amount.clamp(max=0.0)
        return Carrier(
            rightwards, leftwards, (self.from_left - half) * rightwards, (self.from_right - half) * leftwards
        )

    def fluxes(
        self, carrier: Carrier, density: Float[Tensor, "cell member"]
    ) -> tuple[Float[Tensor, "side member"], Float[Tensor, "side member"]]:
        """Return the upwind flux of a quantity from left to right, and the correction to second order.

        Args:
            carrier: amount with which the quantity crosses the sides.
            density: density of the quantity in the carrier.
        """
        left, right = density.index_select(0, self.sides.left), density.index_select(0, self.sides.right)
        slopes = self.slope(right - left)
        upwind = left.mul_(carrier.rightwards).add_(right.mul_(carrier.leftwards))

        left_x, left_y = slopes.index_select(0, self.sides.left).chunk(2, dim=1)
        right_x, right_y = slopes.index_select(0, self.sides.right).chunk(2, dim=1)
        correction = (left_x * carrier.right_moments[0]).add_(left_y * carrier.right_moments[1])
        correction.add_(right_x * carrier.left_moments[0]).add_(right_y * carrier.left_moments[1])

        return upwind, correction

    def slope(self, difference: Float[Tensor, "side member"]) -> Float[Tensor, "cell _"]:
        """Return the slopes of a field in the cells, in its unit per m: along x for each member, then along y.

        Args:
            difference: value of the field on the right of each side minus that on its left.
        """
        across = [difference.index_select(0, side) for side in self.sides.of_cell]
        slopes = torch.cat([_weighted_sum(across, weights) for weights in self.slopes], dim=1)

        return slopes if self.blend is None else self._blended(slopes, self.blend)

    def _blended(self, slopes: Tensor, blend: Tensor) -> Tensor:
        """Slopes, a part of which is the mean of the slopes of the neighbours.

        Args:
            slopes: of each cell, along x for each member and then along y.
            blend: the part, in the same order.
        """
        first, *others = self.sides.neighbours
        around = slopes.index_select(0, first)
        for cells in others:
            around += slopes.index_select(0, cells)

        around.div_(len(self.sides.neighbours)).sub_(slopes)
        return slopes.add_(around.mul_(blend))


def _weighted_sum(terms: list[Tensor], weights: Tensor) -> Tensor:
    """Sum of terms, each times its weight.

    Args:
        terms: one for each side of a cell.
        weights: in the same order.
    """
    total = terms[0] * weights[0]
    for term, weight in zip(terms[1:], weights[1:], strict=True):
        total += term * weight

    return total


def _repeated(table: Tensor, count: int) -> Tensor:
    return table.expand(*table.shape[:-1], count).contiguous()

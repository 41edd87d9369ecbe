r"""Transport of fields on the cells of a mesh by the drift of the ice, over the step of a forecast.

A field :math:`q`, an amount per area, obeys :math:`\partial_t q + \nabla \cdot (u q) = 0`. The drift :math:`u` changes
linearly in time from that at the start to that at the end of the step. The step is cut into sub-steps. Through each
side flows in a sub-step of the length :math:`\tau`

.. math:: F = c\, \big( q_i + \phi\, \nabla q_i \cdot (x_s - x_i - \tfrac{\tau}{2} u_s) \big), \quad
    c = \tau\, L\, (u_s \cdot n)\, (1 - \tfrac{\tau}{2} \nabla \cdot u)

with the area :math:`c` that crosses the side, the cell :math:`i` from which it comes, the middle :math:`x_s` of the
side, its length :math:`L` and normal :math:`n`. The bracket is the linear fit of the cell, half-way along the path of
the ice that crosses the side (van Leer 1979; Colella 1990): second order in space and time. :math:`\phi` is Zalesak's
limit (:mod:`~gensim_graph.transport.corrected_fluxes`), with which no new extremes arise.

The number of sub-steps depends on the mesh and on the length of the step, not on the drift: members of an ensemble do
not depend on each other. Where ice is faster than planned, no more area leaves a cell in a sub-step than it has. The
ice then lags behind, but amounts stay positive.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.transport.cell_slopes import drift_terms, side_offsets, slope_weights
from gensim_graph.transport.linear_fit import LinearFit
from gensim_graph.transport.sides import find_sides
from gensim_graph.transport.substep import crossing_area, move_amount, move_property
from gensim_graph.typing import Array, Float, Int, Tensor

_COURANT = 0.75  # part of its area that a cell loses in a sub-step to ice at the planned speed
_BLEND = 0.25  # part of the slope of a triangle that is the mean slope of its neighbours; stable and second order
_SMALL_CELLS = 0.05  # part of the cells that are smaller than those for which the sub-steps are chosen


@dataclass(frozen=True, eq=False)
class TransportPlan:
    """Tables of a mesh for the transport, on one device. Build it with :func:`plan_transport`.

    Attributes:
        fit: the sides that ice may cross, and slopes in the cells.
        drift_cells: cells from whose drift that at each side is computed.
        drift_weights: their weights.
        longest_substep: s.
        presses_in: False if a drift that converges at an open boundary presses no ice in, see :func:`plan_transport`.
    """

    fit: LinearFit
    drift_cells: Int[Tensor, "term side"]
    drift_weights: Float[Tensor, "term side 1"]
    longest_substep: float
    presses_in: bool = True

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> "TransportPlan":
        """Copy the tables to a device.

        Args:
            device: where they are used.
            dtype: precision of the numbers; by default as it is.
        """
        sides = replace(self.fit.sides, **_moved(self.fit.sides, device, dtype))
        fit = replace(self.fit, sides=sides, **_moved(self.fit, device, dtype))
        return replace(self, fit=fit, **_moved(self, device, dtype))

    def substeps(self, seconds: float) -> int:
        """Return the number of sub-steps of a step of some seconds."""
        return max(1, math.ceil(seconds / self.longest_substep - 1e-9))

    def move(
        self,
        values: Float[Tensor, "batch face field"],
        drift: Float[Tensor, "batch face 2"],
        next_drift: Float[Tensor, "batch face 2"],
        seconds: float,
    ) -> Float[Tensor, "batch face field"]:
        """Return amounts of ice after a step in which the drift moves them.

        Args:
            values: at the start of the step, amounts per area, such as ice volume (m), concentration and snow (m).
            drift: m/s along the axes of the plane, at the start of the step.
            next_drift: m/s, at the end of the step.
            seconds: length of the step.

        Raises:
            InputError: fields of another mesh or of other members, or a step without length.
        """
        nothing = values[..., :0]
        return self.move_with_properties(values, nothing, drift, next_drift, seconds)[0]

    @torch.no_grad()
    def move_with_properties(
        self,
        values: Float[Tensor, "batch face field"],
        properties: Float[Tensor, "batch face property"],
        drift: Float[Tensor, "batch face 2"],
        next_drift: Float[Tensor, "batch face 2"],
        seconds: float,
        carrier: int = 0,
    ) -> tuple[Float[Tensor, "batch face field"], Float[Tensor, "batch face property"]]:
        """Return amounts and properties of the ice, such as damage and age, after a step in which the drift moves them.

        Ice that meets in a cell mixes in proportion to its amount.

        Args:
            values: as in :meth:`move`.
            properties: at the start of the step, of the ice in each cell.
            drift: as in :meth:`move`.
            next_drift: as in :meth:`move`.
            seconds: as in :meth:`move`.
            carrier: number of the field with which properties move, ice volume or concentration.

        Returns:
            Values and properties afterwards. Properties are 0 where there is next to no ice.

        Raises:
            InputError: fields of another mesh or of other members, or a step without length.
        """
        self._check(values, (properties, drift, next_drift), seconds)
        fit = self.fit.for_members(len(values))
        amounts, of_ice = self._rows(values), self._rows(properties)
        carrier = range(len(amounts))[carrier] if of_ice else 0
        start, end = self.drift_at_sides(drift), self.drift_at_sides(next_drift)
        change = end - start
        count = self.substeps(seconds)
        length = seconds / count

        for number in range(count):
            middle = start + change * ((number + 0.5) / count)
            crossing = fit.carrier(crossing_area(fit.sides, middle, length, self.presses_in), middle, length)
            moved = [
                move_amount(fit, crossing, amount, keep_positive=bool(of_ice) and index == carrier)
                for index, amount in enumerate(amounts)
            ]
            if of_ice:
                ice = fit.carrier(moved[carrier][1], middle, length)
                both = amounts[carrier], moved[carrier][0]
                of_ice = [move_property(fit, ice, both, density) for density in of_ice]
            amounts = [amount for amount, _ in moved]

        return _batch_first(amounts, values), _batch_first(of_ice, properties)

    def _check(self, values: Tensor, others: tuple[Tensor, ...], seconds: float) -> None:
        """Refuse fields of another mesh or of other members, and a step without length.

        Args:
            values: fields.
            others: further fields, and the drift.
            seconds: length of the step.
        """
        n_cells = len(self.fit.sides.areas)
        if values.shape[1] != n_cells:
            raise InputError(f"transport: the mesh has {n_cells} faces, the fields have {values.shape[1]}")
        for other in others:
            if other.shape[:2] != values.shape[:2]:
                came = f"{tuple(values.shape[:2])} and {tuple(other.shape[:2])}"
                raise InputError(f"transport: fields and drift need the same members and faces; came {came}")
        if not (seconds > 0.0 and math.isfinite(seconds)):
            raise InputError(f"transport: a step needs a length in s above 0; came {seconds!r}")

    def _rows(self, values: Float[Tensor, "batch face field"]) -> list[Float[Tensor, "face batch"]]:
        """Fields with the members last, in the precision of the plan."""
        return [*values.permute(2, 1, 0).to(self.fit.slopes.dtype).contiguous()]

    def drift_at_sides(self, drift: Float[Tensor, "batch face 2"]) -> Float[Tensor, "2 side batch"]:
        """Drift at the middle of the sides, m/s."""
        total = None
        rows = torch.cat(self._rows(drift), dim=1)

        for cells, weight in zip(self.drift_cells, self.drift_weights, strict=True):
            term = rows.index_select(0, cells) * weight
            total = term if total is None else total.add_(term)

        assert total is not None
        return torch.stack(total.chunk(2, dim=1))


def plan_transport(
    mesh: Mesh,
    fastest: float = 1.0,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    presses_in: bool = True,
) -> TransportPlan:
    r"""Build the tables of a mesh for the transport of fields on its faces.

    Nothing crosses a boundary named ``coast``. Through any other boundary ice leaves freely, and ice that enters there
    is like the ice inside.

    Drift of speed :math:`U` takes from a cell of area :math:`A` and perimeter :math:`P` the area :math:`U P / \pi` in a
    second, averaged over its directions. In a sub-step, ice at the planned speed takes at most three quarters of the
    area of a cell. 5 % of the cells may be smaller, so that a few tiny cells do not slow down a whole mesh. From faster
    ice, and from smaller cells, flows at most what the cell contains.

    Args:
        mesh: cells of any number of corners.
        fastest: m/s, speed of the ice for which the sub-steps are chosen.
        device: where the tables are stored.
        dtype: precision of the computation.
        presses_in: ice from outside is like that inside, also where the drift converges at an open boundary: over many
            steps the ice there then grows without end. False lets no more in than makes room for it.

    Raises:
        InputError: a speed that is not positive.

    Example:
        Ice drifts for 12 hours along x, on a grid of 25 km.

        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import torch
        >>> from gensim_graph.transport import plan_transport
        >>> axis = np.arange(8) * 25e3
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> plan = plan_transport(mesh)
        >>> thickness = torch.ones(1, 64, 1)
        >>> drift = torch.tensor([0.2, 0.0]).expand(1, 64, 2)
        >>> moved = plan.move(thickness, drift, drift, seconds=43200.0)
        >>> round(float(moved.mean()), 4)  # in a closed box nothing is lost
        1.0
        >>> round(float(moved[0, 0, 0]), 2)  # it leaves the coast on the left
        0.71
    """
    if not (fastest > 0.0 and math.isfinite(fastest)):
        raise InputError(f"transport: 'fastest' needs a speed in m/s above 0; came {fastest!r}")

    areas = torch.as_tensor(mesh.areas[:, None])
    sides = find_sides(mesh.nodes, mesh.faces, mesh.boundary_kind == "coast", areas)
    inner = (sides.left != sides.right)[:, None].double()
    from_left, from_right = (torch.as_tensor(each[..., None]) * inner for each in side_offsets(mesh, sides))
    slopes = torch.as_tensor(slope_weights(mesh, sides)[..., None])
    cells, weights = drift_terms(mesh, sides)

    # Differences point from left to right: seen from the right cell, they have the other sign.
    fit = LinearFit(sides, slopes * -sides.signs, from_left, from_right, inner, _blend(mesh))
    plan = TransportPlan(
        fit, torch.as_tensor(cells), torch.as_tensor(weights[..., None]), _longest_substep(mesh, fastest), presses_in
    )

    return plan.to(device, dtype)


def _blend(mesh: Mesh) -> Float[Tensor, "face 1"] | None:
    """Part of the slope of each face that is the mean slope of its neighbours, see :class:`LinearFit`."""
    triangles = mesh.corner_counts == 3
    return torch.as_tensor(_BLEND * triangles[:, None]) if triangles.any() else None


def _longest_substep(mesh: Mesh, fastest: float) -> float:
    """Length in s of the sub-steps for ice of a speed in m/s, see :func:`plan_transport`.

    Args:
        mesh: the mesh.
        fastest: m/s.
    """
    lifetime = np.pi * mesh.areas / (_perimeters(mesh) * fastest)
    return float(_COURANT * np.quantile(lifetime, _SMALL_CELLS))


def _perimeters(mesh: Mesh) -> Array:
    """Perimeter of each face, (F,) m."""
    inner = mesh.adjacency
    rim = mesh.nodes[mesh.boundary_edges]
    lengths = np.concatenate([inner.lengths, inner.lengths, np.linalg.norm(rim[:, 1] - rim[:, 0], axis=1)])
    faces = np.concatenate([*inner.faces.T, mesh.boundary_faces])
    return np.bincount(faces, lengths, minlength=mesh.n_faces)


def _batch_first(rows: list[Tensor], example: Float[Tensor, "batch face field"]) -> Float[Tensor, "batch face field"]:
    """Join fields with the members last to (batch, face, field); without fields, return the example.

    Args:
        rows: (face, batch) each.
        example: fields of the same shape.
    """
    return torch.stack(rows).permute(2, 1, 0).contiguous() if rows else example


def _moved(tables: object, device: str | torch.device, dtype: torch.dtype | None) -> dict[str, Any]:
    """Copy the tensors of a data class to a device, by name.

    Args:
        tables: the data class.
        device: where they are used.
        dtype: precision of the numbers; None leaves it as it is.
    """
    tensors = {name: each for name, each in vars(tables).items() if isinstance(each, Tensor)}
    return {name: each.to(device, dtype if each.is_floating_point() else None) for name, each in tensors.items()}

"""States that can exist: no snow, damage or thickness without ice, and totals that do not change by themselves.

The network forecasts each variable of a cell as a number of its own. Each keeps to its bounds, but together they may be
impossible: snow where the concentration is zero. The variable table says which variables a variable ``needs``; where
one of them is at zero, it is set to zero, too. What that removes of an amount is given back where there is ice, so that
the total stays. In a closed domain without sources the totals of conserved amounts are kept from step to step: the
field is clipped, and its sum is assured by a factor ("clip and assured sum", Bradley et al. 2019,
doi:10.1137/18M1165414).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from gensim_graph.mesh import Mesh
from gensim_graph.typing import Bool, Float, Tensor
from gensim_graph.variables import Variable

Conserving = Literal["auto", "always", "never"]
"""Whether the totals of conserved amounts are kept: ``auto`` in a closed domain without sources."""

_NOTHING = 1e-6
"""Largest value that counts as zero: the accuracy of float32."""


def is_closed(mesh: Mesh) -> bool:
    """Return True if no ice can leave a mesh: it has no boundary, or all of it is said to be coast."""
    named = any(map(len, mesh.boundaries.values()))
    return not len(mesh.boundary_edges) or (named and bool((mesh.boundary_kind == "coast").all()))


@dataclass(frozen=True)
class StateRules:
    """The rules of a variable table for the state variables that a model forecasts.

    Args:
        variables: the state variables, in the order of the channels.
        present: which of them the model forecasts; the others are left alone.
    """

    variables: Sequence[Variable]
    present: Sequence[bool]

    def applied(
        self,
        state: Float[Tensor, "batch face state"],
        before: Float[Tensor, "batch face state"],
        area: Float[Tensor, " face"],
        conserve: bool,
    ) -> Float[Tensor, "batch face state"]:
        """Return the nearest state that can exist.

        Args:
            state: forecast of the network, within the bounds of each variable.
            before: state at the start of the step.
            area: m2, of the cells.
            conserve: keep the totals of conserved amounts at those of ``before``.
        """
        needed = self._needed()
        columns = list(state.unbind(-1))
        above = [column > _NOTHING for column in columns]

        for channel, others in needed.items():
            exists = above[channel]
            for other in others:
                exists = exists & above[other]

            variable, possible = self.variables[channel], torch.where(exists, columns[channel], 0.0)
            keeps = conserve and variable.conserved
            if variable.amount:
                wanted = before[..., channel] if keeps else columns[channel]
                possible = _with_total(possible, exists, _total(wanted, area), area, variable.upper)
            columns[channel] = possible

        return torch.stack(columns, dim=-1)

    def _needed(self) -> dict[int, set[int]]:
        """Channel -> channels that it needs, directly or through others, of those that the model forecasts."""
        names = [one.name for one, present in zip(self.variables, self.present, strict=True) if present]
        direct = {
            one.name: {name for name in one.needs if name in names} for one in self.variables if one.name in names
        }
        all_of = {name: set(needs) for name, needs in direct.items()}

        for _ in names:
            for name, needs in all_of.items():
                all_of[name] = needs.union(*(direct[other] for other in needs))

        channel = {one.name: number for number, one in enumerate(self.variables)}
        ruled = {name for name in names if all_of[name] or self.variables[channel[name]].conserved}

        return {channel[name]: {channel[other] for other in all_of[name]} for name in names if name in ruled}


def _total(values: Float[Tensor, "batch face"], area: Float[Tensor, " face"]) -> Float[Tensor, "batch 1"]:
    """Sum over the area, in double precision."""
    return (values.double() * area.double()).sum(dim=1, keepdim=True)


def _with_total(
    values: Float[Tensor, "batch face"],
    exists: Bool[Tensor, "batch face"],
    total: Float[Tensor, "batch 1"],
    area: Float[Tensor, " face"],
    upper: float,
) -> Float[Tensor, "batch face"]:
    """Change values where there is ice so that their sum over the area becomes a given one, if they can.

    Values without an upper bound are multiplied by a factor. Of bounded ones the room up to the bound is filled by the
    same share everywhere, or the values are reduced by a factor.

    Args:
        values: zero where nothing exists.
        exists: where there is ice.
        total: wanted sum over the area.
        area: m2, of the cells.
        upper: upper bound of the values.
    """
    now = _total(values, area)
    factor = torch.where(now > 0, total / torch.where(now > 0, now, 1.0), 1.0)  # no NaN in gradients either
    if upper == float("inf"):
        return (values * factor).to(values.dtype)

    room = torch.where(exists, upper - values, 0.0)
    free = _total(room, area)
    share = torch.where(free > 0, (total - now) / torch.where(free > 0, free, 1.0), 0.0).clamp(0.0, 1.0)

    return torch.where(factor < 1, values * factor, values + room * share).to(values.dtype)

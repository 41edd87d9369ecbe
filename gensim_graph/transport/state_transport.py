r"""Transport of the state of a variable table: what would be forecast if nothing but the drift changed the ice.

Amounts per area (thickness, concentration, snow) and properties of the ice (damage, age) are moved over the step by the
drift at its start and end. Converging ice piles up: a concentration above one becomes one, and the volume of the ice
stays. Through an open boundary no ice is pressed in. A model then has to learn only what is left,
:math:`s' - T(s; u, u')`: growth, melt and errors of the transport.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from gensim_graph.mesh import Mesh
from gensim_graph.transport.transport_plan import TransportPlan, plan_transport
from gensim_graph.typing import Float, Tensor
from gensim_graph.variables import Variable

DRIFT = ("sea_ice_x_velocity", "sea_ice_y_velocity")
"""Standard names of the components of the drift."""


@dataclass(frozen=True, eq=False)
class StateTransport:
    """Transport of a state on one mesh, on one device. Build it with :func:`plan_state_transport`.

    Attributes:
        plan: tables of the mesh.
        seconds: length of a step.
        amounts: channels of the amounts that are moved; properties move with the first of them.
        properties: channels of the properties that are moved.
        drift: channels of the two components of the drift.
        lower: (amount + property,) lower bounds.
        upper: (amount + property,) upper bounds.
    """

    plan: TransportPlan
    seconds: float
    amounts: list[int]
    properties: list[int]
    drift: list[int]
    lower: Float[Tensor, " channel"]
    upper: Float[Tensor, " channel"]

    def to(self, device: str | torch.device) -> "StateTransport":
        """Copy the tables to a device.

        Args:
            device: where they are used.
        """
        bounds = self.lower.to(device), self.upper.to(device)
        return StateTransport(self.plan.to(device), self.seconds, self.amounts, self.properties, self.drift, *bounds)

    def moved(
        self, state: Float[Tensor, "batch face state"], next_state: Float[Tensor, "batch face state"]
    ) -> Float[Tensor, "batch face state"]:
        """Return the state at the start of a step, moved to its end by the drift; other variables do not change.

        Gradients are those of ice that stays where it is: in a step it moves about a cell.

        Args:
            state: at the start of the step, in the units of the variable table.
            next_state: at its end; only its drift is used.
        """
        moving = self.amounts + self.properties
        before, later = state.unbind(-1), next_state.unbind(-1)
        values, properties = _joined(before, self.amounts, state), _joined(before, self.properties, state)
        drift, next_drift = _joined(before, self.drift, state), _joined(later, self.drift, state)

        parts = self.plan.move_with_properties(values, properties, drift, next_drift, self.seconds)
        moved = torch.minimum(torch.maximum(torch.cat(parts, dim=-1).to(state.dtype), self.lower), self.upper)
        if state.requires_grad:
            stays = _joined(before, moving, state)
            moved = stays + (moved - stays).detach()

        after = dict(enumerate(before)) | dict(zip(moving, moved.unbind(-1), strict=True))
        return torch.stack(list(after.values()), dim=-1)


def _joined(
    columns: Sequence[Float[Tensor, "batch face"]], channels: Sequence[int], example: Float[Tensor, "batch face state"]
) -> Float[Tensor, "batch face chosen"]:
    """Join some columns. A list of numbers as index would be copied to a GPU, for which the processor waits.

    Args:
        columns: of a state.
        channels: numbers of the chosen ones.
        example: a state, for the shape without columns.
    """
    return torch.stack([columns[channel] for channel in channels], dim=-1) if channels else example[..., :0]


def transported_names(variables: Sequence[Variable], present: Collection[str]) -> tuple[str, ...]:
    """Return the names of the variables that the drift moves; none if there is no drift, or no ice to move.

    Args:
        variables: state variables.
        present: names of the variables that the data have.
    """
    standard_names = {one.standard_name for one in variables if one.name in present}
    chosen = [one for one in variables if one.transported and one.name in present]
    has_amount = any(one.amount for one in chosen)

    return tuple(one.name for one in chosen) if has_amount and standard_names.issuperset(DRIFT) else ()


def plan_state_transport(
    mesh: Mesh, variables: Sequence[Variable], transported: Collection[str], seconds: float, fastest: float = 0.6
) -> StateTransport:
    """Build the tables for the transport of a state on a mesh.

    Args:
        mesh: the mesh.
        variables: state variables, in the order of the channels.
        transported: names of those that are moved, see :func:`transported_names`.
        seconds: length of a step.
        fastest: m/s, speed of the ice for which the sub-steps are chosen; the scheme is stable up to a third more.

    Example:
        >>> import gensim_graph as gg
        >>> import numpy as np
        >>> import torch
        >>> from gensim_graph.transport import plan_state_transport, transported_names
        >>> axis = np.arange(8) * 25e3
        >>> state = gg.default_variables().state
        >>> names = transported_names(state, [one.name for one in state])
        >>> names
        ('sit', 'sic', 'sid', 'snt')
        >>> transport = plan_state_transport(gg.Mesh.from_grid(axis, axis), state, names, seconds=43200.0)
        >>> now = torch.full((1, 64, 6), 0.2)  # drift of 0.2 m/s along both axes
        >>> moved = transport.moved(now, now)
        >>> round(float(moved[..., 0].mean()), 6)  # the volume of the ice
        0.2
    """
    channel = {one.name: number for number, one in enumerate(variables)}
    chosen = [one for one in variables if one.name in transported]
    amounts = [one for one in chosen if one.amount]
    properties = [one for one in chosen if not one.amount]
    ordered = amounts + properties
    drift = [next(channel[one.name] for one in variables if one.standard_name == name) for name in DRIFT]

    return StateTransport(
        plan_transport(mesh, fastest, presses_in=False),
        seconds,
        [channel[one.name] for one in amounts],
        [channel[one.name] for one in properties],
        drift,
        torch.tensor([one.lower for one in ordered]),
        torch.tensor([one.upper for one in ordered]),
    )

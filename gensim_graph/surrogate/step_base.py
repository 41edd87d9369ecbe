"""The state from which the residual of a step is counted: known before the network is asked, but for the drift.

    next state = base(drift) + mean + deviation * residual

The base is the state now, with the drift of the linear response to the wind (:mod:`gensim_graph.data.drift_response`),
and with the ice moved by the drift (:mod:`gensim_graph.transport`), which the residual itself contains. A model that
has learned the whole change has the state now as its base.
"""

from dataclasses import dataclass

from gensim_graph.data import Normaliser
from gensim_graph.flow import Bounds, BoundsOf
from gensim_graph.mesh import Mesh
from gensim_graph.transport import StateTransport, plan_state_transport
from gensim_graph.typing import Float, Tensor
from gensim_graph.units import SECONDS_PER_HOUR


@dataclass(frozen=True, eq=False)
class StepBase:
    """The base of one step.

    Attributes:
        normaliser: scales of the residual.
        transport: transport of the state on the mesh; None for a model that has learned it.
        state: now, in the units of the variable table.
        expected: state with the drift that is expected, see :meth:`~gensim_graph.data.Normaliser.expected`.
    """

    normaliser: Normaliser
    transport: StateTransport | None
    state: Float[Tensor, "batch face state"]
    expected: Float[Tensor, "batch face state"]

    def of(self, residual: Float[Tensor, "batch face state"]) -> Float[Tensor, "batch face state"]:
        """Return the base for the drift of a normalised residual."""
        if self.transport is None:
            return self.expected

        moved = self.transport.moved(self.state, self.normaliser.advance(self.expected, residual))
        return self.normaliser.with_drift_of(moved, self.expected)

    def next_state(self, residual: Float[Tensor, "batch face state"]) -> Float[Tensor, "batch face state"]:
        """Return the state one lead time later, within the bounds of each variable."""
        return self.normaliser.advance(self.of(residual), residual)

    @property
    def bounds(self) -> Bounds | BoundsOf:
        """Bounds of the residual; where ice is moved they depend on the drift of the residual."""
        if self.transport is None:
            return self.normaliser.residual_bounds(self.expected)
        return lambda residual: self.normaliser.residual_bounds(self.of(residual))


def step_transport(normaliser: Normaliser, mesh: Mesh) -> StateTransport | None:
    """Build the transport of the state on a mesh; None for a model that has learned the whole change.

    Args:
        normaliser: variables, and those that are moved.
        mesh: where the steps are computed.
    """
    table, statistics = normaliser.table, normaliser.statistics
    if not statistics.transported:
        return None

    seconds = statistics.lead_hours * SECONDS_PER_HOUR
    return plan_state_transport(mesh, table.state, statistics.transported, seconds).to(normaliser.device)

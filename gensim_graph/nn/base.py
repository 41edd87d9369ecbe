"""What all operators have in common: noised residual, conditions and flow time in, the velocity of the flow out."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import nn

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention import AttentionPlan
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.operator_config import OperatorConfig
from gensim_graph.typing import Float, Tensor


class Prepared(NamedTuple):
    """Conditions as the operator sees them, and the plan of their graph.

    Attributes:
        features: (B, F, D_cell) linear in the conditions.
        plan: of the graph.
    """

    features: Tensor
    plan: AttentionPlan


class Operator(nn.Module, ABC):
    """Velocity of the flow on the cells of any mesh.

    Args:
        config: size.
        state: channels of the noised state; an int takes the default layout.
        conditions: channels of the conditions; an int takes the default layout.
    """

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__()
        self.config = config
        self.state = Channels.default_state(state) if isinstance(state, int) else state
        self.conditions = Channels.default_conditions(conditions) if isinstance(conditions, int) else conditions

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return sum(parameter.numel() for parameter in self.parameters())

    def forward(
        self,
        noised: Float[Tensor, "batch face state"],
        conditions: Float[Tensor, "batch face condition"],
        flow_time: Float[Tensor, "..."],
        graph: MeshGraph,
    ) -> Float[Tensor, "batch face state"]:
        """Velocity.

        Args:
            noised: (B, F, state) normalised residual on the path at ``flow_time``.
            conditions: (B, F, conditions) normalised.
            flow_time: (B,), or (B, G) for a batch of G graphs, in [0, 1].
            graph: the cells; F is the number of cells of all its graphs.
        """
        return self.velocity(noised, flow_time, self.prepare(conditions, self.plan(graph)))

    @abstractmethod
    def plan(self, graph: MeshGraph) -> AttentionPlan:
        """What all evaluations on a graph share; made once for a forecast."""

    @abstractmethod
    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: AttentionPlan) -> Prepared:
        """What all evaluations with the same conditions share: only the noised channels change from one to the next.

        Raises:
            InputError: conditions of another shape than the graph and the operator expect.
        """

    @abstractmethod
    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared
    ) -> Float[Tensor, "batch face state"]:
        """Velocity on prepared conditions; arguments as of :meth:`forward`."""

    def _precondition(self, network: Tensor, noised: Tensor, time: Tensor, graph: MeshGraph) -> Tensor:
        """Best linear guess of x1 - eps from z for unit variances, and the network's correction of unit variance.

        With z = tau x1 + (1 - tau) eps:  v = (2 tau - 1) / s^2 z + 1 / s F,  s^2 = tau^2 + (1 - tau)^2
        (the preconditioning of Karras et al. 2022 for this path).
        """
        tau = time if time.shape[1] == 1 else time.index_select(1, face_graph(graph))
        tau = tau.unsqueeze(-1)
        variance = tau**2 + (1 - tau) ** 2
        return (2 * tau - 1) / variance * noised + network * variance.rsqrt()

    def _check(self, what: str, values: Tensor, graph: MeshGraph, channels: int) -> None:
        if tuple(values.shape[1:]) != (graph.n_cells, channels):
            raise InputError(
                f"operator: expected {what} (B, {graph.n_cells}, {channels}) on this graph; came {tuple(values.shape)}"
            )

"""Base class of all networks that predict the velocity of the flow from noised residual, conditions and flow time.

The computation has three steps, because a forecast evaluates the network many times: ``plan`` once for each graph,
``prepare`` once for each set of conditions, and ``velocity`` for each noised residual and flow time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.graph_plan import GraphPlan
from gensim_graph.nn.operator_config import OperatorConfig
from gensim_graph.typing import Float, Tensor

Plan = TypeVar("Plan", bound=GraphPlan)
"""Type of the plan: :class:`~gensim_graph.nn.graph_plan.GraphPlan`, or a subclass with tables of the network."""


@dataclass(frozen=True)
class Prepared(Generic[Plan]):
    """Conditions in the form that the network uses, and the plan of their graph.

    Attributes:
        features: (B, F, D_cell) a linear function of the conditions.
        plan: plan of the graph.
    """

    features: Tensor
    plan: Plan


CompiledVelocity = Callable[[Tensor, Tensor, Prepared[Plan]], Tensor]
"""Velocity of noised residual, flow time and prepared conditions."""


class Operator(nn.Module, ABC, Generic[Plan]):
    """Velocity of the flow on the cells of any mesh.

    Args:
        config: network and size.
        state: channels of the noised state; an int is the number of channels of the default layout.
        conditions: channels of the conditions; an int is the number of channels of the default layout.

    Attributes:
        checkpoint_blocks: keep only the input of each block for the backward pass, which computes the block again:
            less memory, more time, the same gradients.
    """

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__()
        self.config = config
        self.checkpoint_blocks = False
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
        """Compute the velocity of the flow.

        Args:
            noised: (B, F, state) normalised residual on the path at ``flow_time``; vectors in the frame of the graph.
            conditions: (B, F, conditions) normalised conditions, vectors in the same frame.
            flow_time: (B,) in [0, 1], or (B, G) for a batch of G graphs.
            graph: graph of the cells; F is the number of cells of all its graphs.

        Returns:
            (B, F, state) velocity of the normalised residual.

        Raises:
            InputError: tensors of another shape than graph and operator expect.
        """
        return self.velocity(noised, flow_time, self.prepare(conditions, self.plan(graph)))

    @abstractmethod
    def plan(self, graph: MeshGraph) -> Plan:
        """Compute everything that all evaluations on a graph share; done once for a forecast."""

    @abstractmethod
    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: Plan) -> Prepared[Plan]:
        """Compute everything that all evaluations with the same conditions share.

        From one evaluation to the next, only the noised residual and the flow time change.

        Args:
            conditions: (B, F, conditions) normalised conditions.
            plan: plan of the graph.

        Raises:
            InputError: conditions of another shape than graph and operator expect.
        """

    @abstractmethod
    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared[Plan]
    ) -> Float[Tensor, "batch face state"]:
        """Compute the velocity of the flow on prepared conditions.

        Args:
            noised: as in :meth:`forward`.
            flow_time: as in :meth:`forward`.
            prepared: conditions from :meth:`prepare`.

        Returns:
            (B, F, state) velocity of the normalised residual.

        Raises:
            InputError: a noised residual of another shape than graph and operator expect.
        """

    def compiled(self, compile_function: Callable[..., Callable[..., Any]]) -> CompiledVelocity[Plan]:
        """Return :meth:`velocity` in compiled form.

        Networks of equal blocks compile one of them only, see :class:`~gensim_graph.nn.operator.VelocityOperator`.

        Args:
            compile_function: returns the compiled form of a function.
        """
        return compile_function(self.velocity)

    def _apply_block(self, block: Callable[..., Any], *inputs: Any) -> Any:
        """Apply a block, which is computed again in the backward pass if ``checkpoint_blocks`` says so."""
        if self.checkpoint_blocks and torch.is_grad_enabled():
            return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=False)  # nothing is random
        return block(*inputs)

    def _time_of_graphs(self, noised: Tensor, flow_time: Tensor, graph: MeshGraph) -> Float[Tensor, "batch graph"]:
        """Check the shape of the noised residual and return the flow time of each graph."""
        self._check("noised", noised, graph, self.state.count)
        return flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)

    def _precondition(self, network: Tensor, noised: Tensor, time: Tensor, graph: MeshGraph) -> Tensor:
        """Add the output of the network to the best linear estimate of the velocity x1 - eps from z.

        With z = tau x1 + (1 - tau) eps and unit variances:  v = (2 tau - 1) / s^2 z + 1 / s F,
        s^2 = tau^2 + (1 - tau)^2, where F is the output, of unit variance (preconditioning of Karras et al. 2022 for
        this path).

        Args:
            network: (B, F, state) output of the network.
            noised: (B, F, state) z.
            time: (B, G) tau of each graph, or (B, 1).
            graph: graph of the cells.
        """
        tau = time if time.shape[1] == 1 else time.index_select(1, face_graph(graph))
        tau = tau.unsqueeze(-1)
        variance = tau**2 + (1 - tau) ** 2
        return (2 * tau - 1) / variance * noised + network * variance.rsqrt()

    def _check(self, what: str, values: Tensor, graph: MeshGraph, channels: int) -> None:
        """Raise an error if values have another shape than (B, F, channels)."""
        if tuple(values.shape[1:]) != (graph.n_cells, channels):
            raise InputError(
                f"operator: expected {what} (B, {graph.n_cells}, {channels}) on this graph; came {tuple(values.shape)}"
            )

"""MeshGraphNet: message passing along the edges between cells, the usual baseline of learned models on meshes.

Encode, process, decode after Pfaff et al. (2021, arXiv:2010.03409). Cells and edges have features. In every block an
edge is updated from its two cells and a cell from the sum over its edges, both as residuals, so information travels one
cell in each block. The network is not equivariant to rotations: train it with ``data.rotate=true``.

Preconditioning, conditions and flow time are those of the :class:`~gensim_graph.nn.operator.VelocityOperator`, so that
only the network differs.
"""

import torch
from torch import nn
from torch_geometric.nn import MessagePassing

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.embedding import FlowTimeEmbedding, log_length
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.graph_plan import GraphPlan
from gensim_graph.nn.operator_config import OperatorConfig
from gensim_graph.typing import Float, Int, Tensor

_EDGE, _CELL = 4, 5
"""Number of features of an edge (offset, distance, length) and of a cell (boundary, length unit)."""


class MeshGraphNet(Operator[GraphPlan]):
    """Message passing on the cells.

    Args:
        config: width, number of blocks and width of the flow-time embedding; other sizes are not used.
        state: channels of the noised state; an int is the number of channels of the default layout.
        conditions: channels of the conditions; an int is the number of channels of the default layout.
    """

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__(config, state, conditions)
        width = config.width
        inputs = self.state.count + self.conditions.count + _CELL + config.embedding
        self.embed = FlowTimeEmbedding(config.embedding)
        self.encode_cell, self.encode_edge = _network(inputs, width), _network(_EDGE, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.blocks))

        hidden, last = nn.Linear(width, width), nn.Linear(width, self.state.count)
        self.decode = nn.Sequential(hidden, nn.SiLU(), last)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def plan(self, graph: MeshGraph) -> GraphPlan:
        """Return the graph alone: message passing needs no tables."""
        return GraphPlan(graph)

    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: GraphPlan) -> Prepared[GraphPlan]:
        """Join the conditions with boundary and length unit of the cells.

        Args:
            conditions: (B, F, conditions) normalised conditions.
            plan: plan of the graph.

        Raises:
            InputError: conditions of another shape than graph and operator expect.
        """
        graph = plan.graph
        self._check("conditions", conditions, graph, self.conditions.count)
        cells = torch.cat((graph.boundary, log_length(graph.length).unsqueeze(-1)), dim=-1)
        return Prepared(torch.cat((conditions, cells.expand(len(conditions), -1, -1)), dim=-1), plan)

    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared[GraphPlan]
    ) -> Float[Tensor, "batch face state"]:
        """Encode cells and edges, pass messages, decode the cells.

        Args:
            noised: (B, F, state) normalised residual on the path at ``flow_time``.
            flow_time: (B,) in [0, 1], or (B, G) for a batch of G graphs.
            prepared: conditions from :meth:`prepare`.

        Raises:
            InputError: a noised residual of another shape than graph and operator expect.
        """
        graph = prepared.plan.graph
        time = self._time_of_graphs(noised, flow_time, graph)
        embedded = self.embed(time).index_select(1, face_graph(graph))
        cells = self.encode_cell(torch.cat((noised, prepared.features, embedded), dim=-1))

        distance = graph.edge_attr[:, :2].norm(dim=-1, keepdim=True)
        edges = self.encode_edge(torch.cat((graph.edge_attr, distance), dim=-1)).expand(len(noised), -1, -1)

        for block in self.blocks:
            cells, edges = self._apply_block(block, cells, edges, graph.edge_index)

        return self._precondition(self.decode(cells), noised, time, graph)


class _Block(MessagePassing):
    """One round of messages."""

    def __init__(self, width: int) -> None:
        super().__init__(aggr="sum", node_dim=1)
        self.of_edge, self.of_cell = _network(3 * width, width), _network(2 * width, width)

    def forward(
        self,
        cells: Float[Tensor, "batch face channel"],
        edges: Float[Tensor, "batch edge channel"],
        edge_index: Int[Tensor, "2 edge"],
    ) -> tuple[Tensor, Tensor]:
        sender, receiver = edge_index
        ends = torch.cat((edges, cells.index_select(1, sender), cells.index_select(1, receiver)), dim=-1)
        edges = edges + self.of_edge(ends)
        received = self.propagate(edge_index, edges=edges, size=(cells.shape[1], cells.shape[1]))

        return cells + self.of_cell(torch.cat((cells, received), dim=-1)), edges

    def message(self, edges: Tensor) -> Tensor:
        return edges


def _network(inputs: int, width: int) -> nn.Sequential:
    """Two layers and a norm, as in the paper."""
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width))

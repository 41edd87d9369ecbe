"""MeshGraphNet: message passing along the edges of the cells, the baseline of learned models on meshes.

Encode, process, decode after Pfaff et al. (2021, arXiv:2010.03409): cells and edges have features; in every block an
edge learns from its two cells and a cell from the sum over its edges, both with a residual. Information travels one
cell a block. It has no notion of frames: train it with ``data.rotate=true``.

The surroundings (preconditioning, conditions, flow time) are those of the
:class:`~gensim_graph.nn.operator.VelocityOperator`, so that only the network differs.
"""

import torch
from torch import nn
from torch_geometric.nn import MessagePassing

from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention import AttentionPlan
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.embedding import FlowTimeEmbedding, log_length
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.operator_config import OperatorConfig
from gensim_graph.typing import Float, Int, Tensor

_EDGE, _CELL = 4, 5
"""Features of an edge (offset, distance, shared length) and of a cell (boundary, length)."""


class MeshGraphNet(Operator):
    """Message passing on the cells; arguments as of :class:`~gensim_graph.nn.base.Operator`."""

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__(config, state, conditions)
        width, seen = config.width, self.state.count + self.conditions.count + _CELL + config.embedding
        self.embed = FlowTimeEmbedding(config.embedding)
        self.encode_cell, self.encode_edge = _network(seen, width), _network(_EDGE, width)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(config.blocks))
        self.decode = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, self.state.count))
        last = self.decode[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def plan(self, graph: MeshGraph) -> AttentionPlan:
        """Just the graph: there is no attention."""
        return AttentionPlan(graph, self.config.network)

    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: AttentionPlan) -> Prepared:
        """Conditions beside what is known of the cells."""
        graph = plan.graph
        self._check("conditions", conditions, graph, self.conditions.count)
        cells = torch.cat((graph.boundary, log_length(graph.length).unsqueeze(-1)), dim=-1)
        return Prepared(torch.cat((conditions, cells.expand(len(conditions), -1, -1)), dim=-1), plan)

    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared
    ) -> Float[Tensor, "batch face state"]:
        """Encode, process, decode."""
        graph = prepared.plan.graph
        self._check("noised", noised, graph, self.state.count)
        time = flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)
        embedded = self.embed(time).index_select(1, face_graph(graph))
        cells = self.encode_cell(torch.cat((noised, prepared.features, embedded), dim=-1))
        distance = graph.edge_attr[:, :2].norm(dim=-1, keepdim=True)
        edges = self.encode_edge(torch.cat((graph.edge_attr, distance), dim=-1)).expand(len(noised), -1, -1)
        for block in self.blocks:
            cells, edges = block(cells, edges, graph.edge_index)

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
        seen = torch.cat((edges, cells.index_select(1, sender), cells.index_select(1, receiver)), dim=-1)
        edges = edges + self.of_edge(seen)
        received = self.propagate(edge_index, edges=edges, size=(cells.shape[1], cells.shape[1]))
        return cells + self.of_cell(torch.cat((cells, received), dim=-1)), edges

    def message(self, edges: Tensor) -> Tensor:
        return edges


def _network(inputs: int, width: int) -> nn.Sequential:
    """Two layers and a norm, as in the paper."""
    return nn.Sequential(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.LayerNorm(width))

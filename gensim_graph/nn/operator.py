"""The velocity operator: V(z, x, tau, h), from a noised residual and its conditions to the velocity of the flow.

Cells -> graph-kernel encoder -> moment pooling -> blocks of local-subgraph attention on tokens, with long skips ->
moment unpooling and the skip of the encoder -> graph-kernel decoder -> cells. It runs on any
:class:`~gensim_graph.graph.MeshGraph`, at any resolution, with the same weights.
"""

import math

import torch
from torch import nn

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, in_unit
from gensim_graph.nn.attention import AttentionPlan, plan_attention
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.block import Block, LongSkip
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import REFERENCE_LENGTH, FlowTimeEmbedding
from gensim_graph.nn.graph_kernel import GraphKernel
from gensim_graph.nn.operator_config import PRESETS, OperatorConfig
from gensim_graph.nn.pooling import MomentPool, MomentUnpool
from gensim_graph.nn.spin import SpinLinear, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


class VelocityOperator(Operator):
    """Velocity of the flow on the cells of any mesh.

    Equivariant to rotations and translations of the frame (vectors turn with it), to renumbering of faces and nodes,
    and independent of the partition into clusters; see ``tests/test_operator.py``.

    Args:
        config: size.
        state: channels of the noised state; an int takes the default layout.
        conditions: channels of the conditions; an int takes the default layout.
    """

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__(config, state, conditions)
        token, cell = _spins(config.width), _spins(config.cell_width)
        self.embed = FlowTimeEmbedding(config.embedding)
        # One linear map of state and conditions, in two parts.
        seen, given = self.state.spins, _condition_spins(self.conditions)
        share = seen.total / (seen.total + given.total)
        self.lift_state = SpinLinear(seen, cell, math.sqrt(share))
        self.lift_conditions = SpinLinear(given, cell, math.sqrt(1 - share))
        layers = range(config.cell_layers)
        self.encoder = nn.ModuleList(GraphKernel(cell, config.embedding) for _ in layers)
        self.pool = MomentPool(cell, token)
        self.blocks = nn.ModuleList(
            Block(token, config.heads, config.embedding, config.expansion) for _ in range(config.blocks)
        )
        self.skips = nn.ModuleList(LongSkip(token) for _ in range(config.blocks // 2))
        self.token_norm = SpinNorm(token)
        self.unpool = MomentUnpool(token, cell)
        self.decoder = nn.ModuleList(GraphKernel(cell, config.embedding) for _ in layers)
        self.cell_norm = SpinNorm(cell)
        self.project = SpinLinear(cell, self.state.spins, gain=0.0)

    @classmethod
    def from_preset(cls, preset: str, state: int | Channels, conditions: int | Channels) -> "VelocityOperator":
        """Operator of a named size.

        Raises:
            InputError: no such preset.
        """
        if preset not in PRESETS:
            raise InputError(f"preset '{preset}': expected one of {', '.join(PRESETS)}")
        return cls(PRESETS[preset], state, conditions)

    def plan(self, graph: MeshGraph) -> AttentionPlan:
        """What all evaluations on a graph share; made once for a forecast."""
        unit = self.config.unit_km
        return plan_attention(graph if unit is None else in_unit(graph, 1e3 * unit), self.config.backend)

    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: AttentionPlan) -> Prepared:
        """Conditions as features of the cells, lifted once."""
        self._check("conditions", conditions, plan.graph, self.conditions.count)
        lift = self.lift_conditions.assemble()

        def inputs(cells: slice, _: None, values: Tensor) -> tuple[Tensor, ...]:
            given = _condition_inputs(self.conditions, values, plan.graph, cells)
            return lift.spins.split(given)[: len(lift.matrices)]

        (features,) = in_chunks(inputs, None, conditions, matrices=lift.matrices)

        return Prepared(features, plan)

    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared
    ) -> Float[Tensor, "batch face state"]:
        """Velocity on prepared conditions; arguments as of :meth:`forward`."""
        graph = prepared.plan.graph
        self._check("noised", noised, graph, self.state.count)
        time = flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)
        embedding = self.embed(time)
        cells = prepared.features + self.lift_state(self.state.to_spins(noised))
        for layer in self.encoder:
            cells = layer(cells, embedding, graph)

        tokens = self._attend(self.pool(cells, graph), embedding, prepared.plan)
        cells = cells + self.unpool(self.token_norm(tokens), graph)
        for layer in self.decoder:
            cells = layer(cells, embedding, graph)

        found = self.state.from_spins(self.project(self.cell_norm(cells)))
        return self._precondition(found, noised, time, graph)

    def _attend(self, tokens: Tensor, embedding: Tensor, plan: AttentionPlan) -> Tensor:
        """Blocks; the second half interpolates towards the first, last in first out."""
        kept: list[Tensor] = []
        half = len(self.skips)

        for index, block in enumerate(self.blocks):
            if index >= len(self.blocks) - half:
                tokens = self.skips[len(self.blocks) - 1 - index](tokens, kept.pop())
            tokens = block(tokens, embedding, plan)
            if index < half:
                kept.append(tokens)

        return tokens


def _spins(width: int) -> Spins:
    if width % 8:
        raise InputError(f"width {width}: expected a multiple of 8")
    return Spins(width // 2, width // 8, width // 8)


def _condition_spins(conditions: Channels) -> Spins:
    """Conditions, their vectors per length unit, boundary and length."""
    return Spins(conditions.spins.scalar + 3, 2 * conditions.spins.vector + 1)


def _condition_inputs(channels: Channels, conditions: Tensor, graph: MeshGraph, cells: slice) -> Tensor:
    """Inputs of some cells in the spin layout.

    Vectors come a second time over the length unit: where it is the spacing, how many cells a drift crosses.
    """
    scalars, vectors, _ = channels.spins.split(channels.to_spins(conditions))
    per_length = REFERENCE_LENGTH / graph.length[cells].to(conditions.dtype).unsqueeze(-1)
    boundary = graph.boundary[cells].to(conditions.dtype).expand(len(conditions), -1, -1)
    log_length = -per_length.log().expand(len(conditions), -1, -1)
    real, imaginary = vectors.chunk(2, dim=-1)

    parts = (
        *(scalars, boundary[..., :2], log_length),
        *(real, real * per_length, boundary[..., 2:3]),
        *(imaginary, imaginary * per_length, boundary[..., 3:4]),
    )
    return torch.cat(parts, dim=-1)

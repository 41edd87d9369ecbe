"""The velocity operator V(z, x, tau, h): from noised residual z and conditions x to the velocity of the flow.

tau is the flow time and h the spacing. The steps are: graph-kernel encoder on the cells, moment pooling to tokens,
blocks of local attention on the tokens with long skips, moment unpooling plus the output of the encoder, and a
graph-kernel decoder on the cells. The same weights run on any :class:`~gensim_graph.graph.MeshGraph` and resolution.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, with_length_unit
from gensim_graph.nn.attention import AttentionPlan, plan_attention
from gensim_graph.nn.base import CompiledVelocity, Operator, Prepared
from gensim_graph.nn.block import Block, LongSkip
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.embedding import REFERENCE_LENGTH, FlowTimeEmbedding
from gensim_graph.nn.graph_kernel import GraphKernel
from gensim_graph.nn.operator_config import PRESETS, OperatorConfig
from gensim_graph.nn.pooling import MomentPool, MomentUnpool
from gensim_graph.nn.spin import SpinLinear, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


class VelocityOperator(Operator[AttentionPlan]):
    """Velocity of the flow on the cells of any mesh.

    The operator is equivariant to rotations and translations of the frame (vectors turn with it) and to renumbering of
    faces and nodes, and independent of the partition into clusters; see ``tests/nn/test_operator.py``.

    Args:
        config: size.
        state: channels of the noised state; an int is the number of channels of the default layout.
        conditions: channels of the conditions; an int is the number of channels of the default layout.

    Raises:
        InputError: an int that is not the number of channels of the default layout.

    Example:
        The same weights run on a grid of 16 km and on a grid of 8 km:

        >>> import numpy as np
        >>> import torch
        >>> import gensim_graph as gg
        >>> from gensim_graph.nn import OperatorConfig
        >>> config = OperatorConfig(width=16, blocks=2, heads=1, cell_width=16, cell_layers=1, embedding=16)
        >>> operator = gg.VelocityOperator(config, state=6, conditions=18)
        >>> for spacing in (16e3, 8e3):
        ...     axis = np.arange(0, 128e3, spacing)
        ...     graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
        ...     noised, conditions = torch.randn(1, graph.n_cells, 6), torch.randn(1, graph.n_cells, 18)
        ...     with torch.no_grad():
        ...         print(operator(noised, conditions, torch.tensor([0.5]), graph).shape)
        torch.Size([1, 64, 6])
        torch.Size([1, 256, 6])
    """

    def __init__(self, config: OperatorConfig, state: int | Channels, conditions: int | Channels) -> None:
        super().__init__(config, state, conditions)
        token, cell = _spins(config.width), _spins(config.cell_width)
        self.embed = FlowTimeEmbedding(config.embedding)

        # One linear map of state and conditions in two parts, because the conditions are lifted only once.
        state_spins, condition_spins = self.state.spins, _condition_spins(self.conditions)
        share = state_spins.total / (state_spins.total + condition_spins.total)
        self.lift_state = SpinLinear(state_spins, cell, math.sqrt(share))
        self.lift_conditions = SpinLinear(condition_spins, cell, math.sqrt(1 - share))

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
        """Build an operator of a named size, with its initial weights.

        Args:
            preset: one of ``tiny``, ``small``, ``medium``, ``base``, ``large``.
            state: channels of the noised state; an int is the number of channels of the default layout.
            conditions: channels of the conditions; an int is the number of channels of the default layout.

        Raises:
            InputError: an unknown preset, or an int that is not the number of channels of the default layout.

        Example:
            >>> import gensim_graph as gg
            >>> operator = gg.VelocityOperator.from_preset("tiny", state=6, conditions=18)
            >>> operator.n_parameters
            277228
            >>> operator.config.width, operator.config.blocks
            (96, 4)
        """
        if preset not in PRESETS:
            raise InputError(f"preset '{preset}': expected one of {', '.join(PRESETS)}")
        return cls(PRESETS[preset], state, conditions)

    def plan(self, graph: MeshGraph) -> AttentionPlan:
        """Compute the tables of the attention backend, on the graph in the length unit of the operator."""
        if self.config.unit_km is not None:
            graph = with_length_unit(graph, 1e3 * self.config.unit_km)
        return plan_attention(graph, self.config.backend)

    def prepare(
        self, conditions: Float[Tensor, "batch face condition"], plan: AttentionPlan
    ) -> Prepared[AttentionPlan]:
        """Map the conditions linearly to features of the cells.

        Args:
            conditions: (B, F, conditions) normalised conditions.
            plan: plan of the graph.

        Raises:
            InputError: conditions of another shape than graph and operator expect.
        """
        self._check("conditions", conditions, plan.graph, self.conditions.count)
        lift = self.lift_conditions.assemble()

        def inputs(cells: slice, _: None, values: Tensor) -> tuple[Tensor, ...]:
            features = _condition_features(self.conditions, values, plan.graph, cells)
            return lift.spins.split_for_products(features)[: len(lift.matrices)]

        (features,) = in_chunks(inputs, None, conditions, matrices=lift.matrices)

        return Prepared(features, plan)

    def velocity(
        self,
        noised: Float[Tensor, "batch face state"],
        flow_time: Float[Tensor, "..."],
        prepared: Prepared[AttentionPlan],
    ) -> Float[Tensor, "batch face state"]:
        """Compute the velocity of the flow on prepared conditions.

        Args:
            noised: (B, F, state) normalised residual on the path at ``flow_time``; vectors in the frame of the graph.
            flow_time: (B,) in [0, 1], or (B, G) for a batch of G graphs.
            prepared: conditions from :meth:`prepare`.

        Raises:
            InputError: a noised residual of another shape than graph and operator expect.
        """
        return self._evaluate(_Regions(self._to_tokens, _block, _skip, self._to_cells), noised, flow_time, prepared)

    def compiled(self, compile_function: Callable[..., Callable[..., Any]]) -> CompiledVelocity[AttentionPlan]:
        """Return :meth:`velocity` in four compiled parts: all blocks share the code of one.

        Args:
            compile_function: returns the compiled form of a function.
        """
        parts = (self._to_tokens, _block, _skip, self._to_cells)
        return partial(self._evaluate, _Regions(*(compile_function(part) for part in parts)))

    def _evaluate(
        self, regions: "_Regions", noised: Tensor, flow_time: Tensor, prepared: Prepared[AttentionPlan]
    ) -> Tensor:
        """Compute the velocity, with a long skip from each block of the first half to its mirror in the second half."""
        cells, tokens, embedding, time = regions.to_tokens(noised, flow_time, prepared)
        skipped: list[Tensor] = []
        half = len(self.skips)

        for index, block in enumerate(self.blocks):
            if index >= len(self.blocks) - half:
                tokens = regions.skip(self.skips[len(self.blocks) - 1 - index], tokens, skipped.pop())
            tokens = self._apply_block(regions.block, block, tokens, embedding, prepared.plan)
            if index < half:
                skipped.append(tokens)

        return regions.to_cells(tokens, cells, embedding, noised, time, prepared.plan)

    def _to_tokens(
        self, noised: Tensor, flow_time: Tensor, prepared: Prepared[AttentionPlan]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Encode and pool the cells. Returns cells, tokens, and the flow time of each graph, embedded and plain."""
        graph = prepared.plan.graph
        time = self._time_of_graphs(noised, flow_time, graph)
        embedding = self.embed(time)

        cells = prepared.features + self.lift_state(self.state.to_spins(noised))
        for layer in self.encoder:
            cells = layer(cells, embedding, graph)

        return cells, self.pool(cells, graph), embedding, time

    def _to_cells(
        self, tokens: Tensor, cells: Tensor, embedding: Tensor, noised: Tensor, time: Tensor, plan: AttentionPlan
    ) -> Tensor:
        """Unpool the tokens, decode the cells, and add the linear estimate of the velocity."""
        graph = plan.graph

        cells = cells + self.unpool(self.token_norm(tokens), graph)
        for layer in self.decoder:
            cells = layer(cells, embedding, graph)

        output = self.state.from_spins(self.project(self.cell_norm(cells)))
        return self._precondition(output, noised, time, graph)


class _Regions(NamedTuple):
    """Parts of an evaluation, plain or compiled: a compiler takes much longer for all blocks together than for one."""

    to_tokens: Callable[..., tuple[Tensor, Tensor, Tensor, Tensor]]
    block: Callable[..., Tensor]
    skip: Callable[..., Tensor]
    to_cells: Callable[..., Tensor]


def _block(block: nn.Module, tokens: Tensor, embedding: Tensor, plan: AttentionPlan) -> Tensor:
    return block(tokens, embedding, plan)


def _skip(layer: LongSkip, tokens: Tensor, earlier: Tensor) -> Tensor:
    return layer(tokens, earlier)


def _spins(width: int) -> Spins:
    """Channels of a layer: half of the real components are scalars, a quarter vectors, a quarter tensors."""
    if width % 8:
        raise InputError(f"width {width}: expected a multiple of 8")
    return Spins(width // 2, width // 8, width // 8)


def _condition_spins(conditions: Channels) -> Spins:
    """Channels of :func:`_condition_features`."""
    return Spins(conditions.spins.scalar + 3, 2 * conditions.spins.vector + 1)


def _condition_features(channels: Channels, conditions: Tensor, graph: MeshGraph, cells: slice) -> Tensor:
    """Join conditions, boundary and length unit of some cells in the spin layout.

    Vectors are given twice, the second time divided by the length unit. If the length unit is the spacing, this tells
    how many cells the drift crosses.
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

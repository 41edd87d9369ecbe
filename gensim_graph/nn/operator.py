"""The velocity operator: V(z, x, tau, h), from a noised residual and its conditions to the velocity of the flow.

Cells -> graph-kernel encoder -> moment pooling -> blocks of local-subgraph attention on tokens, with long skips ->
moment unpooling and the skip of the encoder -> graph-kernel decoder -> cells. It runs on any
:class:`~gensim_graph.graph.MeshGraph`, at any resolution, with the same weights.
"""

from dataclasses import dataclass

import torch
from torch import nn

from gensim_graph.errors import POSITIVE, InputError, Rule, at_least, check_values
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.backends import BACKENDS, plan_attention
from gensim_graph.nn.block import Block, LongSkip
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.embedding import REFERENCE_LENGTH, FlowTimeEmbedding
from gensim_graph.nn.kernel import GraphKernel, face_graph
from gensim_graph.nn.pooling import MomentPool, MomentUnpool
from gensim_graph.nn.spin import SpinLinear, SpinNorm, Spins
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class OperatorConfig:
    """Size of the operator.

    Attributes:
        width: features of a token, a multiple of 8: half scalars, a quarter vectors, a quarter tensors. Wider:
            better and slower, with the square.
        blocks: attention blocks; each reaches 18 cells further.
        heads: attention heads of 64 channels.
        cell_width: features of a cell in encoder and decoder, a multiple of 8.
        cell_layers: graph-kernel layers in the encoder, and in the decoder.
        embedding: features of the flow time.
        expansion: hidden over outer width of the gated networks.
        backend: attention backend.

    Raises:
        InputError: a value that makes no sense.
    """

    width: int = 512
    blocks: int = 8
    heads: int = 8
    cell_width: int = 128
    cell_layers: int = 2
    embedding: int = 256
    expansion: float = 2.0
    backend: str = "clusters"

    def __post_init__(self) -> None:
        """Check the values."""
        width: Rule = (lambda came: came >= 8 and came % 8 == 0, "a positive multiple of 8")
        rules: dict[str, Rule] = {
            "width": width,
            "blocks": at_least(1),
            "heads": at_least(1),
            "cell_width": width,
            "cell_layers": at_least(1),
            "embedding": (lambda came: came >= 2 and came % 2 == 0, "a positive even number"),
            "expansion": POSITIVE,
            "backend": (lambda came: came in BACKENDS, f"one of {', '.join(BACKENDS)}"),
        }
        check_values(self, "operator", rules)


PRESETS: dict[str, OperatorConfig] = {
    "tiny": OperatorConfig(width=96, blocks=4, heads=2, cell_width=48, cell_layers=1, embedding=64),
    "small": OperatorConfig(width=320, blocks=8, heads=5, cell_width=96, embedding=192),
    "base": OperatorConfig(width=768, blocks=8, heads=12, cell_width=192, embedding=512),
}
"""``tiny`` trains on a laptop in minutes, ``small`` in hours on a GPU, ``base`` has about as many weights as GenSIM."""


class VelocityOperator(nn.Module):
    """Velocity of the flow on the cells of any mesh.

    Equivariant to rotations and translations of the frame (vectors turn with it), to renumbering of faces and nodes,
    and independent of the partition into clusters; see ``tests/test_operator.py``.

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
        token, cell = _spins(config.width), _spins(config.cell_width)
        self.embed = FlowTimeEmbedding(config.embedding)
        self.lift = SpinLinear(_input_spins(self.state, self.conditions), cell)
        layers = range(config.cell_layers)
        self.encoder = nn.ModuleList(GraphKernel(cell, config.embedding) for _ in layers)
        self.pool = MomentPool(cell, token)
        self.blocks = nn.ModuleList(
            Block(token, config.heads, config.embedding, config.expansion, config.backend) for _ in range(config.blocks)
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
        self._check(noised, conditions, graph)
        time = flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)
        embedding = self.embed(time)
        cells = self._encode(noised, conditions, embedding, graph)
        tokens = self._attend(self.pool(cells, graph), embedding, graph)
        cells = cells + self.unpool(self.token_norm(tokens), graph)
        for layer in self.decoder:
            cells = layer(cells, embedding, graph)
        return self._precondition(self.project(self.cell_norm(cells)), noised, time, graph)

    def _encode(self, noised: Tensor, conditions: Tensor, embedding: Tensor, graph: MeshGraph) -> Tensor:
        cells = self.lift(_inputs(self.state, self.conditions, noised, conditions, graph))
        for layer in self.encoder:
            cells = layer(cells, embedding, graph)
        return cells

    def _attend(self, tokens: Tensor, embedding: Tensor, graph: MeshGraph) -> Tensor:
        """Blocks; the second half interpolates towards the first, last in first out."""
        kept: list[Tensor] = []
        plan = plan_attention(graph, tokens.dtype, self.config.backend)
        half = len(self.skips)
        for index, block in enumerate(self.blocks):
            if index >= len(self.blocks) - half:
                tokens = self.skips[len(self.blocks) - 1 - index](tokens, kept.pop())
            tokens = block(tokens, embedding, plan)
            if index < half:
                kept.append(tokens)
        return tokens

    def _precondition(self, network: Tensor, noised: Tensor, time: Tensor, graph: MeshGraph) -> Tensor:
        """Best linear guess of x1 - eps from z for unit variances, and the network's correction of unit variance.

        With z = tau x1 + (1 - tau) eps:  v = (2 tau - 1) / s^2 z + 1 / s F,  s^2 = tau^2 + (1 - tau)^2
        (the preconditioning of Karras et al. 2022 for this path).
        """
        tau = time if time.shape[1] == 1 else time.index_select(1, face_graph(graph))
        tau = tau.unsqueeze(-1)
        variance = tau**2 + (1 - tau) ** 2
        return (2 * tau - 1) / variance * noised + self.state.from_spins(network) * variance.rsqrt()

    def _check(self, noised: Tensor, conditions: Tensor, graph: MeshGraph) -> None:
        expected = (graph.n_cells, self.state.count, self.conditions.count)
        came = (noised.shape[1], noised.shape[2], conditions.shape[2])
        if expected != came or conditions.shape[:2] != noised.shape[:2]:
            raise InputError(
                f"operator: expected noised (B, {expected[0]}, {expected[1]}) and conditions (B, {expected[0]}, "
                f"{expected[2]}) on this graph; came {tuple(noised.shape)} and {tuple(conditions.shape)}"
            )


def _spins(width: int) -> Spins:
    if width % 8:
        raise InputError(f"width {width}: expected a multiple of 8")
    return Spins(width // 2, width // 8, width // 8)


def _input_spins(state: Channels, conditions: Channels) -> Spins:
    """Noised state, conditions, vectors of the conditions per length unit, boundary and length."""
    scalar = state.spins.scalar + conditions.spins.scalar + 3
    return Spins(scalar, state.spins.vector + 2 * conditions.spins.vector + 1)


def _inputs(state: Channels, conditions: Channels, noised: Tensor, condition: Tensor, graph: MeshGraph) -> Tensor:
    """All inputs in the spin layout.

    Vectors come a second time over the length unit: what matters for advection is how many cells a drift crosses.
    """
    z, z_vectors = _parts(state, noised)
    x, x_vectors = _parts(conditions, condition)
    per_length = REFERENCE_LENGTH / graph.length.to(noised.dtype).unsqueeze(-1)
    boundary = graph.boundary.to(noised.dtype).expand(len(noised), -1, -1)
    log_length = -per_length.log().expand(len(noised), -1, -1)
    real, imaginary = x_vectors.chunk(2, dim=-1)
    z_real, z_imaginary = z_vectors.chunk(2, dim=-1)
    parts = (
        *(z, x, boundary[..., :2], log_length),
        *(z_real, real, real * per_length, boundary[..., 2:3]),
        *(z_imaginary, imaginary, imaginary * per_length, boundary[..., 3:4]),
    )
    return torch.cat(parts, dim=-1)


def _parts(channels: Channels, values: Tensor) -> tuple[Tensor, Tensor]:
    """Scalars, and [Re | Im] of the vectors."""
    ordered = channels.to_spins(values)
    return ordered[..., : channels.spins.scalar], ordered[..., channels.spins.scalar :]

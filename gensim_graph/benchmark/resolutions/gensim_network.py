"""GenSIM's network as a contender on grids; its code comes from a checkout that the user names.

The windowed transformer of Finn et al. (2025, arXiv:2508.14984) learns the same flow from the same trajectories,
conditions and loss as ours, in as many steps with as many weights, and is forecast with the same sampler. It keeps what
is its own: windows, patches, rotary positions, the embedding of the resolution, samples that are coarsened by blocks of
pixels, and the reflections and quarter turns of its training, of which it is told.
"""

import importlib
import itertools
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from gensim_graph.benchmark.resolutions.images import Images, join_windows, windows_of, with_blocks
from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import (
    Channels,
    GraphPlan,
    Operator,
    OperatorConfig,
    Prepared,
    build_operator,
    register_network,
)
from gensim_graph.train import TrainingPlan
from gensim_graph.typing import Float, Tensor

NETWORK = "gensim"
"""Its name in configurations, once :func:`use_gensim` was told where it is."""

INNER, OVERLAP = 64, 8
"""Pixels of a window that count, and those around them that are only looked at, on each side."""

_PATCH, _HEAD, _ROTARY, _LENGTHSCALE, _LABELS = 2, 64, 32, 10, 3
"""As in GenSIM's config.yaml."""

_PACKAGE = "gensim_checkout"


def load_transformer(checkout: Path) -> Callable[..., nn.Module]:
    """The class of the network in a checkout of https://github.com/cerea-daml/gensim.

    Raises:
        InputError: there is none, or it lacks what it imports.
    """
    folder = checkout / "gensim"
    if not (folder / "network.py").is_file():
        raise InputError(f"{checkout} is no checkout of GenSIM (it has no gensim/network.py)")

    # A package of another name: its own imports what the network does not need.
    package = types.ModuleType(_PACKAGE)
    package.__path__ = [str(folder)]
    for name in [name for name in sys.modules if name.split(".")[0] == _PACKAGE]:
        del sys.modules[name]

    sys.modules[_PACKAGE] = package
    try:
        return importlib.import_module(f"{_PACKAGE}.network").Transformer
    except ImportError as error:
        raise InputError(f"GenSIM's network cannot be imported ({error}); pip install einops") from None
    except AttributeError:
        raise InputError(f"{folder / 'network.py'} has no Transformer; take a checkout of GenSIM 1") from None


def use_gensim(checkout: Path) -> None:
    """Make ``operator.network=gensim`` known, to train it and to load what was trained.

    Raises:
        InputError: as :func:`load_transformer`.
    """
    register_network(NETWORK, partial(GensimNetwork, load_transformer(checkout)))


def config_like(config: OperatorConfig, state: Channels, conditions: Channels) -> OperatorConfig:
    """As deep, with as many heads, and of the width that comes nearest to the number of weights of ``config``."""
    with torch.device("meta"):
        wanted = build_operator(config, state, conditions).n_parameters

        def excess(width: int) -> int:
            other = replace(config, network=NETWORK, width=width)
            return build_operator(other, state, conditions).n_parameters - wanted

        above = next(width for width in itertools.count(8, 8) if excess(width) >= 0)
        below = max(8, above - 8)
        width = min((below, above), key=lambda width: abs(excess(width)))

    return replace(config, network=NETWORK, width=width)


def plan_like(plan: TrainingPlan) -> TrainingPlan:
    """The same training for GenSIM's network: samples are coarsened by blocks of pixels instead of groups of cells.

    A mesh counts as much as each of its coarser ones; GenSIM's own shares of two levels are 2 to 1.
    """
    operator = config_like(plan.config.operator, plan.normaliser.state_channels, plan.normaliser.condition_channels)
    config = replace(plan.config, operator=operator, data=replace(plan.config.data, levels=[1.0]))
    data = [one for part in plan.data for one in with_blocks(part, len(plan.config.data.levels))]
    return replace(plan, config=config, data=data)


def lies_on_grid(mesh: Mesh) -> bool:
    """Whether the cells of a mesh are the pixels of a grid."""
    try:
        Images.of(build_graph(mesh))
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class PixelPlan(GraphPlan):
    """The graph and the pixels of its cells.

    Attributes:
        images: rows and columns of the cells of each graph.
    """

    images: Images


class GensimNetwork(Operator[PixelPlan]):
    """GenSIM's transformer on the pixels of a grid.

    Args:
        transformer: its class.
        config, state, conditions: as of :class:`~gensim_graph.nn.Operator`; width, blocks, heads, embedding and
            expansion count.
    """

    def __init__(
        self, transformer: Callable[..., nn.Module], config: OperatorConfig, state: Channels, conditions: Channels
    ) -> None:
        super().__init__(config, state, conditions)
        self.network = transformer(
            n_input=self.state.count + self.conditions.count,
            n_output=self.state.count,
            n_features=config.width,
            n_blocks=config.blocks,
            n_heads=config.heads,
            n_features_head=_HEAD,
            n_rope_features=_ROTARY,
            n_embedding=config.embedding,
            n_augment_in=_LABELS,
            mult=int(config.expansion),
            patch_size=_PATCH,
            lengthscale=_LENGTHSCALE,
            long_skips=True,
        )

    def plan(self, graph: MeshGraph) -> PixelPlan:
        """Pixels of the cells.

        Raises:
            InputError: cells on no grid.
        """
        return PixelPlan(graph, Images.of(graph, INNER))

    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: PixelPlan) -> Prepared[PixelPlan]:
        """The conditions as they are."""
        self._check("conditions", conditions, plan.graph, self.conditions.count)
        return Prepared(conditions, plan)

    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared[PixelPlan]
    ) -> Float[Tensor, "batch face state"]:
        """Paint, look, pick; in training each image is reflected and turned at random, and so is its outcome, back."""
        graph, images = prepared.plan.graph, prepared.plan.images
        self._check("noised", noised, graph, self.state.count)
        time = flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)
        seen = images.paint(torch.cat((noised, prepared.features), dim=-1))
        mask = images.paint(torch.ones_like(noised[..., :1]))
        mesh = (images.positions() / 1e3).repeat(len(noised), 1, 1, 1)
        labels = _labels(time.flatten()) if self.training else torch.zeros(len(seen), _LABELS, device=seen.device)
        resolution = (images.spacing / 1e3).repeat(len(noised)).unsqueeze(-1)
        turned = [_turn(part, labels) for part in (seen, mesh, mask)]
        outcome = self._look(turned, (time.reshape(-1, 1), labels, resolution))

        return self._precondition(images.pick(_turn_back(outcome, labels)), noised, time, graph)

    def _look(self, fields: list[Tensor], scalars: tuple[Tensor, ...]) -> Tensor:
        """Window by window. They are never smaller: the attention counts pixels without a cell, too."""
        count = fields[0].shape[-1] // INNER
        cut = [windows_of(field, INNER, OVERLAP) for field in fields]
        outcome: Any = self.network(*cut, *(scalar.repeat_interleave(count**2, dim=0) for scalar in scalars))
        return join_windows(outcome, count, INNER, OVERLAP)


def _labels(flow_time: Float[Tensor, " image"]) -> Float[Tensor, "image 3"]:
    """Which of the three an image is given: the last digits of its flow time, so that they belong to the sample."""
    digits = (flow_time.double() * 2**20).long().unsqueeze(-1)
    return (digits >> torch.arange(_LABELS, device=flow_time.device) & 1).float()


def _turn(images: Tensor, labels: Tensor) -> Tensor:
    """Reflect along x, along y, turn by a quarter, where the labels of an image say so."""
    images = _where(labels[:, 0], images.flip(-1), images)
    images = _where(labels[:, 1], images.flip(-2), images)
    return _where(labels[:, 2], images.flip(-2).transpose(-2, -1), images)


def _turn_back(images: Tensor, labels: Tensor) -> Tensor:
    images = _where(labels[:, 2], images.transpose(-2, -1).flip(-2), images)
    images = _where(labels[:, 1], images.flip(-2), images)
    return _where(labels[:, 0], images.flip(-1), images)


def _where(label: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(label.bool().reshape(-1, 1, 1, 1), yes, no)

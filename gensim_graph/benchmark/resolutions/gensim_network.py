"""GenSIM's network as a contender on grids; the user gives the path of a checkout with its code.

The windowed transformer of Finn et al. (2025, arXiv:2508.14984) learns the same flow as our network: the same
trajectories, conditions, loss, number of steps and number of weights; forecasts use the same sampler. Its own features
are kept: windows, patches, rotary positions, the embedding of the resolution, samples that are coarsened by blocks of
pixels, and random reflections and quarter turns in training, which the network receives as labels.
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
"""Name of the network in configurations, after a call of :func:`use_gensim`."""

INNER, OVERLAP = 64, 8
"""Pixels along the inner part of a window, where its output is used, and of the margin on each side."""

_PATCH, _HEAD, _ROTARY, _LENGTHSCALE, _LABELS = 2, 64, 32, 10, 3
"""Settings of GenSIM's config.yaml: patch size, channels of a head, rotary features, length scale, labels."""

_PACKAGE = "gensim_checkout"


def load_transformer(checkout: Path) -> Callable[..., nn.Module]:
    """Import the class of the network from a checkout of https://github.com/cerea-daml/gensim.

    Raises:
        InputError: the folder is no checkout of GenSIM, or a package that the network imports is missing.
    """
    folder = checkout / "gensim"
    if not (folder / "network.py").is_file():
        raise InputError(f"{checkout} is no checkout of GenSIM (it has no gensim/network.py)")

    # An empty package with another name: GenSIM's own __init__ imports packages that the network does not need.
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
    """Register the network ``operator.network=gensim``, for training and for loading trained models.

    Args:
        checkout: folder of GenSIM's repository.

    Raises:
        InputError: the checkout cannot be used; see :func:`load_transformer`.
    """
    register_network(NETWORK, partial(GensimNetwork, load_transformer(checkout)))


def config_like(config: OperatorConfig, state: Channels, conditions: Channels) -> OperatorConfig:
    """Configure GenSIM's network with the same depth and heads as ours, and about the same number of weights.

    Args:
        config: configuration of our network.
        state: channels of the state.
        conditions: channels of the conditions.
    """
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
    """Return the same training for GenSIM's network, with samples coarsened by blocks of pixels.

    All levels have the same weight; in GenSIM's own training two levels are weighted 2 to 1.
    """
    operator = config_like(plan.config.operator, plan.normaliser.state_channels, plan.normaliser.condition_channels)
    config = replace(plan.config, operator=operator, data=replace(plan.config.data, levels=[1.0]))

    data = [one for part in plan.data for one in with_blocks(part, len(plan.config.data.levels))]
    return replace(plan, config=config, data=data)


def lies_on_grid(mesh: Mesh) -> bool:
    """Return True if the cells of a mesh are the pixels of a regular grid."""
    try:
        Images.of(build_graph(mesh))
    except InputError:
        return False
    return True


@dataclass(frozen=True)
class PixelPlan(GraphPlan):
    """Graph with the position of its cells in images.

    Attributes:
        images: rows and columns of the cells of each graph.
    """

    images: Images


class GensimNetwork(Operator[PixelPlan]):
    """GenSIM's transformer on the pixels of a grid.

    Args:
        transformer: class of the network, from :func:`load_transformer`.
        config: configuration; only width, blocks, heads, embedding and expansion are used.
        state: channels of the state.
        conditions: channels of the conditions.
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
        """Find the pixels of the cells.

        Raises:
            InputError: the cells are not on a regular grid.
        """
        return PixelPlan(graph, Images.of(graph, INNER))

    def prepare(self, conditions: Float[Tensor, "batch face condition"], plan: PixelPlan) -> Prepared[PixelPlan]:
        """Return the conditions unchanged.

        Args:
            conditions: normalised conditions.
            plan: pixels of the cells.
        """
        self._check("conditions", conditions, plan.graph, self.conditions.count)
        return Prepared(conditions, plan)

    def velocity(
        self, noised: Float[Tensor, "batch face state"], flow_time: Float[Tensor, "..."], prepared: Prepared[PixelPlan]
    ) -> Float[Tensor, "batch face state"]:
        """Rasterise the cells, run the network on the images, and sample its output at the cells.

        In training each image is reflected and turned at random; the output is turned back.

        Args:
            noised: noised state.
            flow_time: flow time of each member, or of each member and graph.
            prepared: conditions and pixels.
        """
        graph = prepared.plan.graph
        images = prepared.plan.images
        self._check("noised", noised, graph, self.state.count)
        time = flow_time.reshape(len(noised), -1).expand(-1, graph.n_graphs)
        seen = images.paint(torch.cat((noised, prepared.features), dim=-1))
        mask = images.paint(torch.ones_like(noised[..., :1]))
        mesh = (images.positions() / 1e3).repeat(len(noised), 1, 1, 1)

        labels = _labels(time.flatten()) if self.training else torch.zeros(len(seen), _LABELS, device=seen.device)
        resolution = (images.spacing / 1e3).repeat(len(noised)).unsqueeze(-1)
        turned = [_turn(part, labels) for part in (seen, mesh, mask)]
        output = self._run_windows(turned, (time.reshape(-1, 1), labels, resolution))

        return self._precondition(images.pick(_turn_back(output, labels)), noised, time, graph)

    def _run_windows(self, fields: list[Tensor], scalars: tuple[Tensor, ...]) -> Tensor:
        """Run the network on windows of the full size: its attention also includes pixels without a cell."""
        count = fields[0].shape[-1] // INNER
        cut = [windows_of(field, INNER, OVERLAP) for field in fields]
        output: Any = self.network(*cut, *(scalar.repeat_interleave(count**2, dim=0) for scalar in scalars))
        return join_windows(output, count, INNER, OVERLAP)


def _labels(flow_time: Float[Tensor, " image"]) -> Float[Tensor, "image 3"]:
    """Draw reflections and turn of each image from the last bits of its flow time: random, and fixed for the sample."""
    digits = (flow_time.double() * 2**20).long().unsqueeze(-1)
    return (digits >> torch.arange(_LABELS, device=flow_time.device) & 1).float()


def _turn(images: Tensor, labels: Tensor) -> Tensor:
    """Reflect images along x and y and turn them by a quarter, each if its label is 1."""
    images = _where(labels[:, 0], images.flip(-1), images)
    images = _where(labels[:, 1], images.flip(-2), images)
    return _where(labels[:, 2], images.flip(-2).transpose(-2, -1), images)


def _turn_back(images: Tensor, labels: Tensor) -> Tensor:
    """Invert :func:`_turn`."""
    images = _where(labels[:, 2], images.transpose(-2, -1).flip(-2), images)
    images = _where(labels[:, 1], images.flip(-2), images)
    return _where(labels[:, 0], images.flip(-1), images)


def _where(label: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    """Choose between two versions of each image."""
    return torch.where(label.bool().reshape(-1, 1, 1, 1), yes, no)

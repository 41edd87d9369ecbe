"""Inputs of attention, and its outputs and gradients by any backend."""

import math

import numpy as np
import torch

from gensim_graph.graph import MeshGraph, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn.attention import (
    HEAD_CONTENT,
    Localisation,
    LocalisationHead,
    local_attention,
    plan_attention,
)
from gensim_graph.typing import Tensor
from support.examples import graded_mesh, island_grid, regular_grid
from support.meshes import jittered_box

MESHES = {
    "grid": regular_grid(32),
    "graded": graded_mesh(14),
    "island": island_grid(26),
    "single cluster": jittered_box(11),
    "few tokens": jittered_box(4),
    "padding in the middle": jittered_box(13),
}


def precise_graph(mesh: Mesh, **keywords: float) -> MeshGraph:
    """Graph with the positions of its tokens in float64, which only the reference reads.

    A position of 100 km in float32 is known to 8 mm, 1e-5 of the smallest tokens: too coarse for a reference.
    """
    graph = build_graph(mesh, **keywords)
    token, count = (graph.slot // 4).numpy(), len(graph.token_area)
    area = np.maximum(np.bincount(token, mesh.areas, minlength=count), 1e-30)
    moments = [np.bincount(token, mesh.areas * column, minlength=count) / area for column in mesh.centres.T]
    graph.token_pos = torch.from_numpy(np.stack(moments, axis=-1))
    return graph


GRAPHS = {name: precise_graph(mesh, radius=6.0) for name, mesh in MESHES.items()}


NAMES = ("query", "key", "value", "quadratic", "linear", "scale")


HEADS = 2


def random_inputs(graph: MeshGraph, batch: int = 1, seed: int = 0) -> list[Tensor]:
    """Query (with its scale), key and value, and a localisation as the network makes it."""
    generator = torch.Generator().manual_seed(seed)
    tokens = (batch, len(graph.token_area), HEADS)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*tokens, *shape, generator=generator)

    query, key, value = (noise(HEAD_CONTENT) for _ in range(3))
    localisation = LocalisationHead(HEADS)(noise(), noise(2), noise(2))
    leaves = (query / math.sqrt(HEAD_CONTENT), key, value, *localisation)
    return [leaf.detach().requires_grad_() for leaf in leaves]


def attend(graph: MeshGraph, inputs: list[Tensor], backend: str) -> Tensor:
    """Content and moments of the real tokens."""
    plan = plan_attention(graph, backend)
    output = local_attention(*inputs[:3], Localisation(*inputs[3:]), plan)
    return torch.cat(output, dim=-1)[:, graph.token_valid]


def gradients(graph: MeshGraph, inputs: list[Tensor], backend: str) -> tuple[Tensor, ...]:
    """Gradients of a random functional of the output."""
    output = attend(graph, inputs, backend)
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    return torch.autograd.grad((output * direction).sum(), inputs)

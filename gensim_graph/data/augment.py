"""Rotation and reflection of the frame of a graph: augments the training data, and tests the symmetry of networks."""

import math

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.typing import Tensor

_PLANE = ("pos", "gradient", "slot_offset", "query_pos", "key_pos")
"""Attributes whose last dimension is (x, y)."""


def turn_graph(graph: MeshGraph, angle: float, mirror: bool = False) -> MeshGraph:
    """Rotate a graph about the origin: coordinates, gradients and normals.

    Vector fields on the graph have to be rotated separately, with :func:`~gensim_graph.nn.rotate_vectors`.

    Args:
        graph: the graph; it is not changed.
        angle: in radians, counter-clockwise.
        mirror: reflect the y axis first.
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cosine, sine], [-sine, cosine]])
    if mirror:
        turn = torch.diag(torch.tensor([1.0, -1.0])) @ turn

    turned = graph.clone()
    for name in _PLANE:
        turned[name] = graph[name] @ turn

    # The position is stored as a sum of two float32 numbers. Rotated one by one, the rounding error of the large
    # number would be lost.
    position = (graph.token_pos.double() + graph.token_pos_low) @ turn.double()
    turned.token_pos = position.float()
    turned.token_pos_low = (position - turned.token_pos).float()
    turned.edge_attr = _turn_columns(graph.edge_attr, slice(0, 2), turn)
    turned.boundary = _turn_columns(graph.boundary, slice(2, 4), turn)

    return turned


def _turn_columns(values: Tensor, columns: slice, turn: Tensor) -> Tensor:
    turned = values.clone()
    turned[:, columns] = values[:, columns] @ turn
    return turned

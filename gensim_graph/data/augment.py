"""Turn or reflect the frame of a graph: coordinates, gradients and normals, exactly."""

import math

import torch

from gensim_graph.graph import MeshGraph
from gensim_graph.typing import Tensor

_PLANE = ("pos", "gradient", "slot_offset", "query_pos", "key_pos")
"""Attributes whose last dimension is (x, y)."""


def turn_graph(graph: MeshGraph, angle: float, mirror: bool = False) -> MeshGraph:
    """The graph in axes where everything has turned by ``angle`` (radians, counter-clockwise).

    With ``mirror`` the y axis is reflected first. Vectors on the graph must be turned likewise
    (:func:`~gensim_graph.nn.rotate_vectors`).
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = torch.tensor([[cosine, sine], [-sine, cosine]])
    if mirror:
        turn = torch.diag(torch.tensor([1.0, -1.0])) @ turn

    turned = graph.clone()
    for name in _PLANE:
        turned[name] = graph[name] @ turn

    # Both parts together: turned apart, the high one would be rounded and the low one not know it.
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

"""Attention of other libraries, to compare with: a plain softmax over some keys, without localisation and moments."""

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch.nn.functional import scaled_dot_product_attention
from torch_geometric.utils import scatter, softmax

from gensim_graph.graph import MeshGraph
from gensim_graph.typing import Float, Int, Tensor

WINDOW = 1024
"""Tokens of a window: 32 x 32 tokens are the 64 x 64 cells of GenSIM."""


def dense_attention(
    query: Float[Tensor, "cluster head query channel"],
    key: Float[Tensor, "cluster head key channel"],
    value: Float[Tensor, "cluster head key channel"],
) -> Float[Tensor, "cluster head query channel"]:
    """Attention of clusters to keys that are already gathered: only the multiply-adds of the local attention.

    Args:
        query: queries of each cluster.
        key: gathered keys of each cluster.
        value: gathered values of each cluster.
    """
    return scaled_dot_product_attention(query, key, value)


def window_attention(
    query: Float[Tensor, "token head channel"],
    key: Float[Tensor, "token head channel"],
    value: Float[Tensor, "token head channel"],
    window: int = WINDOW,
) -> Float[Tensor, "token head channel"]:
    """Attention within windows of consecutive tokens.

    Args:
        query: queries; the number of tokens is a multiple of ``window``.
        key: keys.
        value: values.
        window: tokens of a window.
    """
    windows = (tokens.unflatten(0, (-1, window)).transpose(1, 2) for tokens in (query, key, value))
    return scaled_dot_product_attention(*windows).transpose(1, 2).flatten(0, 1)


def edge_attention(
    query: Float[Tensor, "token head channel"],
    key: Float[Tensor, "token head channel"],
    value: Float[Tensor, "token head channel"],
    edges: Int[Tensor, "2 edge"],
) -> Float[Tensor, "token head channel"]:
    """Attention along edges: gather, softmax over the edges of each query, scatter, as PyG's ``TransformerConv``.

    Args:
        query: queries.
        key: keys.
        value: values.
        edges: token of the key (first row) and of the query (second row) of each edge.
    """
    source, target = edges
    logits = (query[target] * key[source]).sum(dim=-1) / query.shape[-1] ** 0.5
    weights = softmax(logits, target, num_nodes=len(query))
    return scatter(value[source] * weights.unsqueeze(-1), target, dim=0, dim_size=len(query), reduce="sum")


def edges_within(graph: MeshGraph) -> Int[Tensor, "2 edge"]:
    """Return the edges (key, query) of a single graph: all keys within the radius of each query, itself included."""
    tokens = graph.token_valid.nonzero().squeeze(1).cpu().numpy()
    position = graph.token_pos.cpu().numpy()[tokens]
    length = graph.token_length.cpu().numpy()[tokens]
    near = cKDTree(position).query_ball_point(position, float(graph.radius[0]) * length)
    target = np.repeat(tokens, [len(row) for row in near])
    source = tokens[np.concatenate([np.asarray(row, dtype=np.int64) for row in near])]

    return torch.from_numpy(np.stack([source, target])).to(graph.token_pos.device)

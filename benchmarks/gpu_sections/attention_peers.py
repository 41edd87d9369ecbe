"""Other ways to attend from the same clusters to the same keys: ``flex_attention``, and dense attention after a gather.

Both leave out the moments. Queries, keys and values have 64 channels, the 56 of the content and 8 for positions.

- ``gather + SDPA``: the keys of each cluster are gathered, and dense attention follows; padded keys are masked. Nothing
  else is computed: neither localisation nor taper. Its backward pass adds to the gradients of keys with atomics.
- ``flex_attention``: blocks of keys are the clusters that the halo touches; a function of the pair adds localisation,
  area and taper, and cuts at the radius.
"""

from collections.abc import Callable

import torch
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from gensim_graph.benchmark.speed.attention_speed import CHANNELS, HEADS
from gensim_graph.graph import MeshGraph
from gensim_graph.system import precision
from gensim_graph.typing import Tensor

Peer = tuple[Callable[..., Tensor], list[Tensor]]
"""Function of queries, keys and values, and these."""


def gathered_attention(graph: MeshGraph) -> Peer:
    """Gather the keys of each cluster and attend to them.

    Args:
        graph: on the device.
    """
    clusters, width = graph.query_pos.shape[:2]
    halo, seen = graph.halo.masked_fill(~graph.halo_valid, 0), graph.halo_valid[:, None, None]

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        queries = query.view(clusters, width, HEADS, CHANNELS).transpose(1, 2)
        keys, values = (each.view(-1, HEADS, CHANNELS)[halo].transpose(1, 2) for each in (key, value))
        return scaled_dot_product_attention(queries, keys, values, attn_mask=seen)

    return attend, _leaves(graph, (clusters * width, HEADS, CHANNELS))


def flexible_attention(graph: MeshGraph, compiled: bool = True) -> Peer:
    """Attend with ``flex_attention``.

    Args:
        graph: on the device.
        compiled: use torch.compile; without it all logits are written.
    """
    clusters, width = graph.query_pos.shape[:2]
    x, y = graph.token_pos.unbind(-1)
    per_length, reach2 = 1 / graph.token_length, graph.radius[graph.token_graph].square() * graph.token_valid
    log_area = torch.where(graph.token_valid, graph.token_area, 1.0).log()
    quadratic = torch.rand(3, HEADS, clusters * width, device=x.device)

    def offset(query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        return (x[key] - x[query]) * per_length[query], (y[key] - y[query]) * per_length[query]

    def is_seen(_: Tensor, __: Tensor, query: Tensor, key: Tensor) -> Tensor:
        dx, dy = offset(query, key)
        return dx * dx + dy * dy < reach2[query]

    def localised(score: Tensor, _: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        dx, dy = offset(query, key)
        bias = quadratic[0, head, query] * dx * dx + quadratic[1, head, query] * dx * dy
        bias = bias + quadratic[2, head, query] * dy * dy
        taper = 2 * torch.log(torch.clamp(reach2[query] - (dx * dx + dy * dy), min=1e-6))
        return score - 0.5 * bias + log_area[key] + taper

    counts, indices = _blocks(graph)
    mask = BlockMask.from_kv_blocks(counts, indices, BLOCK_SIZE=width, mask_mod=is_seen)
    run = torch.compile(flex_attention, dynamic=False) if compiled else flex_attention

    def attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        return run(query, key, value, score_mod=localised, block_mask=mask)

    return attend, _leaves(graph, (1, HEADS, clusters * width, CHANNELS))


def _blocks(graph: MeshGraph) -> tuple[Tensor, Tensor]:
    """Number of clusters that the halo of each cluster touches, (1, 1, C), and these clusters, (1, 1, C, C)."""
    clusters, width = graph.query_pos.shape[:2]
    cluster, column = graph.halo_valid.nonzero(as_tuple=True)
    pairs = torch.unique(cluster * clusters + graph.halo[cluster, column] // width)
    counts = torch.bincount(pairs // clusters, minlength=clusters)
    place = torch.arange(len(pairs), device=pairs.device) - (counts.cumsum(0) - counts)[pairs // clusters]
    indices = torch.zeros(clusters, clusters, dtype=torch.int32, device=pairs.device)
    indices[pairs // clusters, place] = (pairs % clusters).int()

    return counts.int()[None, None], indices[None, None]


def _leaves(graph: MeshGraph, shape: tuple[int, ...]) -> list[Tensor]:
    device = graph.token_pos.device
    return [torch.randn(shape, device=device, dtype=precision(device)) for _ in range(3)]

"""Lists of tokens for the programs of a GPU: the keys of each cluster, and the queries that see the cluster.

A query gathers its keys. In the backward pass many queries would have to add to the gradient of one key. To avoid this,
each cluster also lists the queries that reach any of its own tokens, and gathers their contributions.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch.nn.functional import pad

from gensim_graph.graph import MeshGraph
from gensim_graph.typing import Float, Int, Tensor

_AT_A_TIME = 2**22
"""Queries that are compared at a time."""


class TokenLists(NamedTuple):
    """A list of tokens for each cluster.

    Attributes:
        tokens: (C, N) indices of tokens in ascending order, 0 beyond the end of a list; 32 bits.
        counts: (C,) lengths of the lists; 32 bits.
    """

    tokens: Int[Tensor, "cluster listed"]
    counts: Int[Tensor, " cluster"]


def list_keys(graph: MeshGraph) -> TokenLists:
    """List the keys of each cluster: its halo without the gaps that cutting a subgraph leaves."""
    order = graph.halo_valid.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    tokens = graph.halo.masked_fill(~graph.halo_valid, 0).gather(1, order)
    return TokenLists(tokens.int(), graph.halo_valid.sum(dim=1).int())


def list_readers(graph: MeshGraph) -> TokenLists:
    """List the queries whose reach touches the bounding box of the real tokens of each cluster.

    These are more queries than those that see a token of the cluster; the taper gives the others no weight. On a
    regular grid they are a third of the queries in the clusters that have it in their halo.

    A GPU stops at every list until its length is known. A training takes lists from :func:`with_readers` instead.
    """
    if graph.readers is not None and graph.reader_counts is not None:
        return TokenLists(graph.readers, graph.reader_counts)

    width = graph.query_pos.shape[1]
    position = precise_positions(graph).unflatten(0, (-1, width))
    real = graph.token_valid.unflatten(0, (-1, width))
    reach = (graph.token_length * graph.radius[graph.token_graph]).unflatten(0, (-1, width)).double()
    low = position.masked_fill(~real.unsqueeze(-1), torch.inf).amin(dim=1, keepdim=True)
    high = position.masked_fill(~real.unsqueeze(-1), -torch.inf).amax(dim=1, keepdim=True)
    clusters, queries = [], []

    for reader, read in _pairs(graph, max(1, _AT_A_TIME // width)):
        gap = torch.maximum(low[read] - position[reader], position[reader] - high[read]).clamp_(min=0)
        near = real[reader] & (gap.square().sum(-1) <= reach[reader].square())
        pair, query = near.nonzero(as_tuple=True)
        clusters.append(read[pair])
        queries.append(reader[pair] * width + query)

    cluster, order = torch.cat(clusters).sort(stable=True)
    return _listed(cluster, torch.cat(queries)[order], graph.n_clusters)


def with_readers(graph: MeshGraph, longest: int) -> MeshGraph:
    """Return the graph with the lists of :func:`list_readers`, padded to a fixed length.

    Args:
        graph: on a processor.
        longest: length of each list; no smaller than the number of tokens of any single graph of a union.
    """
    lists = list_readers(graph)
    listed = MeshGraph(**graph.to_dict())
    listed.readers = pad(lists.tokens, (0, longest - lists.tokens.shape[1]))
    listed.reader_counts = lists.counts
    return listed


def precise_positions(graph: MeshGraph) -> Float[Tensor, "token 2"]:
    """Return the positions of the tokens in metres, in double precision."""
    return graph.token_pos.double() + graph.token_pos_low


def _pairs(graph: MeshGraph, step: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Pairs of a cluster and a cluster in its halo, ``step`` at a time, sorted by the first."""
    cluster, column = graph.halo_valid.nonzero(as_tuple=True)
    other = graph.halo[cluster, column] // graph.query_pos.shape[1]
    pairs = torch.unique(cluster * graph.n_clusters + other)
    return ((part // graph.n_clusters, part % graph.n_clusters) for part in pairs.split(step))


def _listed(cluster: Int[Tensor, " entry"], token: Int[Tensor, " entry"], n_clusters: int) -> TokenLists:
    """Arrange entries, sorted by cluster, as one padded list for each cluster."""
    counts = torch.bincount(cluster, minlength=n_clusters)
    column = torch.arange(len(token), device=token.device) - (counts.cumsum(0) - counts)[cluster]
    tokens = torch.zeros(n_clusters, int(counts.max()), dtype=torch.int32, device=token.device)
    tokens[cluster, column] = token.int()
    return TokenLists(tokens, counts.int())

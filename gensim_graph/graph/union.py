"""Disjoint unions of graphs: one forward pass over several meshes or subgraphs."""

from itertools import accumulate

import torch
from torch.nn.functional import pad

from gensim_graph.graph.mesh_graph import PADDED_LOG_AREA, MeshGraph
from gensim_graph.typing import Tensor

INDICES = {
    "edge_index": "area",
    "neighbours": "area",
    "halo": "token_area",
    "slot": "slot_weight",
    "token_graph": "radius",
    "batch": "radius",
}
"""Attribute that holds indices -> attribute whose length its numbers grow by from one graph to the next."""

JOINED_COLUMNS = ("edge_index",)
"""Attributes that are joined along the last dimension; all others along the first."""


def batch_graphs(graphs: list[MeshGraph]) -> MeshGraph:
    """Return the disjoint union of graphs, for one forward pass over several meshes or subgraphs.

    All graphs must have the same number of tokens in a cluster.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.graph import batch_graphs
        >>> fine, coarse = (gg.Mesh.from_grid(axis, axis) for axis in (np.arange(16) * 4e3, np.arange(8) * 8e3))
        >>> union = batch_graphs([gg.build_graph(fine), gg.build_graph(coarse)])
        >>> union.n_graphs, union.n_cells
        (2, 320)
        >>> union.batch.bincount().tolist()
        [256, 64]
    """
    if len(graphs) == 1:
        return graphs[0]

    neighbours = max(graph.neighbours.shape[1] for graph in graphs)
    keys = max(graph.halo.shape[1] for graph in graphs)
    rows = [{"batch": torch.zeros_like(graph.slot)} | widened(graph, neighbours, keys).to_dict() for graph in graphs]
    union = {}

    for name in rows[0]:
        columns = [row[name] for row in rows]
        if name in INDICES:
            columns = _shifted(columns, [len(row[INDICES[name]]) for row in rows])
        union[name] = torch.cat(columns, dim=-1 if name in JOINED_COLUMNS else 0)

    return MeshGraph(**union)


def _shifted(columns: list[Tensor], sizes: list[int]) -> list[Tensor]:
    """Let indices count on from graph to graph."""
    begins = accumulate(sizes[:-1], initial=0)
    return [column + begin for column, begin in zip(columns, begins, strict=True)]


def widened(graph: MeshGraph, neighbours: int, keys: int) -> MeshGraph:
    """Return the graph with longer lists of neighbours and keys.

    Args:
        graph: the graph; it is returned itself if its lists have these lengths.
        neighbours: number of neighbours of a cell.
        keys: number of keys of a cluster.
    """
    more_neighbours = neighbours - graph.neighbours.shape[1]
    more_keys = keys - graph.halo.shape[1]
    if more_neighbours == 0 and more_keys == 0:
        return graph

    longer = MeshGraph(**graph.to_dict())
    longer.neighbours = pad(graph.neighbours, (0, more_neighbours))
    longer.mean = pad(graph.mean, (0, more_neighbours))
    longer.gradient = pad(graph.gradient, (0, 0, 0, more_neighbours))

    longer.halo = pad(graph.halo, (0, more_keys))
    longer.halo_valid = pad(graph.halo_valid, (0, more_keys), value=False)
    longer.key_pos = pad(graph.key_pos, (0, 0, 0, more_keys))
    longer.key_log_area = pad(graph.key_log_area, (0, more_keys), value=PADDED_LOG_AREA)

    return longer

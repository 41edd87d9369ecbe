"""Padding of graphs to given sizes, so that compiled code meets the same shapes again and again.

Padding is what a graph contains already: cells without neighbours, slots of weight 0, tokens that are not valid, keys
without area. No other cell sees it, and its own values have no meaning.
"""

import torch
from torch.nn.functional import pad

from gensim_graph.graph.graph_sizes import GraphSizes
from gensim_graph.graph.mesh_graph import PADDED_LOG_AREA, MeshGraph
from gensim_graph.graph.order import TOKEN_CELLS
from gensim_graph.graph.union import widened
from gensim_graph.typing import Int, Tensor

_CELL_ROWS = {"pos": 0.0, "area": 1.0, "neighbours": 0, "mean": 0.0, "gradient": 0.0, "boundary": 0.0}
_TOKEN_ROWS = {"token_pos": 0.0, "token_pos_low": 0.0, "token_area": 0.0, "token_length": 1.0, "token_valid": False}
_SLOT_ROWS = {"slot_weight": 0.0, "slot_offset": 0.0}
_CLUSTER_ROWS = {
    "cluster_length": 1.0,
    "query_pos": 0.0,
    "key_pos": 0.0,
    "key_log_area": PADDED_LOG_AREA,
    "halo": 0,
    "halo_valid": False,
}
"""Values of padding in the attributes of cells, tokens, slots and clusters."""


def pad_graph(graph: MeshGraph, sizes: GraphSizes) -> MeshGraph:
    """Return the graph with padding up to given sizes.

    Args:
        graph: one graph, or a disjoint union. Its numbers stay in front; padding belongs to the last graph.
        sizes: with room for the graph; of cells and of clusters they have one more at least, unless nothing is padded.

    Raises:
        ValueError: the graph does not fit into the sizes.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from gensim_graph.graph import GraphSizes, pad_graph
        >>> axis = np.arange(16) * 10e3
        >>> graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
        >>> sizes = GraphSizes.covering([GraphSizes.of(graph)])
        >>> sizes
        GraphSizes(cells=264, edges=960, clusters=2, neighbours=4, keys=64)
        >>> padded = pad_graph(graph, sizes)
        >>> padded.n_cells, padded.n_clusters, int(padded.token_valid.sum())
        (264, 2, 64)
    """
    own = GraphSizes.of(graph)
    if sizes == own:
        return graph
    if any(one > room for one, room in zip(own.with_room(), sizes, strict=True)):
        raise ValueError(f"graph of {own} cannot be padded to {sizes}")

    padded = MeshGraph(**widened(graph, sizes.neighbours, sizes.keys).to_dict())
    cells, clusters = sizes.cells - own.cells, sizes.clusters - own.clusters
    tokens = clusters * graph.query_pos.shape[1]

    for rows, more in (
        (_CELL_ROWS, cells),
        (_CLUSTER_ROWS, clusters),
        (_TOKEN_ROWS, tokens),
        (_SLOT_ROWS, tokens * TOKEN_CELLS),
    ):
        for name, value in rows.items():
            padded[name] = _longer(padded[name], more, value)

    padded.length = torch.cat((graph.length, graph.length[:1].expand(cells)))
    padded.slot = torch.cat((graph.slot, _padded_slots(graph, cells, tokens * TOKEN_CELLS)))
    padded.token_graph = _longer(graph.token_graph, tokens, graph.n_graphs - 1)
    if graph.batch is not None:
        padded.batch = _longer(graph.batch, cells, graph.n_graphs - 1)

    _pad_edges(padded, sizes.edges - own.edges, first=own.cells, cells=cells)

    return padded


def _longer(values: Tensor, more: int, value: float | int) -> Tensor:
    """Append rows of one value."""
    return torch.cat((values, values.new_full((more, *values.shape[1:]), value)))


def _padded_slots(graph: MeshGraph, cells: int, slots: int) -> Int[Tensor, " cell"]:
    """Slots of padded cells: in padded clusters, spread over them, so that few of them share a token."""
    return len(graph.slot_weight) + torch.arange(cells, device=graph.slot.device) % slots


def _pad_edges(graph: MeshGraph, more: int, first: int, cells: int) -> None:
    """Append edges from padded cells to themselves.

    Args:
        graph: changed in place.
        more: number of edges.
        first: first padded cell.
        cells: number of padded cells.
    """
    ends = first + torch.arange(more, device=graph.edge_index.device) % cells
    graph.edge_index = torch.cat((graph.edge_index, ends.expand(2, -1)), dim=1)
    graph.edge_attr = pad(graph.edge_attr, (0, 0, 0, more))

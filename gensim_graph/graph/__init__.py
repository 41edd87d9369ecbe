"""The graph of a mesh: cells, their order into tokens and clusters, halos, coarsening, subgraphs."""

from gensim_graph.graph.cache import cached_graph
from gensim_graph.graph.cell_table import Cells
from gensim_graph.graph.graph import RADIUS, MeshGraph, batch_graphs, build_graph, coarse_cells, graph_of_cells, in_unit
from gensim_graph.graph.order import CLUSTER_TOKENS, TOKEN_CELLS, Order, order_cells
from gensim_graph.graph.subgraph import Subgraph, extract_subgraph

__all__ = [
    "CLUSTER_TOKENS",
    "RADIUS",
    "TOKEN_CELLS",
    "Cells",
    "MeshGraph",
    "Order",
    "Subgraph",
    "batch_graphs",
    "build_graph",
    "cached_graph",
    "coarse_cells",
    "extract_subgraph",
    "graph_of_cells",
    "in_unit",
    "order_cells",
]

"""The graph of a mesh: its faces as nodes, grouped for the attention and coarsened for training.

The package uses six concepts:

- **cell**: node of the graph. A face of the mesh or, on a coarser level, a group of faces.
- **token**: four cells that are consecutive in the order of the cells. Attention works on tokens.
- **cluster**: 64 consecutive tokens, thus at most 256 cells. Its tokens share one list of keys.
- **halo**: the keys of a cluster, which are all tokens that its tokens may attend to, inside and around the cluster.
- **coarsening level**: level 0 is the mesh; the tokens of one level become the cells of the next.
- **stencil**: neighbours of a cell across its edges, with weights for the mean over them and for the gradient.

Tokens and clusters are padded to their full size. A position in this padded layout is called a *slot*.

Reading order: ``cell_table`` (what the graph takes from a mesh), ``order`` (tokens and clusters), ``stencil``,
``halo``, ``mesh_graph`` (the graph and its attributes), ``graph_builder`` (all steps together), ``cluster_members`` and
``subgraph`` (parts to train on), ``union`` (several graphs in one), ``graph_sizes`` and ``padding`` (graphs of equal
sizes), ``cache`` and ``grouped_cells`` (graphs on disk), ``geometric`` (graphs for torch-geometric).
"""

from typing import TYPE_CHECKING, Any

from gensim_graph.graph.cache import SMALLEST, cached_graph
from gensim_graph.graph.cell_table import CellTable
from gensim_graph.graph.graph_builder import build_graph, coarse_cells, graph_of_cells
from gensim_graph.graph.graph_sizes import GraphSizes
from gensim_graph.graph.grouped_cells import CellGroups, cell_groups
from gensim_graph.graph.mesh_graph import MeshGraph, with_length_unit
from gensim_graph.graph.order import CLUSTER_TOKENS, TOKEN_CELLS, order_cells
from gensim_graph.graph.padding import pad_graph
from gensim_graph.graph.subgraph import Subgraph, SubgraphCutter, extract_subgraph
from gensim_graph.graph.union import batch_graphs

if TYPE_CHECKING:
    from gensim_graph.graph.geometric import to_geometric

__all__ = [
    "CLUSTER_TOKENS",
    "SMALLEST",
    "TOKEN_CELLS",
    "CellGroups",
    "CellTable",
    "GraphSizes",
    "MeshGraph",
    "Subgraph",
    "SubgraphCutter",
    "batch_graphs",
    "build_graph",
    "cached_graph",
    "cell_groups",
    "coarse_cells",
    "extract_subgraph",
    "graph_of_cells",
    "order_cells",
    "pad_graph",
    "to_geometric",
    "with_length_unit",
]


def __getattr__(name: str) -> Any:
    """Import torch-geometric, which takes a second, only for those who need it."""
    if name != "to_geometric":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from gensim_graph.graph.geometric import to_geometric

    return to_geometric

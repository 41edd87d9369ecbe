"""MeshGraph: the prepared mesh, with everything that the velocity operator needs to know about it.

:mod:`~gensim_graph.graph.graph_builder` makes it from a mesh; this module holds its layout, its disjoint unions and the
change of its length unit.
"""

from copy import copy
from typing import Any

import torch
from torch.nn.functional import pad
from torch_geometric.data import Batch, Data

PADDED_LOG_AREA = -1e4
"""Logarithm of the area of a padded key: its weight in the attention is zero."""


class MeshGraph(Data):
    """Cells of a mesh as graph nodes, with their tokens, clusters and halos.

    A :class:`torch_geometric.data.Data`, so the loaders of PyG batch it as a disjoint union. Sizes: ``F`` cells with
    ``n`` neighbours each; ``C`` clusters of ``W`` tokens with ``K`` keys each; ``T = C W`` tokens; ``S = 4 T`` slots.

    Attributes of the cells:
        pos: (F, 2) m, centres relative to the centre of the domain.
        area: (F,) m2.
        length: (F,) m, length unit of the attributes below: the spacing of each cell, or the length that the user
            fixed. An operator with its own unit (``OperatorConfig.unit_km``) replaces it, see
            :func:`with_length_unit`.
        edge_index, edge_attr: (2, E) and (E, 3), edges in both directions; relative position and length of the shared
            edge, both divided by the spacing of the receiving cell.
        neighbours, mean, gradient: (F, n), (F, n), (F, n, 2), the stencil; gradients are multiplied by ``length``.
        boundary: (F, 4) length of coast, length of open boundary, and outward normal of the coast times its length,
            all divided by the length unit. With a fixed unit they shrink with the cells: their gradient must stay
            bounded for the operator to converge.
        slot: (F,) slot of each cell.

    Attributes of the slots and tokens:
        slot_weight: (S,) share of the cell in the area of its token; 0 for padding.
        slot_offset: (S, 2) position relative to the centre of the token, divided by the token length.
        token_pos, token_area, token_length: (T, 2) m, (T,) m2, (T,) m; 0, 0 and 1 for padding.
        token_pos_low: (T, 2) m, remainder of the position that single precision cannot hold: ``token_pos`` alone is
            exact to centimetres, ``token_pos + token_pos_low`` to a nanometre.
        token_valid: (T,) bool, False for padding.
        token_graph: (T,) number of the graph that the token belongs to, in a batch.

    Attributes of the clusters; positions are relative to the centre of the cluster and divided by ``cluster_length``:
        cluster_length: (C,) m, reach of the cluster.
        query_pos, key_pos: (C, W, 2) and (C, K, 2).
        key_log_area: (C, K) logarithm of the area of the key divided by ``cluster_length**2``; -1e4 for padding.
        halo, halo_valid: (C, K) keys of the cluster, and False for padding.
        radius: (G,) reach of the attention in token lengths, one number for each graph.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> axis = np.arange(20) * 10e3
        >>> graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
        >>> graph.n_cells, graph.n_clusters, graph.n_graphs
        (400, 2, 1)
        >>> graph.length[:3].tolist()
        [10000.0, 10000.0, 10000.0]
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Offset of an index attribute in a disjoint union."""
        match key:
            case "neighbours":
                return self.num_nodes
            case "halo":
                return len(self.token_area)
            case "slot":
                return len(self.slot_weight)
            case "token_graph":
                return 1

        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Dimension along which a disjoint union joins an attribute: the first one for our index attributes."""
        if key in ("neighbours", "halo", "slot", "token_graph"):
            return 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    @property
    def n_cells(self) -> int:
        """Number of cells, of all graphs together."""
        return len(self.area)

    @property
    def n_clusters(self) -> int:
        """Number of clusters, of all graphs together."""
        return len(self.cluster_length)

    @property
    def n_graphs(self) -> int:
        """Number of graphs in the disjoint union."""
        return len(self.radius)


def with_length_unit(graph: MeshGraph, length: float) -> MeshGraph:
    """Return the graph with gradients and boundary of the cells in another length unit.

    The reach of the attention stays as it is. The copy shares all other attributes with ``graph``.

    Args:
        graph: the graph.
        length: new length unit in metres, the same for all cells.
    """
    changed = copy(graph)
    ratio = (length / graph.length).unsqueeze(-1)
    changed.gradient = graph.gradient * ratio.unsqueeze(-1)
    changed.boundary = graph.boundary / ratio
    changed.length = torch.full_like(graph.length, length)

    return changed


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
    return Batch.from_data_list([_widened(graph, neighbours, keys) for graph in graphs])


def _widened(graph: MeshGraph, neighbours: int, keys: int) -> MeshGraph:
    """Pad the lists of neighbours and keys to a common width."""
    more_neighbours = neighbours - graph.neighbours.shape[1]
    more_keys = keys - graph.halo.shape[1]
    if more_neighbours == 0 and more_keys == 0:
        return graph

    widened = graph.clone()
    widened.neighbours = pad(graph.neighbours, (0, more_neighbours))
    widened.mean = pad(graph.mean, (0, more_neighbours))
    widened.gradient = pad(graph.gradient, (0, 0, 0, more_neighbours))

    widened.halo = pad(graph.halo, (0, more_keys))
    widened.halo_valid = pad(graph.halo_valid, (0, more_keys), value=False)
    widened.key_pos = pad(graph.key_pos, (0, 0, 0, more_keys))
    widened.key_log_area = pad(graph.key_log_area, (0, more_keys), value=PADDED_LOG_AREA)

    return widened

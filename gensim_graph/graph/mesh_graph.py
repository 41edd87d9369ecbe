"""MeshGraph: the prepared mesh, with everything that the velocity operator needs to know about it.

:mod:`~gensim_graph.graph.graph_builder` makes it from a mesh, :mod:`~gensim_graph.graph.union` joins several; this
module holds its layout and the change of its length unit.
"""

from collections.abc import Callable

import torch

from gensim_graph.typing import Tensor

PADDED_LOG_AREA = -1e4
"""Logarithm of the area of a padded key: its weight in the attention is zero."""


class MeshGraph:
    """Cells of a mesh as graph nodes, with their tokens, clusters and halos.

    A set of named tensors. :func:`~gensim_graph.graph.to_geometric` gives it to the loaders, transforms and networks
    of torch-geometric. Sizes: ``F`` cells with ``n`` neighbours each; ``C`` clusters of ``W`` tokens with ``K`` keys
    each; ``T = C W`` tokens; ``S = 4 T`` slots.

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
        batch: (F,) number of the graph of each cell, in a batch; None for one graph.

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
        readers, reader_counts: (C, R) and (C,) queries that see a token of the cluster, and their number; None unless
            they were listed beforehand for the attention on a GPU.

    Args:
        tensors: the attributes by name.

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

    pos: Tensor
    area: Tensor
    length: Tensor
    edge_index: Tensor
    edge_attr: Tensor
    neighbours: Tensor
    mean: Tensor
    gradient: Tensor
    boundary: Tensor
    slot: Tensor
    batch: Tensor | None = None
    slot_weight: Tensor
    slot_offset: Tensor
    token_pos: Tensor
    token_area: Tensor
    token_length: Tensor
    token_pos_low: Tensor
    token_valid: Tensor
    token_graph: Tensor
    cluster_length: Tensor
    query_pos: Tensor
    key_pos: Tensor
    key_log_area: Tensor
    halo: Tensor
    halo_valid: Tensor
    radius: Tensor
    readers: Tensor | None = None
    reader_counts: Tensor | None = None

    def __init__(self, **tensors: Tensor) -> None:
        self.__dict__.update(tensors)

    def __getitem__(self, name: str) -> Tensor:
        """Return the attribute of this name."""
        return self.__dict__[name]

    def __setitem__(self, name: str, value: Tensor) -> None:
        """Set the attribute of this name."""
        setattr(self, name, value)

    def __repr__(self) -> str:
        """Sizes of the graph."""
        return f"MeshGraph({self.n_cells} cells, {self.n_clusters} clusters, {self.n_graphs} graphs)"

    def to_dict(self) -> dict[str, Tensor]:
        """Return the attributes by name; the tensors are shared."""
        return dict(self.__dict__)

    def clone(self) -> "MeshGraph":
        """Return a copy with tensors of its own."""
        return self._mapped(torch.clone)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "MeshGraph":
        """Return the graph on a device.

        Args:
            device: the device.
            non_blocking: do not wait for the copies, which needs pinned memory.
        """
        return self._mapped(lambda value: value.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "MeshGraph":
        """Return the graph in pinned memory, for the loaders of PyTorch."""
        return self._mapped(torch.Tensor.pin_memory)

    def _mapped(self, function: Callable[[Tensor], Tensor]) -> "MeshGraph":
        return MeshGraph(**{name: function(value) for name, value in self.__dict__.items() if value is not None})

    @property
    def n_cells(self) -> int:
        """Number of cells, of all graphs together."""
        return len(self.area)

    @property
    def n_clusters(self) -> int:
        """Number of clusters, of all graphs together."""
        return len(self.cluster_length)

    @property
    def num_nodes(self) -> int:
        """Number of cells, by the name of torch-geometric."""
        return self.n_cells

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
    changed = MeshGraph(**graph.to_dict())
    ratio = (length / graph.length).unsqueeze(-1)
    changed.gradient = graph.gradient * ratio.unsqueeze(-1)
    changed.boundary = graph.boundary / ratio
    changed.length = torch.full_like(graph.length, length)

    return changed

"""Graphs for torch-geometric, which takes a second and 200 MB to import and is needed for its own tools only."""

from typing import Any

from torch_geometric.data import Data

from gensim_graph.graph.mesh_graph import MeshGraph
from gensim_graph.graph.union import INDICES, JOINED_COLUMNS


class GeometricGraph(Data):
    """A graph with the attributes of :class:`MeshGraph`, whose disjoint unions are those of :func:`batch_graphs`."""

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Offset of an index attribute in a disjoint union."""
        return len(self[INDICES[key]]) if key in INDICES else super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Dimension along which a disjoint union joins an attribute."""
        if key in INDICES:
            return -1 if key in JOINED_COLUMNS else 0
        return super().__cat_dim__(key, value, *args, **kwargs)


def to_geometric(graph: MeshGraph) -> GeometricGraph:
    """Return a graph as a :class:`torch_geometric.data.Data`, for loaders, transforms and networks of torch-geometric.

    Args:
        graph: the graph; its tensors are shared.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> from torch_geometric.loader import DataLoader
        >>> from gensim_graph.graph import to_geometric
        >>> axis = np.arange(20) * 10e3
        >>> graph = to_geometric(gg.build_graph(gg.Mesh.from_grid(axis, axis)))
        >>> next(iter(DataLoader([graph, graph], batch_size=2))).num_nodes
        800
    """
    return GeometricGraph(num_nodes=graph.n_cells, **graph.to_dict())

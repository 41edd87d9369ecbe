"""Sizes of a graph, and the few sizes to which the graphs of a training are padded."""

from typing import NamedTuple

from gensim_graph.graph.mesh_graph import MeshGraph

_KEY_MULTIPLE = 64
"""The number of keys is a multiple of this, as in graphs without padding."""


class GraphSizes(NamedTuple):
    """Sizes that decide the shapes of all attributes of a graph.

    Attributes:
        cells: number of cells.
        edges: number of edges, each direction counted.
        clusters: number of clusters.
        neighbours: number of neighbours in the stencil of a cell.
        keys: number of keys of a cluster.
    """

    cells: int
    edges: int
    clusters: int
    neighbours: int
    keys: int

    @classmethod
    def of(cls, graph: MeshGraph) -> "GraphSizes":
        """Sizes of a graph as it is."""
        neighbours, keys = graph.neighbours.shape[1], graph.halo.shape[1]
        return cls(graph.n_cells, graph.edge_index.shape[1], graph.n_clusters, neighbours, keys)

    @classmethod
    def of_union(cls, graphs: list["GraphSizes"]) -> "GraphSizes":
        """Sizes of the disjoint union of graphs of these sizes."""
        cells, edges, clusters, neighbours, keys = zip(*graphs, strict=True)
        return cls(sum(cells), sum(edges), sum(clusters), max(neighbours), max(keys))

    @classmethod
    def covering(cls, graphs: list["GraphSizes"]) -> "GraphSizes":
        """Smallest sizes with room for each of the graphs, rounded up by at most a thirty-second."""
        return cls(*(max(sizes) for sizes in zip(*graphs, strict=True))).with_room()._rounded()

    def holding(self, graph: MeshGraph) -> "GraphSizes":
        """Return these sizes if the graph fits into them, otherwise sizes that are larger by quarters until it fits.

        The result depends on the graph alone, not on graphs that came before.

        Args:
            graph: that shall be padded.
        """
        needed = GraphSizes.of(graph).with_room()
        if all(one <= room for one, room in zip(needed, self, strict=True)):
            return self

        sums = tuple(zip(needed[:3], self[:3], strict=True))
        quarters = max(4, *(-(-4 * one // room) for one, room in sums))
        cells, edges, clusters = (-(-quarters * room // 4) for _, room in sums)
        neighbours, keys = (_grown(room, one) for one, room in zip(needed[3:], self[3:], strict=True))

        return GraphSizes(cells, edges, clusters, neighbours, keys)._rounded()

    def with_room(self) -> "GraphSizes":
        """Sizes with one more cell, for padded edges, and one more cluster, for padded cells."""
        return self._replace(cells=self.cells + 1, clusters=self.clusters + 1)

    def _rounded(self) -> "GraphSizes":
        keys = -(-self.keys // _KEY_MULTIPLE) * _KEY_MULTIPLE
        cells, edges, clusters = (_rounded_up(size) for size in (self.cells, self.edges, self.clusters))
        return GraphSizes(cells, edges, clusters, self.neighbours, keys)


def _grown(room: int, needed: int) -> int:
    """Enlarge by quarters until the needed number fits."""
    return -(-max(4, -(-4 * needed // room)) * room // 4)


def _rounded_up(size: int) -> int:
    """Round up to six binary digits."""
    step = 1 << max(0, size.bit_length() - 6)
    return -(-size // step) * step

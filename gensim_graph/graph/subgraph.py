"""Subgraphs: consecutive clusters and the clusters around them, small enough to train on.

The memory of a training step then does not depend on the size of the mesh. The loss is computed on the *core*, the
consecutive clusters; the clusters around the core contain nearly all of its halo. This is the domain decomposition of
GenSIM on a graph.
"""

from dataclasses import dataclass

import torch

from gensim_graph.graph.cluster_members import ClusterMembers
from gensim_graph.graph.mesh_graph import PADDED_LOG_AREA, MeshGraph
from gensim_graph.graph.order import TOKEN_CELLS
from gensim_graph.typing import Bool, Float, Int, Tensor

_KEY_MULTIPLE = 64
"""The number of keys of a subgraph is a multiple of this, so that compiled code meets few different shapes."""


@dataclass(frozen=True)
class Subgraph:
    """Part of a graph.

    Attributes:
        graph: the part as a graph of its own, with F_sub cells.
        cells: (F_sub,) index of its cells in the whole graph.
        core: (F_sub,) True for cells of the core.
    """

    graph: MeshGraph
    cells: Int[Tensor, " cell"]
    core: Bool[Tensor, " cell"]


def extract_subgraph(graph: MeshGraph, start: int, core: int, clusters: int) -> Subgraph:
    """Cut out ``core`` consecutive clusters and, around them, the clusters that hold most of their halo.

    The core does not attend to keys in clusters that are left out. The smaller the core is compared with ``clusters``,
    the fewer keys are lost. To cut many parts out of the same graph, keep a :class:`SubgraphCutter`.

    Args:
        graph: the whole graph. If it has at most ``clusters`` clusters, it is returned whole and all of it is core.
        start: first cluster of the core; at most ``graph.n_clusters - core``, larger numbers are reduced to this.
        core: number of clusters in the core.
        clusters: number of clusters in the subgraph, core included.
    """
    return SubgraphCutter(graph).cut(start, core, clusters)


class SubgraphCutter:
    """Cuts subgraphs out of one graph. The cost of a cut depends on the size of the part, not of the graph.

    The cutter looks up the cells and edges of each cluster once, at the start.

    Args:
        graph: the whole graph.
    """

    def __init__(self, graph: MeshGraph) -> None:
        self.graph = graph
        self._cluster_slots = graph.query_pos.shape[1] * TOKEN_CELLS
        self._cluster_of_cell = graph.slot // self._cluster_slots
        self._cells = ClusterMembers(self._cluster_of_cell, graph.n_clusters)
        self._edges = ClusterMembers(self._cluster_of_cell[graph.edge_index[1]], graph.n_clusters)
        self._new_cell = torch.full((graph.n_cells,), -1)  # -1 between two cuts; filling it costs more than a cut
        self._choices: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = {}

    def cut(self, start: int, core: int, clusters: int) -> Subgraph:
        """Cut out a part.

        Args:
            start: first cluster of the core, see :func:`extract_subgraph`.
            core: number of clusters in the core.
            clusters: number of clusters in the subgraph, core included.
        """
        graph = self.graph
        if graph.n_clusters <= clusters:
            return Subgraph(graph, torch.arange(graph.n_cells), torch.ones(graph.n_cells, dtype=torch.bool))

        key = (start, core, clusters)
        if key not in self._choices:
            self._choices[key] = _choose_clusters(graph, start, core, clusters)

        chosen, in_core = self._choices[key]
        new_cluster = torch.full((graph.n_clusters,), -1)
        new_cluster[chosen] = torch.arange(len(chosen))

        cells = self._cells.of(chosen)
        part = self._cut(chosen, new_cluster, cells)

        return Subgraph(part, cells, in_core[new_cluster[self._cluster_of_cell[cells]]])

    def _cut(
        self, chosen: Int[Tensor, " chosen"], new_cluster: Int[Tensor, " cluster"], cells: Int[Tensor, " cell"]
    ) -> MeshGraph:
        """Take the chosen clusters out of the graph.

        Args:
            chosen: clusters to take.
            new_cluster: number of each cluster in the part, -1 for clusters that are left out.
            cells: cells of the chosen clusters.
        """
        graph, slots = self.graph, self._cluster_slots
        tokens = slots // TOKEN_CELLS
        attributes = {name: graph[name][cells] for name in ("pos", "area", "length", "boundary")}
        attributes |= {name: graph[name][chosen] for name in ("cluster_length", "query_pos")}

        for name in ("token_pos", "token_pos_low", "token_area", "token_length", "token_valid", "token_graph"):
            attributes[name] = graph[name].unflatten(0, (-1, tokens))[chosen].flatten(0, 1)
        for name in ("slot_weight", "slot_offset"):
            attributes[name] = graph[name].unflatten(0, (-1, slots))[chosen].flatten(0, 1)

        slot = graph.slot[cells]
        attributes["slot"] = new_cluster[slot // slots] * slots + slot % slots
        attributes |= self._cut_edges(chosen, cells) | _cut_halo(graph, chosen, new_cluster)

        return MeshGraph(radius=graph.radius, **attributes)

    def _cut_edges(self, chosen: Int[Tensor, " chosen"], cells: Int[Tensor, " cell"]) -> dict[str, Tensor]:
        """Edges and stencils inside the part; neighbours outside have weight 0."""
        graph, new_cell = self.graph, self._new_cell
        new_cell[cells] = torch.arange(len(cells))

        neighbours = new_cell[graph.neighbours[cells]]
        inside = neighbours >= 0
        candidates = self._edges.of(chosen)
        edges = new_cell[graph.edge_index[:, candidates]]
        kept = edges[0] >= 0  # the receiving cells are all inside

        new_cell[cells] = -1

        return {
            "edge_index": edges[:, kept],
            "edge_attr": graph.edge_attr[candidates[kept]],
            "neighbours": neighbours.clamp(min=0),
            "mean": graph.mean[cells] * inside,
            "gradient": graph.gradient[cells] * inside.unsqueeze(-1),
        }


def _choose_clusters(
    graph: MeshGraph, start: int, core: int, clusters: int
) -> tuple[Int[Tensor, " cluster"], Bool[Tensor, " cluster"]]:
    """Choose the core and the clusters that hold most of its keys; ties are decided by the distance to the core.

    Returns:
        The chosen clusters in ascending order, and True for those in the core.
    """
    tokens = graph.query_pos.shape[1]
    weight = graph.token_area.reshape(-1, tokens, 1)
    centre = (graph.token_pos.reshape(-1, tokens, 2) * weight).sum(1) / weight.sum(1)

    first = min(start, graph.n_clusters - core)
    core_clusters = torch.arange(first, first + core)
    mass = _key_mass(graph, core_clusters)
    mass[core_clusters] = torch.inf  # the core is always chosen

    by_distance = torch.cdist(centre, centre[core_clusters]).amin(dim=1).argsort(stable=True)
    by_mass = mass[by_distance].argsort(descending=True, stable=True)
    chosen = by_distance[by_mass][:clusters].sort().values

    return chosen, torch.isin(chosen, core_clusters)


def _key_mass(graph: MeshGraph, core_clusters: Int[Tensor, " core"]) -> Float[Tensor, " cluster"]:
    """Area of the keys of the core in each cluster, weighted by the taper (1 - s^2)^2 and summed over the queries."""
    tokens = graph.query_pos.shape[1]
    queries = (core_clusters.unsqueeze(1) * tokens + torch.arange(tokens)).flatten()
    queries = queries[graph.token_valid[queries]]
    keys = graph.halo[core_clusters][graph.halo_valid[core_clusters]].unique()

    reach = (graph.radius[0] * graph.token_length[queries]).unsqueeze(1)
    distance = torch.cdist(graph.token_pos[queries], graph.token_pos[keys]) / reach
    mass = ((1 - distance.square()).clamp(min=0).square() * graph.token_area[keys]).sum(dim=0)

    return torch.zeros(graph.n_clusters).index_add(0, keys // tokens, mass)


def _cut_halo(
    graph: MeshGraph, chosen: Int[Tensor, " chosen"], new_cluster: Int[Tensor, " cluster"]
) -> dict[str, Tensor]:
    """Keys inside the part, moved to the front of their lists."""
    tokens = graph.query_pos.shape[1]
    cluster_of_key = new_cluster[graph.halo[chosen] // tokens]
    valid = graph.halo_valid[chosen] & (cluster_of_key >= 0)
    halo = torch.where(valid, cluster_of_key * tokens + graph.halo[chosen] % tokens, 0)
    log_area = graph.key_log_area[chosen].masked_fill(~valid, PADDED_LOG_AREA)
    columns = _valid_first(valid)

    return {
        "halo": halo.gather(1, columns),
        "halo_valid": valid.gather(1, columns),
        "key_log_area": log_area.gather(1, columns),
        "key_pos": graph.key_pos[chosen].gather(1, columns.unsqueeze(-1).expand(-1, -1, 2)),
    }


def _valid_first(valid: Bool[Tensor, "cluster key"]) -> Int[Tensor, "cluster some"]:
    """Columns of the valid keys, then as many others as fill the rows; a part may lose half of the keys.

    The rows are as long as the longest list of valid keys, rounded up to a multiple of ``_KEY_MULTIPLE``.
    """
    longest = int(valid.sum(dim=1).max())
    order = valid.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    return order[:, : min(valid.shape[1], -(-longest // _KEY_MULTIPLE) * _KEY_MULTIPLE)]

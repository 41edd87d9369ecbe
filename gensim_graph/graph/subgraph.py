"""Subgraphs: a run of clusters with the clusters around it, small enough to train on.

Memory does not depend on the mesh then. The loss counts on the core, the run itself; the clusters around it give
it nearly all of its halo. This is the domain decomposition of GenSIM on a graph.
"""

from dataclasses import dataclass

import torch

from gensim_graph.graph.graph import MeshGraph
from gensim_graph.graph.order import TOKEN_CELLS
from gensim_graph.typing import Bool, Float, Int, Tensor

_KEYS = 64
"""The number of keys of a part is a multiple of this."""


@dataclass(frozen=True)
class Subgraph:
    """Part of a graph.

    Attributes:
        graph: the part, a graph of its own.
        cells: (F_sub,) its cells in the whole graph.
        core: (F_sub,) which of them are in the core.
    """

    graph: MeshGraph
    cells: Int[Tensor, " cell"]
    core: Bool[Tensor, " cell"]


def extract_subgraph(graph: MeshGraph, start: int, core: int, clusters: int) -> Subgraph:
    """Cut out ``core`` consecutive clusters and those that hold most of what they attend to, ``clusters`` in all.

    Keys of the core in clusters that are left out are not attended to: the smaller the core against ``clusters``, the
    fewer they are.

    Args:
        graph: the whole; one of no more than ``clusters`` clusters comes back whole, all of it core.
        start: first cluster of the core; a later one than ``graph.n_clusters - core`` is taken for that.
        core: clusters in the core.
        clusters: clusters in all.
    """
    if graph.n_clusters <= clusters:
        cells = torch.arange(graph.n_cells)
        return Subgraph(graph, cells, torch.ones(graph.n_cells, dtype=torch.bool))

    chosen, in_core = _surrounded(graph, start, core, clusters)
    cluster_slots = graph.query_pos.shape[1] * TOKEN_CELLS
    rank = torch.full((graph.n_clusters,), -1, dtype=torch.long)
    rank[chosen] = torch.arange(len(chosen))
    cluster_of_cell = graph.slot // cluster_slots
    cells = torch.nonzero(rank[cluster_of_cell] >= 0).squeeze(1)
    part = _cut(graph, chosen, rank, cells, cluster_slots)

    return Subgraph(part, cells, in_core[rank[cluster_of_cell[cells]]])


def _surrounded(
    graph: MeshGraph, start: int, core: int, clusters: int
) -> tuple[Int[Tensor, " cluster"], Bool[Tensor, " cluster"]]:
    """The run and the clusters that hold most of what it attends to; equals by the distance of their centres."""
    tokens = graph.query_pos.shape[1]
    weight = graph.token_area.reshape(-1, tokens, 1)
    centre = (graph.token_pos.reshape(-1, tokens, 2) * weight).sum(1) / weight.sum(1)
    first = min(start, graph.n_clusters - core)
    run = torch.arange(first, first + core)
    mass = _key_mass(graph, run)
    mass[run] = torch.inf  # the run comes first
    by_distance = torch.cdist(centre, centre[run]).amin(dim=1).argsort(stable=True)
    by_mass = mass[by_distance].argsort(descending=True, stable=True)
    chosen = by_distance[by_mass][:clusters].sort().values

    return chosen, torch.isin(chosen, run)


def _key_mass(graph: MeshGraph, run: Int[Tensor, " run"]) -> Float[Tensor, " cluster"]:
    """Area of the keys of the run in each cluster, weighted with the taper (1 - s^2)^2 and summed over the queries."""
    tokens = graph.query_pos.shape[1]
    queries = (run.unsqueeze(1) * tokens + torch.arange(tokens)).flatten()
    queries = queries[graph.token_valid[queries]]
    keys = graph.halo[run][graph.halo_valid[run]].unique()
    reach = (graph.radius[0] * graph.token_length[queries]).unsqueeze(1)
    distance = torch.cdist(graph.token_pos[queries], graph.token_pos[keys]) / reach
    mass = ((1 - distance.square()).clamp(min=0).square() * graph.token_area[keys]).sum(dim=0)

    return torch.zeros(graph.n_clusters).index_add(0, keys // tokens, mass)


def _cut(
    graph: MeshGraph,
    chosen: Int[Tensor, " chosen"],
    rank: Int[Tensor, " cluster"],
    cells: Int[Tensor, " cell"],
    cluster_slots: int,
) -> MeshGraph:
    tokens = cluster_slots // TOKEN_CELLS
    new_cell = torch.full((graph.n_cells,), -1, dtype=torch.long)
    new_cell[cells] = torch.arange(len(cells))
    neighbours = new_cell[graph.neighbours[cells]]
    inside = neighbours >= 0
    slot = graph.slot[cells]
    key_cluster = rank[graph.halo[chosen] // tokens]
    halo_valid = graph.halo_valid[chosen] & (key_cluster >= 0)
    first = _valid_first(halo_valid)
    edges = new_cell[graph.edge_index]
    kept = (edges >= 0).all(dim=0)
    per_cell = {name: graph[name][cells] for name in ("pos", "area", "length", "boundary")}
    per_cluster = {name: graph[name][chosen] for name in ("cluster_length", "query_pos")}

    per_key = {
        "halo": torch.where(halo_valid, key_cluster * tokens + graph.halo[chosen] % tokens, 0),
        "halo_valid": halo_valid,
        "key_log_area": graph.key_log_area[chosen].masked_fill(~halo_valid, -1e4),
    }
    per_key = {name: values.gather(1, first) for name, values in per_key.items()}
    per_token = {
        name: graph[name].unflatten(0, (-1, tokens))[chosen].flatten(0, 1)
        for name in ("token_pos", "token_pos_low", "token_area", "token_length", "token_valid", "token_graph")
    }

    per_slot = {
        name: graph[name].unflatten(0, (-1, cluster_slots))[chosen].flatten(0, 1)
        for name in ("slot_weight", "slot_offset")
    }
    return MeshGraph(
        num_nodes=len(cells),
        edge_index=edges[:, kept],
        edge_attr=graph.edge_attr[kept],
        neighbours=neighbours.clamp(min=0),
        mean=graph.mean[cells] * inside,
        gradient=graph.gradient[cells] * inside.unsqueeze(-1),
        slot=rank[slot // cluster_slots] * cluster_slots + slot % cluster_slots,
        radius=graph.radius,
        key_pos=graph.key_pos[chosen].gather(1, first.unsqueeze(-1).expand(-1, -1, 2)),
        **per_key,
        **per_cell,
        **per_token,
        **per_slot,
        **per_cluster,
    )


def _valid_first(valid: Bool[Tensor, "cluster key"]) -> Int[Tensor, "cluster some"]:
    """Columns of the keys that are meant, then as many others as fill the rows: half the keys of a part may be lost.

    The length of the rows is one of a few, so that what depends on shapes sees few of them.
    """
    longest = int(valid.sum(dim=1).max())
    order = valid.to(torch.int8).argsort(dim=1, descending=True, stable=True)
    return order[:, : min(valid.shape[1], -(-longest // _KEYS) * _KEYS)]

"""MeshGraph: everything the velocity operator needs to know of a mesh, prepared once.

Reading order: cells (what is taken of a mesh) -> order (tokens and clusters) -> stencil (neighbours, gradients)
-> halo (who attends to whom) -> here.
"""

from copy import copy
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch_geometric.data import Batch, Data

from gensim_graph.errors import InputError
from gensim_graph.graph.cell_table import Cells
from gensim_graph.graph.halo import Halo, find_halo
from gensim_graph.graph.order import CLUSTER_TOKENS, TOKEN_CELLS, Order, order_cells
from gensim_graph.graph.stencil import Stencil, build_stencil
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Tensor

RADIUS = 9.0
"""Reach of the attention in token lengths: about 256 tokens in the disc, 18 cells a block."""


class MeshGraph(Data):
    """Cells of a mesh as graph nodes, with their tokens, clusters and halos.

    A :class:`torch_geometric.data.Data`; PyG's loaders batch it as a disjoint union. ``F`` cells, ``T = C * W``
    tokens in ``C`` clusters, ``K`` keys a cluster, ``S = 4 T`` slots, ``n`` neighbours a cell.

    Attributes of the cells:
        pos: (F, 2) m, centres relative to the centre of the domain.
        area: (F,) m2.
        length: (F,) m, length unit of what follows: the spacing, or the one that the user fixed. An operator with a
            unit of its own (``OperatorConfig.unit_km``) puts that in its place: :func:`in_unit`.
        edge_index, edge_attr: (2, E) and (E, 3), edges both ways with relative position and shared edge length over
            the spacing of the receiving cell.
        neighbours, mean, gradient: (F, n), (F, n), (F, n, 2), the stencil, gradients times ``length``.
        boundary: (F, 4) coast and open length and the coast's outward normal, over the length unit: with a fixed one
            they shrink with the cells, as their gradient must stay bounded for the operator to converge.
        slot: (F,) slot of each cell.

    Attributes of the slots and tokens:
        slot_weight: (S,) share of the cell in the area of its token, 0 for padding.
        slot_offset: (S, 2) position relative to the token centre over the token length.
        token_pos, token_area, token_length: (T, 2) m, (T,) m2, (T,) m; of padding: 0, 0 and 1.
        token_pos_low: (T, 2) m, what single precision leaves of the position: token_pos + token_pos_low is good to a
            nanometre, where token_pos alone is to centimetres.
        token_valid: (T,) bool.
        token_graph: (T,) graph of a batch that the token belongs to.

    Attributes of the clusters, positions relative to the cluster centre over ``cluster_length``:
        cluster_length: (C,) m, reach of the cluster.
        query_pos: (C, W, 2), key_pos: (C, K, 2).
        key_log_area: (C, K) log of the key's area over cluster_length^2, -1e4 for padding.
        halo, halo_valid: (C, K) keys.
        radius: reach in token lengths, one number a graph.
    """

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Offsets of the index attributes in a disjoint union."""
        if key == "neighbours":
            return self.num_nodes
        if key == "halo":
            return len(self.token_area)
        if key == "slot":
            return len(self.slot_weight)

        if key == "token_graph":
            return 1

        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        """Index attributes of tokens and clusters are stacked along their first dimension."""
        if key in ("neighbours", "halo", "slot", "token_graph"):
            return 0
        return super().__cat_dim__(key, value, *args, **kwargs)

    @property
    def n_cells(self) -> int:
        """Number of cells, of all graphs together."""
        return len(self.area)

    @property
    def n_clusters(self) -> int:
        """Number of clusters."""
        return len(self.cluster_length)

    @property
    def n_graphs(self) -> int:
        """Number of graphs in the disjoint union."""
        return len(self.radius)


def build_graph(
    mesh: Mesh,
    level: int = 0,
    *,
    length: float | None = None,
    radius: float = RADIUS,
    cluster_tokens: int = CLUSTER_TOKENS,
    angle: float = 0.0,
) -> MeshGraph:
    """Prepare a mesh for the operator.

    Args:
        mesh: the mesh.
        level: coarsening level; each level groups four cells into one.
        length: length unit in metres. None takes the spacing of each cell, so that reach and localisation of the
            attention follow the mesh. A number holds them fixed while the mesh is refined: the operator then converges
            to an integral operator.
        radius: reach of the attention in token lengths (a token length is twice ``length``).
        cluster_tokens: tokens in a cluster.
        angle: the axes of the k-d tree are turned by this angle (radians).

    Returns:
        The graph, in float32. O(F log^2 F).

    Raises:
        InputError: a negative level, or a non-positive length.
    """
    cells, _ = coarse_cells(mesh, level, angle)
    return graph_of_cells(cells, length=length, radius=radius, cluster_tokens=cluster_tokens, angle=angle)


def in_unit(graph: MeshGraph, length: float) -> MeshGraph:
    """The graph with gradients and boundary of the cells in a length unit (m); the reach of the tokens stays as it is.

    A copy that shares all else.
    """
    changed = copy(graph)
    ratio = (length / graph.length).unsqueeze(-1)
    changed.gradient = graph.gradient * ratio.unsqueeze(-1)
    changed.boundary = graph.boundary / ratio
    changed.length = torch.full_like(graph.length, length)

    return changed


def coarse_cells(mesh: Mesh, level: int, angle: float = 0.0) -> tuple[Cells, sparse.csr_array]:
    """Cells of a coarsening level, and the matrix (F_level, F) that averages face values onto them."""
    if level < 0:
        raise InputError(f"coarsening level {level}: expected 0 (the mesh itself) or more")

    cells = Cells.from_mesh(mesh)
    restriction = sparse.eye_array(mesh.n_faces, format="csr")

    for _ in range(level):
        groups = np.unique(order_cells(cells.centres, angle=angle).token, return_inverse=True)[1]
        restriction = cells.restriction(groups) @ restriction
        cells = cells.coarsen(groups)

    return cells, restriction


def graph_of_cells(
    cells: Cells,
    *,
    length: float | None = None,
    radius: float = RADIUS,
    cluster_tokens: int = CLUSTER_TOKENS,
    angle: float = 0.0,
    groups: Array | None = None,
) -> MeshGraph:
    """Graph of a set of cells; ``groups`` keeps given tokens, see :func:`~gensim_graph.graph.order.order_cells`."""
    if length is not None and length <= 0:
        raise InputError(f"length unit {length} m: expected a positive number of metres")

    centre = (cells.centres.min(axis=0) + cells.centres.max(axis=0)) / 2
    pos = cells.centres - centre
    order = order_cells(pos, cluster_tokens, angle, groups)
    unit = cells.spacing if length is None else np.full(len(pos), length)
    tokens = _tokens(cells, pos, unit, order)
    halo = find_halo(tokens["token_pos"], tokens["token_length"], tokens["token_valid"], cluster_tokens, radius)

    parts = (
        _cell_attributes(cells, pos, unit, build_stencil(cells))
        | {"slot": order.slot}
        | tokens
        | _clusters(tokens, halo, cluster_tokens, radius)
        | {"halo": halo.keys, "halo_valid": halo.valid, "radius": np.array([radius])}
    )
    return MeshGraph(num_nodes=len(pos), **{name: _tensor(value) for name, value in parts.items()})


def _cell_attributes(cells: Cells, pos: Array, unit: Array, stencil: Stencil) -> dict[str, Array]:
    receiver, sender = np.concatenate([cells.pairs, cells.pairs[:, ::-1]]).T
    spacing = cells.spacing
    relative = (pos[sender] - pos[receiver]) / spacing[receiver, None]
    shared = np.concatenate([cells.lengths, cells.lengths]) / spacing[receiver]

    return {
        "pos": pos,
        "area": cells.areas,
        "length": unit,
        "edge_index": np.stack([sender, receiver]),
        "edge_attr": np.concatenate([relative, shared[:, None]], axis=1),
        "neighbours": stencil.neighbours,
        "mean": stencil.mean,
        "gradient": stencil.gradient * unit[:, None, None],
        "boundary": cells.outer / unit[:, None],
    }


def _tokens(cells: Cells, pos: Array, unit: Array, order: Order) -> dict[str, Array]:
    n_tokens = order.n_slots // TOKEN_CELLS
    token = order.token
    area = np.bincount(token, cells.areas, minlength=n_tokens)
    count = np.bincount(token, minlength=n_tokens)
    valid = count > 0
    safe_area, safe_count = np.where(valid, area, 1.0), np.maximum(count, 1)
    weight = cells.areas / safe_area[token]
    centre = np.stack([np.bincount(token, weight * pos[:, axis], minlength=n_tokens) for axis in (0, 1)], axis=-1)
    # Twice the root mean square of the cells' unit, so that a token short of cells keeps its length.
    length = np.where(valid, 2 * np.sqrt(np.bincount(token, unit**2, minlength=n_tokens) / safe_count), 1.0)
    slot_weight, slot_offset = np.zeros(order.n_slots), np.zeros((order.n_slots, 2))
    slot_weight[order.slot] = weight
    slot_offset[order.slot] = (pos - centre[token]) / length[token, None]

    return {
        "slot_weight": slot_weight,
        "slot_offset": slot_offset,
        "token_pos": centre,
        "token_pos_low": centre - centre.astype(np.float32),
        "token_area": area,
        "token_length": length,
        "token_valid": valid,
        "token_graph": np.zeros(n_tokens, dtype=np.int64),
    }


def _clusters(tokens: dict[str, Array], halo: Halo, cluster_tokens: int, radius: float) -> dict[str, Array]:
    """Positions relative to each cluster: small numbers, which low precision needs."""
    real = tokens["token_valid"].reshape(-1, cluster_tokens)
    position = tokens["token_pos"].reshape(-1, cluster_tokens, 2)
    centre = (position * real[..., None]).sum(axis=1) / real.sum(axis=1)[:, None]
    reach = radius * np.where(real, tokens["token_length"].reshape(real.shape), 0).max(axis=1)
    key_area = np.where(halo.valid, tokens["token_area"][halo.keys], 1.0)
    log_area = np.log(key_area / reach[:, None] ** 2)
    key_pos = (tokens["token_pos"][halo.keys] - centre[:, None]) / reach[:, None, None]

    return {
        "cluster_length": reach,
        "query_pos": np.where(real[..., None], (position - centre[:, None]) / reach[:, None, None], 0.0),
        "key_pos": np.where(halo.valid[..., None], key_pos, 0.0),
        "key_log_area": np.where(halo.valid, log_area, -1e4),
    }


def _tensor(value: Array) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(value))
    return tensor.float() if tensor.is_floating_point() else tensor


def batch_graphs(graphs: list[MeshGraph]) -> MeshGraph:
    """Disjoint union of graphs: one forward pass over several meshes or subgraphs."""
    if len(graphs) == 1:
        return graphs[0]
    neighbours = max(graph.neighbours.shape[1] for graph in graphs)
    keys = max(graph.halo.shape[1] for graph in graphs)
    return Batch.from_data_list([_widen(graph, neighbours, keys) for graph in graphs])


def _widen(graph: MeshGraph, neighbours: int, keys: int) -> MeshGraph:
    """Pad the lists of neighbours and keys to a common width."""
    more_neighbours, more_keys = neighbours - graph.neighbours.shape[1], keys - graph.halo.shape[1]
    if more_neighbours == 0 and more_keys == 0:
        return graph

    widened = graph.clone()
    pad = torch.nn.functional.pad
    for name in ("neighbours", "mean"):
        widened[name] = pad(graph[name], (0, more_neighbours))

    widened.gradient = pad(graph.gradient, (0, 0, 0, more_neighbours))
    widened.halo = pad(graph.halo, (0, more_keys))
    widened.halo_valid = pad(graph.halo_valid, (0, more_keys), value=False)
    widened.key_pos = pad(graph.key_pos, (0, 0, 0, more_keys))
    widened.key_log_area = pad(graph.key_log_area, (0, more_keys), value=-1e4)

    return widened

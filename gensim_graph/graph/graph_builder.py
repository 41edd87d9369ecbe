"""Preparation of a mesh for the velocity operator: from faces to a :class:`~gensim_graph.graph.mesh_graph.MeshGraph`.

The steps: take the cells of the mesh and coarsen them, sort them into tokens and clusters, compute the stencils, find
the halos, and store everything as single-precision tensors.
"""

import numpy as np
import torch
from scipy import sparse

from gensim_graph.errors import InputError
from gensim_graph.graph.cell_table import CellTable
from gensim_graph.graph.halo import Halo, find_halo
from gensim_graph.graph.mesh_graph import PADDED_LOG_AREA, MeshGraph
from gensim_graph.graph.order import CLUSTER_TOKENS, TOKEN_CELLS, CellOrder, order_cells
from gensim_graph.graph.stencil import Stencil, build_stencil
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Array, Tensor

RADIUS = 9.0
"""Reach of the attention in token lengths: a disc of about 256 tokens; information travels 18 cells in each block."""


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
            attention follow the mesh. A number keeps them fixed while the mesh is refined: the operator then converges
            to an integral operator.
        radius: reach of the attention in token lengths (a token length is twice ``length``).
        cluster_tokens: number of tokens in a cluster.
        angle: angle by which the axes of the k-d tree are turned (radians, counter-clockwise).

    Returns:
        The graph, in single precision. The cost is O(F log^2 F).

    Raises:
        InputError: a negative level, or a length that is not positive.

    Example:
        >>> import numpy as np
        >>> import gensim_graph as gg
        >>> axis = np.arange(32) * 16e3
        >>> mesh = gg.Mesh.from_grid(axis, axis)
        >>> graph = gg.build_graph(mesh)
        >>> graph.n_cells, graph.n_clusters
        (1024, 4)
        >>> coarse = gg.build_graph(mesh, level=1)
        >>> coarse.n_cells, float(coarse.length[0])
        (256, 32000.0)
    """
    cells, _ = coarse_cells(mesh, level, angle)
    return graph_of_cells(cells, length=length, radius=radius, cluster_tokens=cluster_tokens, angle=angle)


def coarse_cells(mesh: Mesh, level: int, angle: float = 0.0) -> tuple[CellTable, sparse.csr_array]:
    """Compute the cells of a coarsening level.

    Args:
        mesh: the mesh; its faces are the cells of level 0.
        level: coarsening level, 0 or more.
        angle: angle by which the axes of the k-d tree are turned (radians, counter-clockwise).

    Returns:
        The cells, and the matrix (F_level, F) that averages face values onto them.

    Raises:
        InputError: a negative level.
    """
    if level < 0:
        raise InputError(f"coarsening level {level}: expected 0 (the mesh itself) or more")

    cells = CellTable.from_mesh(mesh)
    restriction = sparse.eye_array(mesh.n_faces, format="csr")

    for _ in range(level):
        groups = np.unique(order_cells(cells.centres, angle=angle).token, return_inverse=True)[1]
        restriction = cells.restriction(groups) @ restriction
        cells = cells.coarsen(groups)

    return cells, restriction


def graph_of_cells(
    cells: CellTable,
    *,
    length: float | None = None,
    radius: float = RADIUS,
    cluster_tokens: int = CLUSTER_TOKENS,
    angle: float = 0.0,
    groups: Array | None = None,
) -> MeshGraph:
    """Build the graph of a table of cells.

    Args:
        cells: the cells.
        length, radius, cluster_tokens, angle: as in :func:`build_graph`.
        groups: (F,) token of each cell, to keep given tokens; as in :func:`~gensim_graph.graph.order.order_cells`.

    Raises:
        InputError: a length that is not positive.
    """
    if length is not None and length <= 0:
        raise InputError(f"length unit {length} m: expected a positive number of metres")

    centre = (cells.centres.min(axis=0) + cells.centres.max(axis=0)) / 2
    pos = cells.centres - centre
    order = order_cells(pos, cluster_tokens, angle, groups)
    unit = cells.spacing if length is None else np.full(len(pos), length)
    tokens = _token_attributes(cells, pos, unit, order)
    halo = find_halo(tokens["token_pos"], tokens["token_length"], tokens["token_valid"], cluster_tokens, radius)

    attributes = (
        _cell_attributes(cells, pos, unit, build_stencil(cells))
        | {"slot": order.slot}
        | tokens
        | _cluster_attributes(tokens, halo, cluster_tokens, radius)
        | {"halo": halo.keys, "halo_valid": halo.valid, "radius": np.array([radius])}
    )
    return MeshGraph(**{name: _tensor(value) for name, value in attributes.items()})


def _cell_attributes(cells: CellTable, pos: Array, unit: Array, stencil: Stencil) -> dict[str, Array]:
    receiver, sender = np.concatenate([cells.pairs, cells.pairs[:, ::-1]]).T
    spacing = cells.spacing
    relative = (pos[sender] - pos[receiver]) / spacing[receiver, None]
    edge_length = np.concatenate([cells.edge_lengths, cells.edge_lengths]) / spacing[receiver]

    return {
        "pos": pos,
        "area": cells.areas,
        "length": unit,
        "edge_index": np.stack([sender, receiver]),
        "edge_attr": np.concatenate([relative, edge_length[:, None]], axis=1),
        "neighbours": stencil.neighbours,
        "mean": stencil.mean,
        "gradient": stencil.gradient * unit[:, None, None],
        "boundary": cells.boundary / unit[:, None],
    }


def _token_attributes(cells: CellTable, pos: Array, unit: Array, order: CellOrder) -> dict[str, Array]:
    n_tokens = order.n_slots // TOKEN_CELLS
    token = order.token
    area = np.bincount(token, cells.areas, minlength=n_tokens)
    count = np.bincount(token, minlength=n_tokens)
    valid = count > 0

    weight = cells.areas / np.where(valid, area, 1.0)[token]
    centre = np.stack([np.bincount(token, weight * pos[:, axis], minlength=n_tokens) for axis in (0, 1)], axis=-1)
    # Twice the root mean square of the unit of its cells, so that a token with fewer than four cells keeps its length.
    mean_square = np.bincount(token, unit**2, minlength=n_tokens) / np.maximum(count, 1)
    length = np.where(valid, 2 * np.sqrt(mean_square), 1.0)

    slot_weight = np.zeros(order.n_slots)
    slot_weight[order.slot] = weight
    slot_offset = np.zeros((order.n_slots, 2))
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


def _cluster_attributes(tokens: dict[str, Array], halo: Halo, cluster_tokens: int, radius: float) -> dict[str, Array]:
    """Positions relative to each cluster, which are small numbers, as low precision needs them."""
    real = tokens["token_valid"].reshape(-1, cluster_tokens)
    position = tokens["token_pos"].reshape(-1, cluster_tokens, 2)
    centre = (position * real[..., None]).sum(axis=1) / real.sum(axis=1)[:, None]
    reach = radius * np.where(real, tokens["token_length"].reshape(real.shape), 0).max(axis=1)

    query_pos = (position - centre[:, None]) / reach[:, None, None]
    key_pos = (tokens["token_pos"][halo.keys] - centre[:, None]) / reach[:, None, None]
    key_area = np.where(halo.valid, tokens["token_area"][halo.keys], 1.0)
    log_area = np.log(key_area / reach[:, None] ** 2)

    return {
        "cluster_length": reach,
        "query_pos": np.where(real[..., None], query_pos, 0.0),
        "key_pos": np.where(halo.valid[..., None], key_pos, 0.0),
        "key_log_area": np.where(halo.valid, log_area, PADDED_LOG_AREA),
    }


def _tensor(value: Array) -> Tensor:
    """Tensor of an array; numbers with a fraction in single precision."""
    tensor = torch.from_numpy(np.ascontiguousarray(value))
    return tensor.float() if tensor.is_floating_point() else tensor

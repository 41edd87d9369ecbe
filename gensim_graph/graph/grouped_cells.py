"""The cells of a coarsening level with their graph, kept on disk for large meshes.

Training draws samples from several levels and several groupings of the same mesh, in several processes. Each process
reads the same file, so that they share its memory.
"""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import sparse

from gensim_graph.graph.cache import SMALLEST, cached_tensors
from gensim_graph.graph.graph_builder import coarse_cells, graph_of_cells
from gensim_graph.graph.mesh_graph import MeshGraph
from gensim_graph.mesh import Mesh
from gensim_graph.typing import Path, Tensor

_VERSION = 1
"""Raise this number when the preparation changes: files of another version are then not found."""

_MATRIX = ("data", "indices", "indptr")


@dataclass(frozen=True)
class CellGroups:
    """Cells of a coarsening level.

    Attributes:
        graph: graph of the cells.
        restriction: (cells, F) matrix that averages over the faces of each cell; None on level 0.
    """

    graph: MeshGraph
    restriction: sparse.csr_array | None


def cell_groups(mesh: Mesh, level: int, angle: float = 0.0, folder: Path | None = None) -> CellGroups:
    """Return the cells of a coarsening level with their graph, from the cache if the mesh is large.

    Args:
        mesh: the mesh.
        level: coarsening level, 0 or more.
        angle: angle by which the axes of the grouping are turned (radians, counter-clockwise).
        folder: folder of the cache; None for the cache of the user.

    Raises:
        InputError: a negative level.
    """
    if mesh.n_faces < SMALLEST:
        return _from_tensors(_build(mesh, level, angle), mesh.n_faces)

    text = json.dumps([_VERSION, mesh.hash, level, angle])
    name = f"cells_{hashlib.sha256(text.encode()).hexdigest()}.safetensors"

    tensors = cached_tensors(name, lambda: _build(mesh, level, angle), folder, shared=True)

    return _from_tensors(tensors, mesh.n_faces)


def _build(mesh: Mesh, level: int, angle: float) -> dict[str, Tensor]:
    cells, restriction = coarse_cells(mesh, level, angle)
    graph = graph_of_cells(cells, angle=angle).to_dict()
    tensors = {name: value.contiguous() for name, value in graph.items()}
    if level == 0:
        return tensors

    return tensors | {f"restriction_{name}": torch.from_numpy(getattr(restriction, name)) for name in _MATRIX}


def _from_tensors(tensors: dict[str, Any], n_faces: int) -> CellGroups:
    matrix = [tensors.pop(f"restriction_{name}", None) for name in _MATRIX]
    graph = MeshGraph(**tensors)
    if matrix[0] is None:
        return CellGroups(graph, None)

    data, indices, indptr = (np.asarray(column) for column in matrix)
    return CellGroups(graph, sparse.csr_array((data, indices, indptr), shape=(graph.n_cells, n_faces)))

"""The part of a mesh on which a sample lives: the transport on its cells, and its rim.

A sample of a large mesh sees nothing beyond its rim. In one step, the surroundings of the core are wide enough for that
(:mod:`gensim_graph.graph.subgraph`); in several steps, the lack would reach the core. The cells near the rim therefore
take the true state after each step, as the boundary zone of a limited-area model does (Davies 1976).
"""

from typing import NamedTuple

import numpy as np
import torch

from gensim_graph.data.normalise import Normaliser
from gensim_graph.mesh import Mesh, cut_out
from gensim_graph.transport import StateTransport, plan_state_transport
from gensim_graph.typing import Array, Bool, Tensor
from gensim_graph.units import SECONDS_PER_HOUR

_RIM = 6
"""Cells from the rim to the free interior: about the reach of the attention of a cell on the coarsest side."""


class RolloutWindow(NamedTuple):
    """What all samples on the same cells share.

    Attributes:
        transport: of the state on the cells; None for a model that has learned it.
        is_held: (n,) True for cells near the rim.
    """

    transport: StateTransport | None
    is_held: Bool[Tensor, " face"]


def rollout_window(mesh: Mesh, cells: Array, normaliser: Normaliser) -> RolloutWindow:
    """Prepare the part of a mesh that a sample consists of.

    Args:
        mesh: the whole mesh.
        cells: (n,) numbers of its cells.
        normaliser: variables, and those that are transported.
    """
    is_whole = len(cells) == mesh.n_faces
    part = mesh if is_whole else cut_out(mesh, cells)
    statistics, transport = normaliser.statistics, None

    if statistics.transported:
        seconds = statistics.lead_hours * SECONDS_PER_HOUR
        transport = plan_state_transport(part, normaliser.table.state, statistics.transported, seconds)

    held = np.zeros(len(cells), dtype=bool) if is_whole else _near(part, _cut_cells(mesh, cells))
    return RolloutWindow(transport, torch.from_numpy(held))


def _cut_cells(mesh: Mesh, cells: Array) -> Array:
    """(n,) True for cells with a neighbour outside the part."""
    inside = np.zeros(mesh.n_faces, dtype=bool)
    inside[cells] = True
    left, right = mesh.adjacency.faces.T
    cut = np.zeros(mesh.n_faces, dtype=bool)
    cut[left[~inside[right]]] = True
    cut[right[~inside[left]]] = True

    return cut[cells]


def _near(part: Mesh, begin: Array) -> Array:
    """(n,) True for the cells at the begin and those less than ``_RIM`` neighbours away from them."""
    left, right = part.adjacency.faces.T
    near = begin.copy()
    for _ in range(_RIM - 1):
        reached = near.copy()
        reached[left[near[right]]] = True
        reached[right[near[left]]] = True
        near = reached

    return near

"""Localisation: the weights of observations fall with their distance from a cell, and end at a radius."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.spatial import cKDTree

from gensim_graph.typing import Array, Float, Int, Tensor

_CELLS_AT_ONCE = 4096  # cells whose lists of observations are made together


def gaspari_cohn(distance: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Weight that falls smoothly from 1 at the distance 0 to 0 at the distance 1.

    Fifth-order piecewise rational function, close to a Gaussian with the standard deviation 0.27 (Gaspari and Cohn
    1999, eq. 4.10, doi:10.1002/qj.49712555417), with r = 2 distance.

    Args:
        distance: from 0 on, in units of the radius.

    Example:
        >>> import torch
        >>> from gensim_graph.assimilate.taper import gaspari_cohn
        >>> [round(float(one), 3) for one in gaspari_cohn(torch.tensor([0.0, 0.25, 0.5, 1.0, 2.0]))]
        [1.0, 0.685, 0.208, 0.0, 0.0]
    """
    r = 2.0 * distance
    near = 1.0 - 5.0 / 3.0 * r**2 + 5.0 / 8.0 * r**3 + 0.5 * r**4 - 0.25 * r**5

    safe = r.clamp(1.0, 2.0)
    series = 4.0 - 5.0 * safe + 5.0 / 3.0 * safe**2 + 5.0 / 8.0 * safe**3 - 0.5 * safe**4 + safe**5 / 12.0
    far = (series - 2.0 / (3.0 * safe)).clamp(min=0.0)

    return torch.where(r <= 1.0, near, torch.where(r < 2.0, far, 0.0))


@dataclass(frozen=True)
class LocalObservations:
    """Observations near some cells.

    Attributes:
        cells: numbers of the cells.
        index: numbers of the observations near each of them, filled up with 0.
        distance: m; infinite where the list is filled up.
    """

    cells: Int[Tensor, " cell"]
    index: Int[Tensor, "cell near"]
    distance: Float[Tensor, "cell near"]


def local_observations(centres: Array, positions: Array, radius: float, most: int) -> Iterator[LocalObservations]:
    """Find the observations within a radius of each cell, for groups of cells with about as many of them.

    Cells without observations nearby are in no group.

    Args:
        centres: (F, 2) m, of the cells.
        positions: (P, 2) m, of the observations.
        radius: m, may be infinite.
        most: largest number of pairs of a cell and an observation in a group of several cells.
    """
    tree = cKDTree(positions)
    extent = np.ptp(np.concatenate([centres, positions]), axis=0)
    reach = min(radius, 2.0 * float(np.hypot(*extent)) + 1.0)
    counts = tree.query_ball_point(centres, reach, return_length=True)
    order = np.argsort(counts, kind="stable")
    order = order[counts[order] > 0]

    while len(order):
        longest = np.cumsum(np.ones(len(order), dtype=np.int64)) * counts[order]
        size = min(max(int(np.searchsorted(longest, most, side="right")), 1), _CELLS_AT_ONCE)
        cells, order = order[:size], order[size:]
        yield _near(tree, centres, positions, cells, reach, int(counts[cells].max()))


def _near(tree: cKDTree, centres: Array, positions: Array, cells: Array, reach: float, width: int) -> LocalObservations:
    index = np.zeros((len(cells), width), dtype=np.int64)
    filled = np.zeros((len(cells), width), dtype=bool)
    for row, found in enumerate(tree.query_ball_point(centres[cells], reach, return_sorted=True)):
        index[row, : len(found)] = found
        filled[row, : len(found)] = True

    distance = np.linalg.norm(positions[index] - centres[cells][:, None], axis=-1)
    distance = np.where(filled, distance, np.inf)

    return LocalObservations(*(torch.from_numpy(part) for part in (cells, index, distance)))

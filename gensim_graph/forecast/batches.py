"""Work units: the members of a forecast in batches, shared between the processes.

The words member, start, work unit and rank are explained in :mod:`gensim_graph.forecast`.
"""

from dataclasses import dataclass

import torch

from gensim_graph.forecast.ranks import Ranks
from gensim_graph.nn import OperatorConfig
from gensim_graph.system import free_memory

_CELLS_OF_BUSY_DEVICE = {"cpu": 2**18, "cuda": 2**21}
"""Cells of all members of a batch; with more of them, the time per cell does not decrease any more."""

_MEMORY_SHARE = 0.5
"""Share of the free memory for a batch: the estimate is rough, and other programs need memory too."""


@dataclass(frozen=True)
class WorkUnit:
    """Members of one start that are computed together.

    Attributes:
        start: number of the start.
        members: numbers of the members.
    """

    start: int
    members: range

    @property
    def name(self) -> str:
        """Name of its restart file, without the suffix."""
        return f"{self.start}-{self.members.start}"


def split_units(starts: int, members: int, batch: int) -> list[WorkUnit]:
    """Split a forecast into its work units, start by start.

    Args:
        starts: number of starts.
        members: number of members of each start.
        batch: number of members of a work unit; the last one of a start may have fewer.
    """
    return [
        WorkUnit(start, range(first, min(first + batch, members)))
        for start in range(starts)
        for first in range(0, members, batch)
    ]


def units_of_rank(units: list[WorkUnit], ranks: Ranks) -> list[WorkUnit]:
    """Select the work units of this process: every ``world``-th of them.

    Args:
        units: all work units of the forecast.
        ranks: this process among all processes.
    """
    return units[ranks.rank :: ranks.world]


def choose_batch(
    members: int, starts: int, cells: int, config: OperatorConfig, device: torch.device, ranks: Ranks
) -> int:
    """Choose the number of members that are computed together.

    They are enough to keep the device busy, but fit into its memory and leave work for every process. All work units of
    a start get about the same number: 20 members of which 16 would fit become two batches of 10.

    Args:
        members: number of members of each start.
        starts: number of starts.
        cells: number of cells of the mesh.
        config: size of the network.
        device: device of the computation.
        ranks: this process among all processes.
    """
    memory = _MEMORY_SHARE * free_memory(device) / ranks.local_world
    fitting = int(memory // (cells * bytes_per_cell(config)))
    busy = _CELLS_OF_BUSY_DEVICE.get(device.type, _CELLS_OF_BUSY_DEVICE["cuda"]) // cells
    per_process = -(-members * starts // ranks.world)
    most = max(1, min(members, fitting, busy, per_process))
    batches = -(-members // most)

    return -(-members // batches)


def bytes_per_cell(config: OperatorConfig) -> int:
    """Estimate the memory of a step for each member and cell: an upper fit to ``tiny``, ``small`` and ``base``, CPU."""
    return 4 * (10 * config.cell_width + 2 * config.width)

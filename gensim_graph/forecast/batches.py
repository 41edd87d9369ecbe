"""Members in batches: computed together, written in one chunk, started again as one.

A batch of one start is the unit of work: it depends on no other, so any process can take any of them at any time.
"""

from dataclasses import dataclass

import torch

from gensim_graph.forecast.ranks import Ranks
from gensim_graph.nn import OperatorConfig
from gensim_graph.system import free_memory

_ENOUGH = {"cpu": 2**18, "cuda": 2**21}
"""Cells of a batch beyond which a device is no faster by the cell."""

_SHARE = 0.5
"""Of the free memory that batches may take: the estimate is rough, and others want some too."""


@dataclass(frozen=True)
class Unit:
    """Members of one start that are computed together.

    Attributes:
        start: number of the start.
        members: their numbers.
    """

    start: int
    members: range

    @property
    def name(self) -> str:
        """Of the file that it is started again from."""
        return f"{self.start}-{self.members.start}"


def split_units(starts: int, members: int, batch: int) -> list[Unit]:
    """All units of a forecast, start by start."""
    return [
        Unit(start, range(first, min(first + batch, members)))
        for start in range(starts)
        for first in range(0, members, batch)
    ]


def share_of(units: list[Unit], ranks: Ranks) -> list[Unit]:
    """The units of one process: every ``world``-th."""
    return units[ranks.rank :: ranks.world]


def choose_batch(
    members: int, starts: int, cells: int, config: OperatorConfig, device: torch.device, ranks: Ranks
) -> int:
    """Members computed together: enough to keep the device busy, few enough for its memory and for every process.

    They are spread evenly: 20 members of which 16 would fit become two batches of 10.
    """
    room = _SHARE * free_memory(device) / ranks.local_world
    fitting = int(room // (cells * bytes_per_cell(config)))
    busy = _ENOUGH.get(device.type, _ENOUGH["cuda"]) // cells
    each = -(-members * starts // ranks.world)
    most = max(1, min(members, fitting, busy, each))

    return -(-members // -(-members // most))


def bytes_per_cell(config: OperatorConfig) -> int:
    """Memory of a step by member and cell, rough: a fit from above to ``tiny``, ``small`` and ``base`` on a CPU."""
    return 4 * (10 * config.cell_width + 2 * config.width)

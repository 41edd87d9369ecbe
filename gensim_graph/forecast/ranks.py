"""Processes that share a forecast: torchrun starts them, and each computes some of the members.

They do not communicate with each other. A process reads its number from the environment; it sees the results of the
others in the store.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """This process among those that share the work.

    Attributes:
        rank: number of this process.
        world: number of processes.
        local_rank: number of this process on its machine; it takes the GPU of that number.
        local_world: number of processes on its machine; they share its memory.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def from_environment(cls) -> "Ranks":
        """Read RANK, WORLD_SIZE, LOCAL_RANK and LOCAL_WORLD_SIZE as torchrun sets them; one process without them."""
        rank = _read("RANK", 0)
        world = _read("WORLD_SIZE", 1)
        return cls(rank, world, _read("LOCAL_RANK", rank), _read("LOCAL_WORLD_SIZE", world))

    @property
    def is_first(self) -> bool:
        """True for the process that creates the store."""
        return self.rank == 0


def _read(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default

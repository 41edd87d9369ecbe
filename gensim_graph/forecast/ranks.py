"""Processes that share a forecast: torchrun starts them, each takes some of the members.

They never talk to each other. A process finds its number in the environment; what one has written, the others see in
the store.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Ranks:
    """This process among those that share the work.

    Attributes:
        rank: number of this one.
        world: how many there are.
        local_rank: number of this one on its machine; it takes the GPU of that number.
        local_world: how many there are on its machine; they share its memory.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @classmethod
    def from_environment(cls) -> "Ranks":
        """As torchrun tells it (RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE); alone without it."""
        rank, world = _read("RANK", 0), _read("WORLD_SIZE", 1)
        return cls(rank, world, _read("LOCAL_RANK", rank), _read("LOCAL_WORLD_SIZE", world))

    @property
    def is_first(self) -> bool:
        """Whether it does what is done once: it lays out the store."""
        return self.rank == 0


def _read(name: str, default: int) -> int:
    value = os.environ.get(name, "")
    return int(value) if value.isdigit() else default

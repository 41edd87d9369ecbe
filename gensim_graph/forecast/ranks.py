"""Processes that share a forecast: torchrun starts them, each takes some of the members.

They never talk to each other. A process finds its number in the environment; what one has written, the others see in
the store.
"""

import os
from dataclasses import dataclass

import torch

from gensim_graph.errors import InputError


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


def choose_device(name: str, ranks: Ranks) -> torch.device:
    """Device by name for this process; ``auto`` takes a GPU if there is one, each process its own.

    Raises:
        InputError: neither auto, cpu nor cuda, or no GPU.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise InputError(f"--device {name}: expected auto, cpu or cuda")
    count = torch.cuda.device_count()
    if kind == "cpu" or (kind == "auto" and not count):
        return torch.device("cpu")
    if not count:
        raise InputError(f"--device {name}: this PyTorch ({torch.__version__}) finds no GPU; take --device cpu")
    chosen = int(number) if number else ranks.local_rank % count
    if chosen >= count:
        raise InputError(f"--device {name}: there are {count} GPUs, counted from 0")
    return torch.device("cuda", chosen)

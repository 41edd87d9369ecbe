"""The processes of a distributed training: sums over all of them, and which of them speaks and writes."""

import os

import torch
from torch import distributed

from gensim_graph.typing import Tensor

_RANK_NAMES = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
"""Environment variables with the number of a process: of torchrun, of SLURM, of Lightning's own launcher."""


def is_first_process() -> bool:
    """Return True for the process of a training that writes files and talks to the user."""
    numbers = [os.environ[name] for name in _RANK_NAMES if os.environ.get(name, "").isdigit()]
    return not numbers or int(numbers[0]) == 0


def count_processes() -> int:
    """Return the number of processes that train together; 1 before they are connected."""
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


def sum_over_processes(value: Tensor) -> Tensor:
    """Return the sum of a tensor over all processes; a single process returns it as it is.

    Args:
        value: of the same shape in all processes; no gradient is passed on.
    """
    if count_processes() == 1:
        return value

    total = value.detach().clone()
    distributed.all_reduce(total)
    return total


def any_process(flag: bool, device: torch.device) -> bool:
    """Return True if the flag is set in at least one process.

    Args:
        flag: of this process.
        device: that the processes exchange tensors on.
    """
    if count_processes() == 1:
        return flag
    return bool(sum_over_processes(torch.tensor(float(flag), device=device)) > 0)

"""The processes of a distributed training: how many were started, which of them speaks and writes, sums over all."""

import os
from typing import TypeVar

import torch
from lightning.fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
from torch import distributed
from torch.distributed.tensor import DTensor

from gensim_graph.errors import InputError
from gensim_graph.typing import Tensor

_PLACE_NAMES = ("SLURM_PROCID", "NODE_RANK", "LOCAL_RANK")
"""Environment variables of srun, and of Lightning's own launcher: the first process has 0 in all that are set.

A job of SLURM that is started without srun has 0 in the first one, and the processes that Lightning starts inherit it.
"""


_Value = TypeVar("_Value")


def is_first_process() -> bool:
    """Return True for the process of a training that writes files and talks to the user."""
    if os.environ.get("RANK", "").isdigit():  # of torchrun, over all machines
        return int(os.environ["RANK"]) == 0

    places = [os.environ.get(name, "") for name in _PLACE_NAMES]
    return all(int(place) == 0 for place in places if place.isdigit())


def check_launch(devices: int, num_nodes: int) -> None:
    """Refuse a training whose settings ask for another number of processes than torchrun or srun started.

    Each of them would else train alone, in the same folder, or wait for others that never come.

    Args:
        devices: processes of each machine, ``trainer.devices``.
        num_nodes: machines, ``trainer.num_nodes``.

    Raises:
        InputError: the numbers differ; the message says which settings fit.
    """
    found = _launched()
    if found is None:
        return

    launcher, processes, machines = found
    if machines and processes % machines == 0:
        fitting = f"trainer.devices={processes // machines} trainer.num_nodes={machines}"
    else:
        fitting = "trainer.devices=(processes of each machine) trainer.num_nodes=(machines)"

    asked = f"trainer.devices={devices} and trainer.num_nodes={num_nodes} ask for {devices * num_nodes}"
    if processes != devices * num_nodes:
        raise InputError(f"{launcher} started {_in_words(processes)}, but {asked}; add {fitting}")
    if machines and machines != num_nodes:
        raise InputError(f"{launcher} started {_in_words(processes)} on {machines} machines; add {fitting}")


def _in_words(processes: int) -> str:
    return f"{processes} process{'es' if processes > 1 else ''}"


def _launched() -> tuple[str, int, int] | None:
    """Launcher, processes and machines (0 if unknown); None if this process was started by hand or by Lightning."""
    if TorchElasticEnvironment.detect():
        processes, here = (int(os.environ.get(name, 1)) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
        return "torchrun", processes, processes // here

    # A batch script of SLURM that calls the program without srun has tasks, but no step.
    if SLURMEnvironment.detect() and os.environ.get("SLURM_STEP_NUM_TASKS", "").isdigit():
        machines = os.environ.get("SLURM_STEP_NUM_NODES", "0")
        return "srun", int(os.environ["SLURM_STEP_NUM_TASKS"]), int(machines)

    return None


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


def gather_from_processes(value: _Value) -> list[_Value]:
    """Return what all processes have, by the number of the process.

    Args:
        value: of this process; tensors in it lie on the CPU.
    """
    gathered = [value] * count_processes()
    if len(gathered) > 1:
        distributed.all_gather_object(gathered, value)
    return gathered


def own_part(value: Tensor) -> Tensor:
    """Return the part of a distributed tensor that this process keeps, without gradient; others as they are.

    Args:
        value: any tensor; the result shares its memory.
    """
    value = value.detach()
    return value.to_local() if isinstance(value, DTensor) else value

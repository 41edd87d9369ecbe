"""The machine: choice of the device, free memory, and a description to record with measurements."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from gensim_graph.errors import InputError


def choose_device(name: str, local_rank: int = 0) -> torch.device:
    """Return the device of this process.

    Args:
        name: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:NUMBER``.
        local_rank: number of this process on its machine. Without a number in ``name``, processes use different GPUs.

    Raises:
        InputError: the name is unknown, there is no GPU, or no GPU of that number.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise InputError(f"--device {name}: expected auto, cpu or cuda")

    count = torch.cuda.device_count()
    if kind == "cpu" or (kind == "auto" and not count):
        return torch.device("cpu")

    if not count:
        raise InputError(f"--device {name}: this PyTorch ({torch.__version__}) finds no GPU; take --device cpu")

    chosen = int(number) if number else local_rank % count
    if chosen >= count:
        raise InputError(f"--device {name}: there are {count} GPUs, counted from 0")

    return torch.device("cuda", chosen)


def precision(device: torch.device) -> torch.dtype:
    """Return the precision of matrix products: float32 on a CPU, bfloat16 on a GPU."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return processor, cores, threads, memory, versions and device, to record with measurements."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"

    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "usable_cores": usable,
        "threads": torch.get_num_threads(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "device": name,
        "precision": str(precision(device)).removeprefix("torch."),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def free_memory(device: torch.device) -> int:
    """Return the bytes that this process may still use; on a CPU within the limits of a container or a job."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])

    return min(_available(), _allowed())


def _available() -> int:
    rows = _table(Path("/proc/meminfo"))
    if "MemAvailable" in rows:
        return 1024 * int(rows["MemAvailable"].split()[0])
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)  # outside Linux: half of the memory


def _allowed() -> int:
    """Bytes left in the control group of this process; 2^63 if there is no limit."""
    folder = Path("/sys/fs/cgroup")
    version_2 = ("memory.max", "memory.current")
    version_1 = ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")

    for limit, used in (version_2, version_1):
        try:
            return int((folder / limit).read_text()) - int((folder / used).read_text())
        except (OSError, ValueError):  # no such group, or no limit
            continue

    return 2**63


def _processor() -> str:
    return _table(Path("/proc/cpuinfo")).get("model name") or platform.processor() or platform.machine()


def _table(file: Path) -> dict[str, str]:
    """Read lines ``name: value`` of a kernel file; of lines with the same name, the first."""
    rows: dict[str, str] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        name, _, value = line.partition(":")
        rows.setdefault(name.strip(), value.strip())
    return rows

"""The machine that figures were measured on."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from gensim_graph.errors import InputError


def choose_device(name: str) -> torch.device:
    """Device by name; ``auto`` takes a GPU if there is one.

    Raises:
        InputError: neither auto, cpu nor cuda, or no GPU.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.split(":")[0] not in ("cpu", "cuda"):
        raise InputError(f"--device {name}: expected auto, cpu or cuda")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"--device {name}: this PyTorch ({torch.__version__}) finds no GPU; take --device cpu")
    return torch.device(name)


def precision(device: torch.device) -> torch.dtype:
    """What the products are computed in: single precision on a CPU, bfloat16 on a GPU."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Processor, cores, threads, memory, versions and device, for the record."""
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
    """Bytes that a process may still take."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    rows = _table(Path("/proc/meminfo"))
    if "MemAvailable" in rows:
        return 1024 * int(rows["MemAvailable"].split()[0])
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)


def _processor() -> str:
    return _table(Path("/proc/cpuinfo")).get("model name") or platform.processor() or platform.machine()


def _table(file: Path) -> dict[str, str]:
    """Lines ``name: value`` of a file of the kernel; the first of each name."""
    rows: dict[str, str] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        name, _, value = line.partition(":")
        rows.setdefault(name.strip(), value.strip())
    return rows

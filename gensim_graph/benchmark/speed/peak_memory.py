"""Measure the peak memory of one run in a process of its own.

A process that has already computed something keeps memory that it no longer needs, and a child process inherits the
peak that ``getrusage`` reports from its parent. Therefore each number comes from a fresh process, which resets the
kernel's record of its peak (VmHWM) directly before the run.
"""

import ctypes
import gc
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from gensim_graph.benchmark.speed.measure import TimedCall

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_of(run: TimedCall, device: torch.device) -> int:
    """Peak memory of a run in bytes, beyond what was allocated before.

    Args:
        run: function to measure.
        device: a GPU counts its own memory, a CPU that of the process.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        run()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before

    gc.collect()
    _give_back()
    before = _resident()
    run()

    return _highest() - before


def in_fresh_process(command: Sequence[str]) -> int | None:
    """Run a Python command that prints a number of bytes, and return this number.

    Args:
        command: arguments of the Python interpreter.

    Returns:
        The number; None if the machine has too little memory for the command.

    Raises:
        RuntimeError: the command failed for another reason.
    """
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return int(done.stdout.split()[-1])
    if done.returncode in (-9, 137) or "out of memory" in done.stderr or "can't allocate memory" in done.stderr:
        return None

    raise RuntimeError(f"measuring memory failed: {' '.join(command)}\n{done.stderr}")


def peak_in_fresh_process(**job: object) -> int | None:
    """Peak memory in bytes of one contestant of a suite; None if the machine has too little memory.

    Args:
        **job: arguments of :func:`~gensim_graph.benchmark.speed.probe.probe`.
    """
    return in_fresh_process(("-m", "gensim_graph.benchmark.speed.probe", json.dumps(job)))


def _give_back() -> None:
    """Make the C library return freed memory; memory that it reuses would not be counted."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # only in the GNU C library
        if trim is not None:
            trim(0)


def _resident() -> int:
    """Return the resident memory in bytes, and restart the recording of its peak."""
    if not _STATUS.exists():
        return _highest()
    _CLEAR.write_text("5")
    return _status("VmRSS")


def _highest() -> int:
    """Return the peak of the resident memory in bytes."""
    if _STATUS.exists():
        return _status("VmHWM")

    import resource  # does not exist on all systems

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(name: str) -> int:
    """Return an entry of the process status in bytes; the kernel gives KiB."""
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])

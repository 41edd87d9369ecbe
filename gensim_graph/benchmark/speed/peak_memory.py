"""Peak memory of one run, in a process of its own.

A process that has computed anything before keeps memory it no longer needs, and a child inherits the high-water mark
that ``getrusage`` reports from its parent. So each figure comes from a fresh process, which clears the mark of the
kernel (VmHWM) right before the run.
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
    """Bytes that a run takes at its peak, beyond what was there before."""
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
    """Bytes that a Python command prints; None if it needs more memory than there is.

    Raises:
        RuntimeError: it failed in another way.
    """
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return int(done.stdout.split()[-1])
    if done.returncode in (-9, 137) or "out of memory" in done.stderr or "can't allocate memory" in done.stderr:
        return None

    raise RuntimeError(f"measuring memory failed: {' '.join(command)}\n{done.stderr}")


def peak_in_fresh_process(**job: object) -> int | None:
    """Peak of one contestant of a suite; arguments as of :func:`~gensim_graph.benchmark.speed.probe.probe`."""
    return in_fresh_process(("-m", "gensim_graph.benchmark.speed.probe", json.dumps(job)))


def _give_back() -> None:
    """Let the C library return freed memory, so that its reuse is not mistaken for needing none."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU library's alone
        if trim is not None:
            trim(0)


def _resident() -> int:
    """What is resident now; the high-water mark starts from here."""
    if not _STATUS.exists():
        return _highest()
    _CLEAR.write_text("5")
    return _status("VmRSS")


def _highest() -> int:
    if _STATUS.exists():
        return _status("VmHWM")
    import resource  # not everywhere

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _status(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])

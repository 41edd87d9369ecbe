"""Kernels of an evaluation: which ones take how long, and how to start all of them at once."""

from typing import Any

import torch
from shared import show_progress
from torch.profiler import ProfilerActivity, profile

from gensim_graph.benchmark.speed import TimedCall
from gensim_graph.system.replay import GraphRecorder
from gensim_graph.typing import Tensor


def kernels_of(run: TimedCall, device: torch.device, shown: int = 12) -> dict[str, Any]:
    """Number of kernels of an evaluation, their time together, and the ones that take longest; they are printed, too.

    Args:
        run: the evaluation.
        device: where it runs.
        shown: number of kinds of kernels.
    """
    run()
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as seen:
        run()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    key = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    rows = sorted(seen.key_averages(), key=lambda row: getattr(row, key), reverse=True)
    total = 1e-6 * sum(getattr(row, key) for row in rows)
    longest = [
        {"kernel": row.key[:80], "calls": row.count, "seconds": 1e-6 * getattr(row, key)} for row in rows[:shown]
    ]
    for row in longest:
        show_progress(f"  {1e3 * row['seconds']:9.3f} ms {row['calls']:5d} x {row['kernel']}")

    return {"busy_seconds": total, "kernels": sum(row.count for row in rows), "longest": longest}


def recording(run: TimedCall) -> TimedCall:
    """Return a replay of the kernels of a call, a CUDA graph.

    Args:
        run: the call, on a GPU.
    """

    def work() -> Tensor:
        run()
        return torch.zeros((), device="cuda")

    recorder = GraphRecorder()
    recorder.prepare(work)
    return recorder.record(work)[0]

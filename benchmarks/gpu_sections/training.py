"""Section ``training``: optimisation steps on the built-in data, as a training takes them.

A step is that of :class:`~gensim_graph.train.training_module.TrainingModule`, with clipping, AdamW and the average of
the weights; on a GPU products are computed in bfloat16. The time of ``next(loader)`` is the time that the GPU waits:
each step ends when its gradient is known to be finite, so that little work is left on the device.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

import torch
from torch import nn

from gensim_graph.benchmark.speed import peak_of
from gensim_graph.config import compose_config
from gensim_graph.data import TrainingBatch, TrainingSamples
from gensim_graph.train import TrainingPlan, plan_training
from gensim_graph.train.batch_loader import BatchLoader, spare_cores
from gensim_graph.train.training_module import TrainingModule
from gpu_sections.record import Record

_WARM_UP, _STEPS, _SECONDS = 4, 40, 6.0
"""Steps that are not counted; steps that are, unless they take longer than these seconds."""


def measure(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Samples a second of several networks, plain and compiled.

    Args:
        record: gets the results.
        device: where the network is trained.
        options: the command line.
    """
    presets, batch = (("tiny",), 1) if options.quick else (("small", "medium", "base"), 32)
    for way, preset in itertools.product(("plain", "compiled"), presets):
        overrides = [f"data.batch={batch}", f"trainer.compile={str(way == 'compiled').lower()}"]
        record.measure(f"{preset}, {way}", lambda p=preset, o=overrides: train(p, o, device, options.quick))


def train(preset: str, overrides: list[str], device: torch.device, quick: bool) -> dict[str, Any]:
    """Train for some steps, and return samples a second, the share of waiting for data, and the peak memory.

    Args:
        preset: size of the network.
        overrides: of the configuration.
        device: where it is trained.
        quick: take only three steps.
    """
    plan = plan_training(config=compose_config(preset, overrides))
    batches, workers = load_batches(plan, device)
    trainer = _Steps(plan, device)

    start = time.perf_counter()
    trainer.take(next(batches))
    first = time.perf_counter() - start
    for batch in itertools.islice(batches, 1 if quick else _WARM_UP - 1):
        trainer.take(batch)

    waits: list[float] = []
    totals: list[float] = []
    cells: list[int] = []
    while len(totals) < (3 if quick else _STEPS) and sum(totals) < _SECONDS:
        start = time.perf_counter()
        batch = next(batches)
        waits.append(time.perf_counter() - start)
        trainer.take(batch)
        totals.append(time.perf_counter() - start)
        cells.append(batch.graph.n_cells)

    samples = plan.config.data.batch
    speed = {"samples_a_second": samples * len(totals) / sum(totals), "waiting_share": sum(waits) / sum(totals)}
    size = {"samples_a_step": samples, "cells_a_sample": sum(cells) / len(cells) / samples, "workers": workers}
    peak = peak_of(lambda: trainer.take(batch), device)
    times = {"median_step_seconds": median(totals), "median_wait_seconds": median(waits), "first_step_seconds": first}

    return speed | times | {"peak_bytes": peak, "steps": len(totals), "loss": trainer.loss} | size


def load_batches(plan: TrainingPlan, device: torch.device) -> tuple[Iterator[TrainingBatch], int]:
    """Return the batches of a training and the number of its workers, as ``gensim_graph.train`` makes them.

    Args:
        plan: data and configuration.
        device: batches for a GPU are pinned.
    """
    sampling, trainer = plan.config.data, plan.config.trainer
    samples = TrainingSamples(plan.data, plan.normaliser, sampling, trainer.seed, 10_000 * sampling.batch)
    workers = samples.default_workers(spare_cores())
    loader = BatchLoader(samples, sampling.batch, workers=workers, pinned=device.type == "cuda")

    return iter(loader), workers


class _Steps:
    """Optimisation steps without Lightning's loop.

    Args:
        plan: data and configuration.
        device: where the network is trained.
    """

    def __init__(self, plan: TrainingPlan, device: torch.device) -> None:
        self.device, self.loss = device, float("nan")
        self.module = TrainingModule(plan.operator(), plan.config.trainer).to(device)
        self.module.log = lambda *_, **__: None  # Lightning's loop would keep it
        self.optimizer = self.module.configure_optimizers()[0][0]

    def take(self, batch: TrainingBatch) -> None:
        """Take one step."""
        batch = TrainingBatch._make(part.to(self.device, non_blocking=True) for part in batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.module.training_step(batch, 0)
        loss.backward()

        norm = nn.utils.clip_grad_norm_(self.module.operator.parameters(), self.module.config.clip)
        if not torch.isfinite(norm):
            raise FloatingPointError(f"the norm of the gradient is {float(norm)}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.module.average.update_parameters(self.module.operator)
        self.loss = float(loss.detach())

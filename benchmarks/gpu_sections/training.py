"""Section ``training``: optimisation steps on the built-in data, or without netCDF4 on made-up ones.

A step is that of :class:`~gensim_graph.train.training_module.TrainingModule`, with clipping, AdamW and the average of
the weights; on a GPU products are computed in bfloat16. The share of waiting is that of the time in which the device
has nothing to do because the next batch is not there (:class:`~gensim_graph.train.loop.WaitingTime`).
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import nn

from gensim_graph.benchmark.speed import peak_of
from gensim_graph.config import RunConfig, TrainerConfig
from gensim_graph.data import SamplingConfig, TrainingBatch, TrainingSamples
from gensim_graph.data.on_device import DeviceAssembly, belongs_on_device
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.nn import PRESETS, is_compiled_on
from gensim_graph.train import TrainingPlan, plan_training
from gensim_graph.train.batch_loader import BatchLoader, BatchPadding, spare_cores
from gensim_graph.train.loop import WaitingTime
from gensim_graph.train.training_module import TrainingModule
from gpu_sections import ABSENT
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
    plan = plan_training(data=training_data(), config=RunConfig(data=SamplingConfig(batch=batch)))
    for preset, way in itertools.product(presets, ("plain", "compiled")):
        record.measure(f"{preset}, {way}", lambda p=preset, w=way: train(plan, p, w, device, options.quick))


def train(plan: TrainingPlan, preset: str, way: str, device: torch.device, quick: bool) -> dict[str, Any]:
    """Train for some steps, and return samples a second, the share of waiting for data, and the peak memory.

    Args:
        plan: data.
        preset: size of the network.
        way: ``plain`` or ``compiled``.
        device: where it is trained.
        quick: take only three steps.
    """
    compiled = TrainerConfig(compile=way == "compiled")
    plan = replace(plan, config=RunConfig(PRESETS[preset], plan.config.data, compiled))
    waiting = WaitingTime(device)
    batches, workers = load_batches(plan, device, waiting)
    trainer = _Steps(plan, device)

    start = time.perf_counter()
    trainer.take(next(batches))
    first = trainer.finished() - start
    for batch in itertools.islice(batches, 1 if quick else _WARM_UP - 1):
        trainer.take(batch)

    start, steps, cells = trainer.finished(), 0, 0
    waiting.take()  # forget the waiting before
    while steps < (3 if quick else _STEPS) and time.perf_counter() - start < _SECONDS:
        batch = next(batches)
        trainer.take(batch)
        steps, cells = steps + 1, cells + batch.graph.n_cells
    seconds = trainer.finished() - start

    samples = plan.config.data.batch
    speed = {"samples_a_second": samples * steps / seconds, "waiting_share": waiting.take() / seconds}
    size = {"samples_a_step": samples, "cells_a_sample": cells / steps / samples, "workers": workers}
    peak = peak_of(lambda: trainer.take(batch), device)
    times = {"step_seconds": seconds / steps, "first_step_seconds": first}

    return speed | times | {"peak_bytes": peak, "steps": steps, "loss": trainer.loss} | size


def training_data() -> xr.Dataset | None:
    """Return None for the built-in data; without a package that reads them, smooth fields on as many cells."""
    if "netCDF4" not in ABSENT:
        return None

    axis = (np.arange(51) + 0.5) * 10e3
    mesh = Mesh.from_grid(axis, axis)
    times = np.datetime64("2000-01-01T00", "ns") + np.arange(40) * np.timedelta64(3, "h")
    x, y = mesh.centres.T / 512e3
    phase = 0.4 * np.arange(len(times))[:, None]
    fields = {
        "sit": (2 + np.sin(5 * x + 3 * y + phase), "m"),
        "sic": (np.clip(0.5 + 0.8 * np.cos(4 * y + phase), 0, 1), "1"),
        "sid": (np.clip(0.7 * np.sin(9 * x - phase), 0, 1), "1"),
        "siu": (0.2 * np.cos(4 * x - phase), "m s-1"),
        "siv": (0.3 * np.sin(4 * y + phase), "m s-1"),
        "uas": (9 * np.cos(3 * x - phase), "m s-1"),
        "vas": (9 * np.sin(3 * y + phase), "m s-1"),
    }
    columns = {
        name: (("time", "face"), values.astype(np.float32), {"units": unit}) for name, (values, unit) in fields.items()
    }
    return mesh_to_dataset(mesh).assign_coords(time=times).assign(columns)


def load_batches(plan: TrainingPlan, device: torch.device, waiting: WaitingTime) -> tuple[Iterator[TrainingBatch], int]:
    """Return the batches of a training and the number of its workers, as ``gensim_graph.train`` makes them.

    Args:
        plan: data and configuration.
        device: batches for a GPU are pinned, and made on it if it has room for the data.
        waiting: clock that runs while a batch is waited for.
    """
    sampling, trainer = plan.config.data, plan.config.trainer
    samples = TrainingSamples(plan.data, plan.normaliser, sampling, trainer.seed, 10_000 * sampling.batch)
    workers = samples.default_workers(spare_cores(), device.type == "cuda")
    is_kept = belongs_on_device(str(sampling.on_device), plan.data, plan.normaliser.table, device)
    assembly = DeviceAssembly(samples, device) if is_kept else None
    pinned = device.type == "cuda"
    padding = None
    if is_compiled_on(str(trainer.compile), device):
        padding = BatchPadding.of_run(samples, sampling.batch, range(sampling.batch), with_lists=pinned)
    loader = BatchLoader(
        samples,
        sampling.batch,
        workers=workers,
        pinned=pinned,
        padding=padding,
        assembly=assembly,
        waiting=waiting,
    )

    return iter(loader), workers


class _Steps:
    """Optimisation steps without Lightning's loop; the processor does not wait for the device.

    Args:
        plan: data and configuration.
        device: where the network is trained.
    """

    def __init__(self, plan: TrainingPlan, device: torch.device) -> None:
        self.device, self.norm, self.last = device, torch.tensor(0.0), torch.tensor(0.0)
        self.module = TrainingModule(plan.operator(), plan.config.trainer).to(device)
        self.module.log = self.module._remember = lambda *_, **__: None  # Lightning's loop would keep them
        self.optimizer = self.module.configure_optimizers()[0][0]

    def take(self, batch: TrainingBatch) -> None:
        """Take one step."""
        batch = TrainingBatch._make(part.to(self.device, non_blocking=True) for part in batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.module.training_step(batch, 0)
        loss.backward()

        self.norm = nn.utils.clip_grad_norm_(self.module.operator.parameters(), self.module.config.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.module.average.update_parameters(self.module.operator)
        self.last = loss.detach()

    def finished(self) -> float:
        """Return the time at which all steps are done, s.

        Raises:
            FloatingPointError: the last gradient is not finite.
        """
        if not torch.isfinite(self.norm):
            raise FloatingPointError(f"the norm of the gradient is {float(self.norm)}")
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter()

    @property
    def loss(self) -> float:
        """Loss of the last step."""
        return float(self.last)

"""Batches of a training, made by worker processes beside it.

Every process of a distributed training makes its own part of each batch. Which samples are in a batch follows from the
number of the step alone, so neither the number of workers nor that of the processes changes the training.

Subgraphs differ in their numbers of cells and edges, so every batch has other shapes. A compiler makes the fastest code
for fixed shapes, and a GPU repeats a recorded step only with the same shapes. A compiled training therefore pads its
batches: the sizes follow from the first samples of the run, and how far a batch is padded depends on this batch alone.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch.utils.data import DataLoader, Dataset

from gensim_graph.data import TrainingBatch, TrainingSamples, collate, pad_batch
from gensim_graph.data.on_device import DeviceAssembly, DrawnBatch, DrawnSamples, collate_drawn
from gensim_graph.data.rollouts import RolloutBatch, RolloutSamples, collate_rollouts, pad_rollout
from gensim_graph.errors import InputError
from gensim_graph.graph import CLUSTER_TOKENS, GraphSizes
from gensim_graph.nn import with_readers
from gensim_graph.train.loop import WaitingTime

_BATCHES_AHEAD = 4
"""Batches that each worker makes in advance."""

Samples = TrainingSamples | RolloutSamples
"""Samples of a run."""

_Batch = TypeVar("_Batch", TrainingBatch, DrawnBatch, RolloutBatch)

_MEASURED_SAMPLES = 512
"""Samples from which the sizes of padded batches follow; they take a second to draw."""


@dataclass(frozen=True)
class Share:
    """The part of every batch that one process of a distributed training makes.

    Attributes:
        rank: number of the process.
        world: number of processes.
    """

    rank: int = 0
    world: int = 1

    def of(self, batch: int) -> range:
        """Return the numbers within a batch of the samples of this process.

        Raises:
            InputError: the processes cannot have equal parts of the batch.
        """
        if batch % self.world:
            raise InputError(
                f"data.batch={batch} cannot be shared equally by {self.world} processes; choose a multiple of "
                f"{self.world}"
            )
        size = batch // self.world
        return range(self.rank * size, (self.rank + 1) * size)


def spare_cores() -> int:
    """Return the number of cores of this machine that the training itself leaves: all but one."""
    return len(os.sched_getaffinity(0)) - 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) - 1


@dataclass(frozen=True)
class BatchPadding:
    """Pads the batches of one run, with cells that have weight 0 in the loss and are not seen by any other cell.

    Attributes:
        sizes: of nearly all batches; a batch that does not fit is padded to larger ones.
        readers: length of the lists of queries that see a cluster, for the attention on a GPU; None for no lists.
    """

    sizes: GraphSizes
    readers: int | None = None

    @classmethod
    def of_run(cls, samples: Samples, batch: int, share: Sequence[int], with_lists: bool = False) -> "BatchPadding":
        """Choose the sizes from the first batches, of which the graphs alone are made, even if the run is shorter.

        Args:
            samples: all samples of the run.
            batch: samples in a batch, of all processes together.
            share: numbers within a batch of the samples of this process.
            with_lists: list the queries that see a cluster, too.
        """
        unions = []
        measured = -(-_MEASURED_SAMPLES // len(share)) * batch

        for first in range(0, measured, batch):
            graphs = [samples.graph(first + number) for number in share]
            unions.append(GraphSizes.of_union([GraphSizes.of(graph) for graph in graphs]))

        longest = samples.config.clusters * CLUSTER_TOKENS if with_lists else None
        return cls(GraphSizes.covering(unions), longest)

    def __call__(self, batch: _Batch) -> _Batch:
        """Pad a batch; what has been added has no influence on the loss.

        Args:
            batch: of a drawn batch, only the graph is padded; :class:`~gensim_graph.data.on_device.DeviceAssembly`
                pads the fields.
        """
        sizes = self.sizes.holding(batch.graph)
        padded = _padded(batch, sizes)
        if self.readers is None:
            return padded
        return padded._replace(graph=with_readers(padded.graph, self.readers))


def _padded(batch: _Batch, sizes: GraphSizes) -> _Batch:
    """Return a batch of any kind with padding up to given sizes."""
    if isinstance(batch, DrawnBatch):
        return batch.padded(sizes)
    return pad_rollout(batch, sizes) if isinstance(batch, RolloutBatch) else pad_batch(batch, sizes)


class BatchLoader:
    """Batches of a run from one step on, always in the same order.

    Args:
        samples: all samples of the run.
        batch: samples in a batch, of all processes together.
        first_step: number of steps that are done.
        share: part of each batch that this process makes.
        workers: worker processes; 0 makes the samples in the process of the training.
        pinned: copy the batches into memory that a GPU reads directly.
        padding: brings the batches to equal sizes; None leaves them as they are.
        assembly: makes the batches on the device that has the data; the workers then draw them only. None for batches
            that the workers make.
        waiting: clock that runs while the training waits for a batch.
    """

    def __init__(
        self,
        samples: Samples,
        batch: int,
        first_step: int = 0,
        share: Share | None = None,
        workers: int = 0,
        pinned: bool = False,
        padding: BatchPadding | None = None,
        assembly: DeviceAssembly | None = None,
        waiting: WaitingTime | None = None,
    ) -> None:
        self._assembly, self._waiting = assembly, waiting or WaitingTime()
        source = DrawnSamples(cast(TrainingSamples, samples), assembly.records.rows) if assembly else samples
        numbers = _BatchNumbers(first_step, len(samples) // batch, batch, (share or Share()).of(batch))
        self._loader = DataLoader(
            _Guarded(source),
            batch_sampler=cast(Any, numbers),
            collate_fn=partial(_collate_or_fail, padding),
            num_workers=workers,
            prefetch_factor=_BATCHES_AHEAD if workers else None,
            worker_init_fn=_start_worker if workers else None,
            multiprocessing_context=_context() if workers else None,
            pin_memory=pinned,
        )

    def __iter__(self) -> Iterator[TrainingBatch | RolloutBatch]:
        """Yield the batches.

        Raises:
            InputError: a sample cannot be made, or a worker ended unexpectedly.
        """
        _raise_file_limit()
        try:
            for batch in self._waiting.measured(self._loader):
                if isinstance(batch, _Failure):
                    raise batch.error
                yield self._assembly(batch) if self._assembly else batch
        except (RuntimeError, EOFError, ConnectionError) as error:
            if isinstance(error, RuntimeError) and "DataLoader worker" not in str(error):
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise InputError(
                f"a process that makes training samples ended ({reason}). The machine may lack memory: resume with the "
                "same command and a smaller data.workers"
            ) from error


@dataclass(frozen=True)
class _Failure:
    """An error in a worker, passed on as a value: PyTorch would pass on its text only."""

    error: InputError


class _Guarded(Dataset):
    """The samples of a batch; an error of the input becomes a value."""

    def __init__(self, samples: Samples | DrawnSamples) -> None:
        self.samples = samples

    def __getitems__(self, numbers: list[int]) -> Sequence[TrainingBatch | RolloutBatch | DrawnBatch | _Failure]:
        try:
            return self.samples.__getitems__(numbers)
        except InputError as error:
            return [_Failure(error)]


def _collate_or_fail(
    padding: BatchPadding | None, samples: list[Any]
) -> TrainingBatch | RolloutBatch | DrawnBatch | _Failure:
    if isinstance(samples[0], _Failure):
        return samples[0]

    collated = _COLLATE[type(samples[0])](samples)
    return padding(collated) if padding else collated


_COLLATE: dict[type, Callable[[list[Any]], Any]] = {
    TrainingBatch: collate,
    DrawnBatch: collate_drawn,
    RolloutBatch: collate_rollouts,
}
"""Kind of sample -> how several are joined into a batch."""


class _BatchNumbers:
    """Numbers of the samples in each batch."""

    def __init__(self, start: int, stop: int, size: int, share: range) -> None:
        self.start, self.stop, self.size, self.share = start, stop, size, share

    def __iter__(self) -> Iterator[list[int]]:
        for step in range(self.start, self.stop):
            yield [step * self.size + number for number in self.share]


def _start_worker(number: int) -> None:
    """Prepare a worker: one thread, and no part in the interruption of the training, which ends it by itself."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _context() -> str:
    """Processes that start as copies share the data of the training; not every system has them."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() and os.name == "posix" else "spawn"


def _raise_file_limit() -> None:
    """Allow as many open files as the system permits: every tensor on its way from a worker is one."""
    try:
        import resource  # not on Windows
    except ImportError:
        return

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

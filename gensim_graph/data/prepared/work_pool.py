"""The processes of a preparation: shards and prepared graphs are shared out among them.

Processes are forked from a fresh one that has only imported this package (``forkserver``), so that they share its
memory. This process itself cannot be forked: the libraries that read and write files have threads, which would be lost.
"""

import gc
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from typing import Any

import xarray as xr

from gensim_graph.data.prepared.prepared_files import StoreFiles
from gensim_graph.data.prepared.record_layout import RecordLayout
from gensim_graph.data.prepared.shard_writer import ShardWriter, journal_name
from gensim_graph.data.sampling import partition_angle
from gensim_graph.data.sampling_config import SamplingConfig
from gensim_graph.errors import InputError
from gensim_graph.graph import SMALLEST, cell_groups
from gensim_graph.io import Source
from gensim_graph.mesh import Mesh
from gensim_graph.system import keep_freed_memory, one_line_bar

_BATCH = 16
"""Most shards in a row for one process. The records before the first of them are read twice, for its residual."""

_SMALL = 5e8
"""Bytes of values below which starting processes takes longer than they save."""

_SEED = 0
"""Seed of the training whose groupings of cells are prepared: the default one."""

_Graph = tuple[int, int]
"""Coarsening level and number of the grouping of the cells."""

_of_process: dict[str, Any] = {}
"""In a process of the pool: its writer."""


def begin_server() -> None:
    """Start the process from which those of a pool are forked; it imports this package while its caller goes on."""
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    forkserver.ensure_running()


@dataclass(frozen=True)
class WorkPool:
    """Processes that fill a store.

    Attributes:
        files: the store.
        layout: its plan.
        sources: name -> source.
        mesh: its mesh.
        workers: number of processes; 1 does everything in this one.
        progress: show a progress bar.
    """

    files: StoreFiles
    layout: RecordLayout
    sources: Mapping[str, Source]
    mesh: Mesh
    workers: int
    progress: bool

    def fill(self, shards: Iterable[int]) -> None:
        """Write those of some shards that are missing, and the graphs that a training with the default settings needs.

        Args:
            shards: their numbers.

        Raises:
            InputError: a source cannot be used, or a process was ended from outside.
            OSError: the disk is full.
        """
        wanted = list(shards)
        missing = [shard for shard in wanted if not self._is_done(shard)]
        batches, graphs = self._batches(missing), self._graphs()
        in_memory = any(isinstance(one, xr.Dataset) for one in self.sources.values())
        is_small = len(missing) * self._shard_bytes < _SMALL
        workers = 1 if in_memory or is_small else min(self.workers, len(batches))

        with self._bar(len(wanted), len(wanted) - len(missing)) as advance:
            if workers > 1:
                jobs = [*((_write_batch, batch) for batch in batches), *((_warm, graph) for graph in graphs)]
                self._share_out(jobs, workers, lambda: self._count(missing, advance))
                return

            writer = _writer(self.files, self.layout, self.sources, self.mesh)
            for batch in batches:
                for number, _ in enumerate(writer.write(batch), start=1):
                    advance(number)
                advance(0)
            writer.close()
            for graph in graphs:
                _build(self.files, self.mesh, graph)

    def _graphs(self) -> list[_Graph]:
        """Graphs of a large mesh; those of a small one are made faster than read."""
        config = SamplingConfig()
        is_large = self.mesh.n_faces >= SMALLEST
        return list(product(range(len(config.levels)), range(config.partitions))) if is_large else []

    @property
    def _shard_bytes(self) -> float:
        """Size of the values of a shard in float32."""
        return 4.0 * self.layout.cells * len(self.layout.names) * self.layout.shard_records

    def _is_done(self, shard: int) -> bool:
        return (self.files.journal / journal_name(shard)).is_file()

    def _batches(self, missing: Sequence[int]) -> list[list[int]]:
        """Runs of consecutive missing shards of the same segment."""
        longest = max(1, min(_BATCH, -(-len(missing) // (4 * self.workers))))
        begins = {segment.first // self.layout.shard_records for segment in self.layout.segments}
        batches: list[list[int]] = []

        for shard in missing:
            follows = batches and batches[-1][-1] == shard - 1 and len(batches[-1]) < longest and shard not in begins
            if follows:
                batches[-1].append(shard)
            else:
                batches.append([shard])

        return batches

    def _share_out(self, jobs: Sequence[tuple[Callable, Any]], workers: int, look: Callable[[], None]) -> None:
        """Let processes call functions, each with its argument; ``look`` is called twice a second."""
        common = (self.files, self.layout, self.sources)
        begin_server()
        context = multiprocessing.get_context("forkserver")
        pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=common)

        try:
            left: set[Future] = {pool.submit(work, given) for work, given in jobs}
            while left:
                done, left = wait(left, timeout=0.5)
                for one in done:
                    one.result()
                look()
        except BrokenProcessPool:
            raise InputError(
                f"{self.files.path}: a process was ended from outside, perhaps for lack of memory; the same command "
                "goes on, with fewer processes (--workers) it needs less memory"
            ) from None
        finally:
            pool.shutdown(cancel_futures=True)

    @contextmanager
    def _bar(self, total: int, done: int) -> Iterator[Callable[[int], None]]:
        """Progress bar; the function inside is told how many shards of a batch are done, and 0 at its end."""
        details = [("{task.fields[rate]}", 12)]
        state = {"done": done, "batch": 0}

        with one_line_bar("preparing", details, show=self.progress) as bar:
            task = bar.add_task("", total=total, completed=done, rate="")

            def advance(number: int) -> None:
                if number == 0:
                    state["done"], state["batch"] = state["done"] + state["batch"], 0
                    return
                state["batch"] = number
                speed = bar.tasks[task].speed
                rate = f"{speed * self._shard_bytes / 1e6:.0f} MB/s" if speed else ""
                bar.update(task, completed=state["done"] + number, rate=rate)

            yield advance

    def _count(self, missing: Sequence[int], advance: Callable[[int], None]) -> None:
        done = sum(map(self._is_done, missing))
        if done:
            advance(done)


def _writer(files: StoreFiles, layout: RecordLayout, sources: Mapping[str, Source], mesh: Mesh) -> ShardWriter:
    return ShardWriter(files.values, files.journal, layout, files.order(), mesh, sources)


def _start(files: StoreFiles, layout: RecordLayout, sources: Mapping[str, Source]) -> None:
    """Begin a process of the pool: it ends with the process that started it, however that ends."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()

    keep_freed_memory(arenas=2)
    gc.freeze()  # what was imported stays: collections need not visit it, nor copy its memory
    _of_process["files"] = files
    _of_process["mesh"] = files.mesh()
    _of_process["writer"] = _writer(files, layout, sources, _of_process["mesh"])


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


def _write_batch(batch: Sequence[int]) -> None:
    for _ in _of_process["writer"].write(batch):
        pass


def _warm(graph: _Graph) -> None:
    _build(_of_process["files"], _of_process["mesh"], graph)


def _build(files: StoreFiles, mesh: Mesh, graph: _Graph) -> None:
    level, partition = graph
    cell_groups(mesh, level, partition_angle(_SEED, partition), folder=files.graphs)

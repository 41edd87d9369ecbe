"""Run the members of an ensemble in batches, side by side on the cores of a CPU, with a progress bar.

Every operation of the solver is short: cores that share one spend their time waiting for each other. Cores with members
of their own do not.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress

from gensim_graph.simulate.ensemble import Ensemble
from gensim_graph.typing import Array

_IN_CACHE = 50_000  # triangles of all members of a batch, that a core computes fastest
_MANY = 200_000  # from so many on, several cores are faster than one at the same operation


def split_members(ensemble: Ensemble, cores: int) -> list[range]:
    """Members that are computed together: all on a GPU; on a CPU as many as fit a cache, and no core without."""
    members = ensemble.experiment.members
    fitting = max(1, _IN_CACHE // ensemble.elements.n_elements)
    size = members if ensemble.elements.areas.is_cuda else min(fitting, -(-members // cores))
    return [range(first, min(first + size, members)) for first in range(0, members, size)]


def fill(ensemble: Ensemble, columns: dict[str, Any], together: int, progress: bool) -> None:
    """Simulate into arrays (trajectory, time, ...).

    Args:
        ensemble: what is simulated.
        columns: name -> array to write to, of numpy or zarr.
        together: records that are written at once.
        progress: show a progress bar.
    """
    cores = torch.get_num_threads()
    batches = split_members(ensemble, cores)
    workers = min(cores, len(batches))
    stop = Event()

    with _progress_bar(ensemble, progress) as advance, _threads(ensemble, batches, cores // workers):

        def watch(count: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            advance(count)

        with ThreadPoolExecutor(workers) as pool:
            runs = [pool.submit(_fill_batch, ensemble, members, columns, together, watch) for members in batches]
            try:
                for run in as_completed(runs):
                    run.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _fill_batch(
    ensemble: Ensemble, members: range, columns: dict[str, Any], together: int, watch: Callable[[int], object]
) -> None:
    held: list[dict[str, Array]] = []
    for record, fields in enumerate(ensemble.run(members)):
        held.append(fields)
        watch(len(members) if record else 0)

        if len(held) == together or record == ensemble.experiment.records:
            where = slice(members.start, members.stop), slice(record + 1 - len(held), record + 1)
            for name, column in columns.items():
                column[where] = np.stack([fields[name] for fields in held], axis=1)
            held = []


@contextmanager
def _progress_bar(ensemble: Ensemble, show: bool) -> Iterator[Callable[[int], object]]:
    with Progress(console=Console(stderr=True), disable=not show) as bar:
        task = bar.add_task("simulating", total=ensemble.experiment.members * ensemble.experiment.records)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _threads(ensemble: Ensemble, batches: list[range], each: int) -> Iterator[None]:
    """Threads of every single operation: one, but for very large meshes."""
    before = torch.get_num_threads()
    large = ensemble.elements.n_elements * len(batches[0]) >= _MANY
    torch.set_num_threads(each if large else 1)

    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds_needed(ensemble: Ensemble) -> float:
    """Time that the simulation takes on this machine, s, from a few steps that are tried out."""
    cores = torch.get_num_threads()
    batches = split_members(ensemble, cores)
    rounds = -(-len(batches) // min(cores, len(batches)))
    with _threads(ensemble, batches, cores // min(cores, len(batches))):
        return rounds * ensemble.seconds(batches[0])


def in_words(seconds: float) -> str:
    """A time as one says it."""
    if seconds < 90.0:
        return f"{max(5, 5 * round(seconds / 5.0))} seconds"
    return f"{round(seconds / 60.0)} minutes" if seconds < 5400.0 else f"{seconds / 3600.0:.1f} hours"

"""Run the members of an ensemble in batches, one batch on each core of a CPU, with a progress bar.

The single operations of the solver are short. Cores that share one of them spend most of their time waiting for each
other; cores that compute different members do not.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from threading import Event
from typing import Any

import numpy as np
import torch

from gensim_graph.simulate.ensemble import Ensemble
from gensim_graph.system import one_line_bar
from gensim_graph.typing import Array
from gensim_graph.units import SECONDS_PER_HOUR

_FIT_CACHE = 50_000  # triangles of all members of a batch; with more of them, a core leaves its cache and slows down
_SHARE_FROM = 200_000  # triangles of a batch from which on several cores are faster at one operation than one core


def split_members(ensemble: Ensemble, cores: int) -> list[range]:
    """Split the members into batches that are computed together.

    A GPU computes all of them together. On a CPU a batch fits into a cache, and every core gets one if possible.

    Args:
        ensemble: the ensemble.
        cores: number of CPU cores.
    """
    members = ensemble.experiment.members
    fitting = max(1, _FIT_CACHE // ensemble.elements.n_elements)
    size = members if ensemble.elements.areas.is_cuda else min(fitting, -(-members // cores))
    return [range(first, min(first + size, members)) for first in range(0, members, size)]


def fill(ensemble: Ensemble, columns: dict[str, Any], records_per_write: int, progress: bool) -> None:
    """Simulate into arrays (trajectory, time, ...).

    Args:
        ensemble: the ensemble.
        columns: name -> array of numpy or zarr that is filled.
        records_per_write: number of records that are written at once.
        progress: show a progress bar.
    """
    cores = torch.get_num_threads()
    batches = split_members(ensemble, cores)
    workers = min(cores, len(batches))
    stop = Event()

    with _progress_bar(ensemble, progress) as advance, _torch_threads(ensemble, batches, cores // workers):

        def advance_or_stop(count: int) -> None:
            if stop.is_set():
                raise KeyboardInterrupt
            advance(count)

        with ThreadPoolExecutor(workers) as pool:
            runs = [
                pool.submit(_fill_batch, ensemble, members, columns, records_per_write, advance_or_stop)
                for members in batches
            ]
            try:
                for run in as_completed(runs):
                    run.result()
            except BaseException:
                stop.set()  # the other batches stop at their next record
                pool.shutdown(wait=False, cancel_futures=True)
                raise


def _fill_batch(
    ensemble: Ensemble,
    members: range,
    columns: dict[str, Any],
    records_per_write: int,
    advance: Callable[[int], object],
) -> None:
    """Simulate one batch into the arrays.

    Args:
        ensemble: the ensemble.
        members: members of the batch.
        columns: as in :func:`fill`.
        records_per_write: as in :func:`fill`.
        advance: is called at every record with the number of members that have completed it.
    """
    held: list[dict[str, Array]] = []
    for record, fields in enumerate(ensemble.run(members)):
        held.append(fields)
        advance(len(members) if record else 0)

        if len(held) == records_per_write or record == ensemble.experiment.records:
            target = slice(members.start, members.stop), slice(record + 1 - len(held), record + 1)
            for name, column in columns.items():
                column[target] = np.stack([fields[name] for fields in held], axis=1)
            held = []


@contextmanager
def _progress_bar(ensemble: Ensemble, show: bool) -> Iterator[Callable[[int], object]]:
    with one_line_bar("simulating", show=show) as bar:
        task = bar.add_task("", total=ensemble.experiment.members * ensemble.experiment.records)
        yield lambda count: bar.advance(task, count)


@contextmanager
def _torch_threads(ensemble: Ensemble, batches: list[range], threads: int) -> Iterator[None]:
    """Set the number of threads of a single operation: one, except on very large meshes.

    Args:
        ensemble: the ensemble.
        batches: batches of its members.
        threads: number of threads on very large meshes.
    """
    before = torch.get_num_threads()
    large = ensemble.elements.n_elements * len(batches[0]) >= _SHARE_FROM
    torch.set_num_threads(threads if large else 1)

    try:
        yield
    finally:
        torch.set_num_threads(before)


def seconds_needed(ensemble: Ensemble) -> float:
    """Measure a few steps and return the time that the simulation takes on this machine, s."""
    cores = torch.get_num_threads()
    batches = split_members(ensemble, cores)
    workers = min(cores, len(batches))
    rounds = -(-len(batches) // workers)
    with _torch_threads(ensemble, batches, cores // workers):
        return rounds * ensemble.seconds(batches[0])


def in_words(seconds: float) -> str:
    """Return a length of time in words, rounded.

    Example:
        >>> from gensim_graph.simulate import in_words
        >>> in_words(42.0), in_words(600.0), in_words(9000.0)
        ('40 seconds', '10 minutes', '2.5 hours')
    """
    if seconds < 90.0:
        return f"{max(5, 5 * round(seconds / 5.0))} seconds"
    return f"{round(seconds / 60.0)} minutes" if seconds < 5400.0 else f"{seconds / SECONDS_PER_HOUR:.1f} hours"

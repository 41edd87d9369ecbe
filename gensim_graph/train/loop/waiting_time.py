"""Clock of the time in which the training waits for its next batch."""

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import torch

_Item = TypeVar("_Item")


class WaitingTime:
    """Adds up the time between the end of a step and the arrival of the next batch.

    A processor that steers a GPU is ahead of it, so its own waiting costs nothing as long as the GPU is busy. On a GPU,
    two marks in its queue of work enclose the wait, and the time between them is the time in which it had nothing to
    do.

    Args:
        device: that computes; None for the processor.

    Example:
        >>> import time
        >>> from gensim_graph.train.loop import WaitingTime
        >>> def slow():
        ...     for number in range(3):
        ...         time.sleep(0.01)
        ...         yield number
        >>> waiting = WaitingTime()
        >>> list(waiting.measured(slow()))
        [0, 1, 2]
        >>> 0.03 <= waiting.take() < 1.0, waiting.take()
        (True, 0.0)
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._is_on_gpu = device is not None and device.type == "cuda"
        self._seconds = 0.0
        self._marks: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    def measured(self, batches: Iterable[_Item]) -> Iterator[_Item]:
        """Yield the batches, with the clock running while each is waited for.

        Args:
            batches: made elsewhere, or at the moment they are asked for.
        """
        source = iter(batches)
        while True:
            begin = self._mark()
            try:
                batch = next(source)
            except StopIteration:
                return

            self._add(begin, self._mark())
            yield batch

    def take(self) -> float:
        """Return the seconds since the last call; a GPU finishes its work up to the last batch before."""
        if self._marks:
            self._marks[-1][1].synchronize()

        seconds = self._seconds + sum(begin.elapsed_time(end) for begin, end in self._marks) / 1000
        self._seconds, self._marks = 0.0, []
        return seconds

    def _mark(self) -> "float | torch.cuda.Event":
        if not self._is_on_gpu:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def _add(self, begin: "float | torch.cuda.Event", end: "float | torch.cuda.Event") -> None:
        if isinstance(begin, float) and isinstance(end, float):
            self._seconds += end - begin
        elif isinstance(begin, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
            self._marks.append((begin, end))

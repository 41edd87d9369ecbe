"""Work of a GPU that is recorded once and then replayed with a single call (a CUDA graph).

The processor needs some microseconds to start a kernel, and a step of a forecast starts thousands of them. A recording
starts them all at once. It knows addresses, not tensors, so three rules keep its results right:

- inputs are copied into tensors that belong to the recording, and the result is copied out of it;
- it is used only while everything else that the work reads is the same: the same objects, settings and addresses;
- its first result is compared with that of the work itself. If they differ, or if it cannot be recorded, a warning says
  so, and the work is done without recordings from then on.
"""

import logging
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch

from gensim_graph.typing import Tensor

log = logging.getLogger(__name__)

_TOLERANCE = 1e-2
"""Largest relative difference (L2 norm) of a first replay: in half precision, rounding grows in a step."""

Work = Callable[..., Tensor]
"""Function of tensors that draws no random numbers, does not wait for the GPU and does not change its inputs."""


@runtime_checkable
class Recorder(Protocol):
    """How work is recorded on a kind of device."""

    device: str

    def prepare(self, run: Callable[[], Tensor]) -> Tensor:
        """Do the work until nothing is left that happens only at first, and return its result."""

    def record(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Return a function that repeats the work, and the tensor that every repetition overwrites."""


class GraphRecorder:
    """Records CUDA graphs."""

    device = "cuda"

    def __init__(self) -> None:
        self._pool: Any = None

    def prepare(self, run: Callable[[], Tensor]) -> Tensor:
        """Do the work twice on another stream: the first time compiles, the second one is as all that follow.

        Args:
            run: does the work.
        """
        current, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(current)
        with torch.cuda.stream(beside):
            run()
            result = run()
        current.wait_stream(beside)
        result.record_stream(current)

        return result

    def record(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        """Record the work, see :class:`Recorder`.

        All recordings share their memory. This is safe in any order of replays: each one writes its intermediate
        results before it reads them, and its final result stays alive, so that no other recording gets its place.

        Args:
            run: does the work.
        """
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            result = run()

        return graph.replay, result


@dataclass(frozen=True, eq=False)
class _Recording:
    """Recorded work.

    Attributes:
        repeat: repeats it.
        inputs: tensors that it reads.
        result: tensor that it writes.
        fixed: objects whose tensors it reads, too; kept alive.
        settings: of the work.
    """

    repeat: Callable[[], None]
    inputs: list[Tensor]
    result: Tensor
    fixed: tuple[object, ...]
    settings: Hashable

    def suits(self, inputs: Sequence[Tensor], fixed: tuple[object, ...], settings: Hashable) -> bool:
        """Return True if this is a recording of the same work on tensors of the same shapes."""
        same_objects = len(fixed) == len(self.fixed) and all(map(lambda a, b: a is b, fixed, self.fixed))
        return same_objects and settings == self.settings and list(map(_form, inputs)) == list(map(_form, self.inputs))

    def replay(self, inputs: Sequence[Tensor]) -> Tensor:
        """Return the result for other values, in memory of its own."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given)
        self.repeat()

        return self.result.clone()


class Replay:
    """Recordings of one kind of work, for inputs of a few shapes.

    Args:
        recorder: of the device; by default that of CUDA graphs.
        most: number of recordings that are kept; the oldest is forgotten first.
    """

    def __init__(self, recorder: Recorder | None = None, most: int = 4) -> None:
        self._recorder: Recorder = recorder or GraphRecorder()
        self._most, self._failed = most, False
        self._recordings: list[_Recording] = []

    def __reduce__(self) -> tuple[type["Replay"], tuple[()]]:
        """Copy without recordings: they hold addresses of this process."""
        return Replay, ()

    def applies_to(self, device: torch.device) -> bool:
        """Return True if work on this device is recorded."""
        return device.type == self._recorder.device and not self._failed

    def __call__(self, work: Work, inputs: Sequence[Tensor], fixed: tuple[object, ...], settings: Hashable) -> Tensor:
        """Return the result of the work, from a recording if there is one.

        Args:
            work: function of the inputs.
            inputs: tensors whose values change from call to call.
            fixed: objects whose tensors the work reads, too. Another object means another recording.
            settings: everything else on which the work depends, such as numbers and addresses; compared by value.
        """
        for recording in self._recordings:
            if recording.suits(inputs, fixed, settings):
                return recording.replay(inputs)

        return self._recorded(work, inputs, fixed, settings)

    def _recorded(self, work: Work, inputs: Sequence[Tensor], fixed: tuple[object, ...], settings: Hashable) -> Tensor:
        """Do the work and record it for the next call."""
        own = [one.clone(memory_format=torch.contiguous_format) for one in inputs]
        expected = self._recorder.prepare(lambda: work(*own))  # errors of the work itself are raised here

        try:
            repeat, result = self._recorder.record(lambda: work(*own))
            recording = _Recording(repeat, own, result, fixed, settings)
            _check_same(recording.replay(inputs), expected)
        except RuntimeError as reason:
            self._failed = True
            self._recordings.clear()
            log.warning("the work on the GPU cannot be recorded and is started kernel by kernel, which gives the same "
                        "numbers and takes longer, above all on small meshes: %s", reason)  # fmt: skip
            return expected

        self._recordings = [*self._recordings, recording][-self._most :]
        return expected


def _form(tensor: Tensor) -> tuple[object, ...]:
    return tensor.shape, tensor.dtype, tensor.device


def _check_same(came: Tensor, expected: Tensor) -> None:
    """Check the first replay.

    Raises:
        RuntimeError: it differs from the work itself.
    """
    came, expected = torch.nan_to_num(came.double()), torch.nan_to_num(expected.double())
    difference, size = float((came - expected).norm()), float(expected.norm())
    if not difference <= _TOLERANCE * size:
        raise RuntimeError(f"the first replay differs from the work itself by {difference:.3g}, of {size:.3g}")

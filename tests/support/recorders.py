"""Recorders of work on a processor, in place of those of a GPU."""

from collections.abc import Callable

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Tape(TorchDispatchMode):
    """Keeps every operation with its tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple] = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        self.calls.append((function, arguments, keywords or {}, result))
        return result


class TapeRecorder:
    """Records as a CUDA graph does: operations on addresses; numbers and decisions of Python stay as they were.

    A repetition writes every result, final or not, to where it was at first.
    """

    device = "cpu"

    def __init__(self) -> None:
        self.recorded = self.repeated = 0

    def prepare(self, run: Callable[[], Tensor]) -> Tensor:
        return run()

    def record(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        self.recorded += 1
        tape = Tape()
        with tape:
            result = run()

        def repeat() -> None:
            self.repeated += 1
            for function, arguments, keywords, old in tape.calls:
                new = function(*arguments, **keywords)
                for target, value in zip(tree_leaves(old), tree_leaves(new), strict=True):
                    if isinstance(target, Tensor) and target.data_ptr() != value.data_ptr():
                        target.copy_(value)

        return repeat, result


class FailingRecorder(TapeRecorder):
    """Cannot record."""

    def record(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing")


class WrongRecorder(TapeRecorder):
    """Records something else than the work."""

    def record(self, run: Callable[[], Tensor]) -> tuple[Callable[[], None], Tensor]:
        repeat, result = super().record(run)

        def wrong() -> None:
            repeat()
            result.mul_(1.5)

        return wrong, result


class OnDeviceAlone(TorchDispatchMode):
    """Refuses operations that bring something from the processor to a device, and those that wait for it.

    The device is ``meta``, where tensors have no values. Lists and numbers as indices become tensors without an
    operation, and on a GPU are copied to it: indices must be known, or come out of an operation.
    """

    def __init__(self, known: list[Tensor]) -> None:
        super().__init__()
        self.known = list(known)

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        if name in ("index", "index_put", "index_put_"):
            for index in arguments[1]:
                assert index is None or any(index is one for one in self.known), f"{name}: an index from the processor"

        result = function(*arguments, **(keywords or {}))
        tensors = [one for one in tree_leaves((arguments, keywords, result)) if isinstance(one, Tensor)]
        devices = {one.device.type for one in tensors}
        assert len(devices) <= 1, f"{name}: tensors on {devices}"
        if "meta" in devices:
            assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh"), name
        self.known += [one for one in tree_leaves(result) if isinstance(one, Tensor)]
        return result

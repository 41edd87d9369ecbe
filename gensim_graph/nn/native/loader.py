"""The compiled code of this layer: loaded once, and when it may be used.

It is for single precision on a processor. Elsewhere, and under torch.compile, which fuses and derives by itself, the
same stands in PyTorch beside every use of it.
"""

import ctypes
import logging
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from gensim_graph.system import CompilerError, compiled
from gensim_graph.typing import Tensor

log = logging.getLogger(__name__)

_POINTER, _COUNT, _THREADS = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int

_ARGUMENTS: dict[str, list[Any]] = {
    "order_keys": [_POINTER] * 4,
    "attend_all": [_POINTER, _COUNT, *[_POINTER] * 4],
    "differentiate_all": [_POINTER, _COUNT, *[_POINTER] * 7, _COUNT],
    "look": [_POINTER, _POINTER, _COUNT, *[_POINTER] * 3],
    "look_gradient": [_POINTER, _POINTER, _COUNT, *[_POINTER] * 5],
    "see": [_POINTER, _COUNT, *[_POINTER] * 2],
    "see_gradient": [_POINTER, _COUNT, *[_POINTER] * 4],
    "gate": [*[_COUNT] * 3, *[_POINTER] * 2],
    "gate_gradient": [*[_COUNT] * 3, *[_POINTER] * 5],
}
"""Of every function in ``native/``, before the number of threads that ends each list."""

_ONE_AT_A_TIME = Lock()

Argument = Tensor | ctypes.Structure | int


@cache
def library() -> ctypes.CDLL:
    """Compile and load.

    Raises:
        CompilerError: it cannot be compiled here.
    """
    with _ONE_AT_A_TIME:
        found = compiled(Path(__file__).parent)

    for name, arguments in _ARGUMENTS.items():
        function = getattr(found, name)
        function.argtypes, function.restype = [*arguments, _THREADS], None

    return found


def call(name: str, *arguments: Argument) -> None:
    """Call a function of the library on the threads of PyTorch; tensors are contiguous and stay alive meanwhile."""
    getattr(library(), name)(*(_passed(argument) for argument in arguments), torch.get_num_threads())


def _passed(argument: Argument) -> object:
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    return ctypes.byref(argument) if isinstance(argument, ctypes.Structure) else argument


@cache
def native_at_hand() -> bool:
    """Whether the code can be compiled here; said once if it cannot."""
    try:
        library()
    except CompilerError as error:
        log.warning("the network takes half as long again without compiled code: %s", error)
        return False

    return True


def native_serves(*tensors: Tensor) -> bool:
    """Whether compiled code may stand for what PyTorch does with some tensors."""
    if torch.compiler.is_compiling() or any(part.device.type != "cpu" for part in tensors):
        return False
    return all(part.dtype == torch.float32 for part in tensors) and native_at_hand()


def expect_shapes(what: str, *pairs: tuple[Tensor, tuple[int, ...]]) -> None:
    """Check tensors before their addresses are passed on: compiled code would read and write beyond their ends.

    Raises:
        ValueError: one of them has another shape.
    """
    for tensor, expected in pairs:
        if tuple(tensor.shape) != expected:
            raise ValueError(f"{what}: expected a tensor of shape {expected}; came {tuple(tensor.shape)}")

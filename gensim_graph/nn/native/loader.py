"""The compiled library: loaded once, and called only where it can be used.

Compiled code is for single precision on a processor. PyTorch does the same work on other devices, in other precisions
and under torch.compile, which fuses and differentiates by itself; each caller holds both.
"""

import ctypes
import logging
from functools import cache
from pathlib import Path
from threading import Lock

import torch

from gensim_graph.nn.native.kernels import KERNELS
from gensim_graph.nn.native.shared_constants import constants_header
from gensim_graph.system import CompilerError, compiled
from gensim_graph.typing import Tensor

log = logging.getLogger(__name__)

_ONE_AT_A_TIME = Lock()

Argument = Tensor | ctypes.Structure | int


@cache
def library() -> ctypes.CDLL:
    """Compile and load the library.

    Raises:
        CompilerError: it cannot be compiled on this machine.
    """
    with _ONE_AT_A_TIME:
        found = compiled(Path(__file__).parent, {"shared_constants.h": constants_header()})

    for name, kinds in KERNELS.items():
        function = getattr(found, name)
        function.argtypes = [*(kind.ctype for kind in kinds), ctypes.c_int]
        function.restype = None

    return found


def call(name: str, *arguments: Argument) -> None:
    """Call a compiled function on as many threads as PyTorch uses.

    Args:
        name: a row of ``KERNELS``.
        arguments: of the kinds in that row. Tensors, also those in a structure, must be contiguous and stay alive
            until the function returns.
    """
    values = [kind.convert(argument) for kind, argument in zip(KERNELS[name], arguments, strict=True)]
    getattr(library(), name)(*values, torch.get_num_threads())


@cache
def native_available() -> bool:
    """Return True if the library can be compiled on this machine; log the reason once if it cannot."""
    try:
        library()
    except CompilerError as error:
        log.warning("the network takes half as long again without compiled code: %s", error)
        return False

    return True


def native_applies(*tensors: Tensor) -> bool:
    """Return True if compiled code can take the place of PyTorch for these tensors.

    Args:
        tensors: all those that the compiled function reads; they must be in single precision on a processor.
    """
    if torch.compiler.is_compiling() or any(part.device.type != "cpu" for part in tensors):
        return False
    return all(part.dtype == torch.float32 for part in tensors) and native_available()


def expect_shapes(what: str, *pairs: tuple[Tensor, tuple[int, ...]]) -> None:
    """Check the shapes of tensors before compiled code uses their addresses: it would read and write beyond their ends.

    Args:
        what: name of the computation, for the message.
        pairs: tensors with their expected shapes.

    Raises:
        ValueError: a tensor has another shape.
    """
    for tensor, expected in pairs:
        if tuple(tensor.shape) != expected:
            raise ValueError(f"{what}: expected a tensor of shape {expected}; came {tuple(tensor.shape)}")

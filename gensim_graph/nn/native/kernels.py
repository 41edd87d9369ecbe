"""Table of the compiled functions. A new one needs its C++ file and one row here."""

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gensim_graph.typing import Tensor


class ArgumentKind(NamedTuple):
    """Kind of an argument of a compiled function.

    Attributes:
        ctype: its type in C.
        convert: Python value -> what is passed on.
    """

    ctype: Any
    convert: Callable[[Any], Any]


_TENSOR = ArgumentKind(ctypes.c_void_p, Tensor.data_ptr)
_STRUCTURE = ArgumentKind(ctypes.c_void_p, ctypes.byref)
_COUNT = ArgumentKind(ctypes.c_int64, int)

KERNELS: dict[str, list[ArgumentKind]] = {
    "order_keys": [_STRUCTURE, *[_TENSOR] * 3],
    "attention": [_STRUCTURE, _COUNT, *[_TENSOR] * 4],
    "attention_gradient": [_STRUCTURE, _COUNT, *[_TENSOR] * 7, _COUNT],
    "split_heads": [_STRUCTURE, _COUNT, *[_TENSOR] * 6],
    "split_heads_gradient": [_STRUCTURE, _COUNT, *[_TENSOR] * 8],
    "join_heads": [_STRUCTURE, _COUNT, *[_TENSOR] * 3],
    "join_heads_gradient": [_STRUCTURE, _COUNT, *[_TENSOR] * 5],
    "gate": [*[_COUNT] * 3, *[_TENSOR] * 2],
    "gate_gradient": [*[_COUNT] * 3, *[_TENSOR] * 5],
}
"""Function -> kinds of its arguments. The number of threads, always the last argument, is left out."""


def structure_fields(tensors: Sequence[str], counts: Sequence[str]) -> list[tuple[str, Any]]:
    """Return the ``_fields_`` of a C structure.

    Args:
        tensors: names of its tensors, which come first.
        counts: names of its 64-bit counts.
    """
    return [*((name, _TENSOR.ctype) for name in tensors), *((name, _COUNT.ctype) for name in counts)]

"""Work that looks at one token (or cell) at a time, done on some thousand of them at a time.

The intermediate results then stay in the cache of the processor and never fill the memory: most of what a large
mesh costs beyond its matrix products. For the backward pass only the arguments of the stages are kept.
"""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch.utils.checkpoint import checkpoint

from gensim_graph.typing import Tensor

Result = TypeVar("Result", Tensor, tuple[Tensor, ...])

CPU_ELEMENTS, GPU_ELEMENTS = 2**19, 2**26
"""Numbers of the first argument at a time."""


def in_chunks(function: Callable[..., tuple[Tensor, ...]], *tensors: Tensor) -> tuple[Tensor, ...]:
    """Apply a function to ranges of the second dimension.

    Args:
        function: takes the range and the parts (B, n, ...) of ``tensors``; gives tensors (B, n, ...).
        tensors: (B, N, ...).

    Returns:
        What the function gives for all N.
    """
    batch, count = tensors[0].shape[:2]
    size = max(1, _elements(tensors[0].device) // (batch * tensors[0][0, 0].numel()))
    if count <= size or torch.compiler.is_compiling():
        return function(slice(0, count), *tensors)
    ranges = [slice(first, min(first + size, count)) for first in range(0, count, size)]
    pieces = zip(ranges, *(tensor.split(size, dim=1) for tensor in tensors), strict=True)
    if torch.is_grad_enabled():
        results = [function(*piece) for piece in pieces]
        return tuple(torch.cat(parts, dim=1) for parts in zip(*results, strict=True))
    return _filled(function, pieces, batch, count)


def _filled(function: Callable[..., tuple[Tensor, ...]], pieces: zip, batch: int, count: int) -> tuple[Tensor, ...]:
    """Write the parts where they belong: there is never a second copy."""
    whole: tuple[Tensor, ...] = ()
    for some, *parts in pieces:
        results = function(some, *parts)
        whole = whole or tuple(result.new_empty(batch, count, *result.shape[2:]) for result in results)
        for target, result in zip(whole, results, strict=True):
            target[:, some] = result
    return whole


def _elements(device: torch.device) -> int:
    return CPU_ELEMENTS if device.type == "cpu" else GPU_ELEMENTS


def stage(function: Callable[..., Result], *tensors: Tensor) -> Result:
    """Call a function of which only the arguments are kept for the backward pass.

    What it computes is computed again there, up to the last value that its derivative needs: a function that ends
    with a matrix product does not repeat that product.
    """
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        return checkpoint(function, *tensors, use_reentrant=False, preserve_rng_state=False, determinism_check="none")
    return function(*tensors)

"""Work that looks at one token (or cell) at a time, done on some thousand of them at a time.

The intermediate results then stay in the cache of the processor and never fill the memory: most of what a large
mesh costs beyond its matrix products. For the backward pass only the arguments are kept; the rest is computed again,
but for the matrix products, which are not repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import linear
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from gensim_graph.typing import Tensor

CPU_ELEMENTS, GPU_ELEMENTS = 2**19, 2**26
"""Numbers of the first argument at a time."""

_FEWEST = 512
"""Items at a time at the least: fewer would make the matrix products slow."""

Function = Callable[..., tuple[Tensor, ...]]
"""Takes a range of items, what is shared, and the parts (B, n, ...) of that range; gives tensors (B, n, ...)."""


def in_chunks(
    function: Function, shared: Any, *tensors: Tensor, matrices: list[tuple[Tensor, Tensor | None]] | None = None
) -> tuple[Tensor, ...]:
    """Apply a function to ranges of the second dimension.

    Args:
        function: what to do; see ``Function``. It may close over constants, but not over anything that needs a
            gradient: that comes in ``shared``.
        shared: weights and scales, nested as you like.
        tensors: (B, N, ...).
        matrices: weight and bias, one for each tensor that the function gives, which they are multiplied with.

    Returns:
        What the function gives for all N; with ``matrices`` one tensor, the products side by side.
    """
    if torch.compiler.is_compiling():
        everything = slice(0, tensors[0].shape[1])
        return _apply(function, matrices, everything, shared, tensors)

    if not torch.is_grad_enabled():
        return _run(function, matrices, shared, tensors)

    leaves, spec = tree_flatten((shared, matrices))
    return _Chunked.apply(_Call(function, spec, len(tensors)), *tensors, *leaves)


_SAVED = object()
"""Stands for a tensor among the constants."""


class _Call(NamedTuple):
    function: Function
    spec: TreeSpec
    n_tensors: int


def _apply(
    function: Function, matrices: Any, some: slice, shared: Any, parts: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    results = function(some, shared, *parts)
    if matrices is None:
        return results
    products = [linear(result, *matrix) for result, matrix in zip(results, matrices, strict=True)]
    return (torch.cat(products, dim=-1) if len(products) > 1 else products[0],)


def _run(function: Function, matrices: Any, shared: Any, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Write the parts where they belong: there is never a second copy."""
    batch, count = tensors[0].shape[:2]
    if matrices is not None and not torch.is_autocast_enabled(tensors[0].device.type):
        return (_products(function, matrices, shared, tensors),)

    whole: tuple[Tensor, ...] = ()
    for some in _ranges(tensors[0]):
        results = _apply(function, matrices, some, shared, tuple(tensor[:, some] for tensor in tensors))
        if some == slice(0, count):
            return results
        whole = whole or tuple(result.new_empty(batch, count, *result.shape[2:]) for result in results)
        for target, result in zip(whole, results, strict=True):
            target[:, some] = result

    return whole


def _products(function: Function, matrices: Any, shared: Any, tensors: tuple[Tensor, ...]) -> Tensor:
    """Matrix products, written side by side where they belong."""
    batch, count = tensors[0].shape[:2]
    whole = tensors[0].new_empty(batch, count, sum(len(weight) for weight, _ in matrices))
    for some in _ranges(tensors[0]):
        multiply_into(whole[:, some], function(some, shared, *(tensor[:, some] for tensor in tensors)), matrices)
    return whole


def multiply_into(target: Tensor, parts: Sequence[Tensor], matrices: list[tuple[Tensor, Tensor | None]]) -> None:
    """Write the products of parts (B, n, ...) and matrices side by side, without a copy of any."""
    samples = 1 if target.is_contiguous() else len(target)  # rows of one product, where they lie evenly
    sides = target.split([len(weight) for weight, _ in matrices], dim=-1)

    for part, (weight, bias), side in zip(parts, matrices, sides, strict=True):
        for one, into in zip(part.chunk(samples), side.chunk(samples), strict=True):
            rows, row_into = one.flatten(0, 1), into.flatten(0, 1)
            if bias is None:
                torch.mm(rows, weight.t(), out=row_into)
            else:
                torch.addmm(bias, rows, weight.t(), out=row_into)


def _ranges(tensor: Tensor) -> Iterator[slice]:
    elements = CPU_ELEMENTS if tensor.device.type == "cpu" else GPU_ELEMENTS
    count = tensor.shape[1]
    step = max(_FEWEST, elements // max(1, tensor[:, :1].numel()))
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


class _Chunked(torch.autograd.Function):
    """Forward without a graph; backward chunk by chunk, each with a graph of its own."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *flat: Any) -> tuple[Tensor, ...]:
        tensors, leaves = flat[: call.n_tensors], flat[call.n_tensors :]
        shared, matrices = tree_unflatten(leaves, call.spec)
        ctx.call = call
        ctx.constants = [_SAVED if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        device = tensors[0].device.type
        ctx.autocast = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        ctx.save_for_backward(*tensors, *(leaf for leaf in leaves if isinstance(leaf, Tensor)))

        return _run(call.function, matrices, shared, tensors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        call: _Call = ctx.call
        saved = iter(ctx.saved_tensors)
        wanted = ctx.needs_input_grad[1:]
        tensors = [next(saved) for _ in range(call.n_tensors)]
        # Leaves stand for the shared tensors, so that each chunk's graph ends at them.
        leaves = [next(saved).detach() if constant is _SAVED else constant for constant in ctx.constants]
        leaves = [_leaf(leaf, want) for leaf, want in zip(leaves, wanted[call.n_tensors :], strict=True)]
        totals = [torch.zeros_like(leaf) if _wants(leaf) else None for leaf in leaves]
        into = [torch.empty_like(tensor) if want else None for tensor, want in zip(tensors, wanted, strict=False)]
        device, dtype, enabled = ctx.autocast

        for some in _ranges(tensors[0]):
            parts = [_leaf(tensor[:, some], want) for tensor, want in zip(tensors, wanted, strict=False)]
            of_chunk = [grad[:, some] for grad in grads]
            with torch.enable_grad(), torch.autocast(device, dtype, enabled):
                _backward_of_chunk(call, some, parts, leaves, of_chunk, into, totals)

        return None, *into, *totals


def _leaf(tensor: Any, want: bool) -> Any:
    return tensor.detach().requires_grad_() if want else tensor


def _wants(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


def _backward_of_chunk(
    call: _Call,
    some: slice,
    parts: list[Tensor],
    leaves: list[Any],
    grads: list[Tensor],
    into: list[Tensor | None],
    totals: list[Tensor | None],
) -> None:
    """Add the gradients of one range to those of the shared leaves, and write those of its parts."""
    shared, matrices = tree_unflatten(leaves, call.spec)
    results = call.function(some, shared, *parts)

    if matrices is not None:
        of_leaf = {id(leaf): total for leaf, total in zip(leaves, totals, strict=True)}
        with torch.no_grad():
            grads = _through_matrices(results, matrices, grads[0], of_leaf)

    inputs = [part for part in parts if part.requires_grad]
    weights = [leaf for leaf in leaves if _wants(leaf)]
    used = [(result, grad) for result, grad in zip(results, grads, strict=True) if result.requires_grad]
    outputs, with_grad = [result for result, _ in used], [grad for _, grad in used]
    found = torch.autograd.grad(outputs, inputs + weights, with_grad, allow_unused=True)
    targets = [target[:, some] for target in into if target is not None]
    for target, gradient in zip(targets, found, strict=False):
        target.zero_() if gradient is None else target.copy_(gradient)

    sums = [total for total in totals if total is not None]
    for total, gradient in zip(sums, found[len(inputs) :], strict=True):
        if gradient is not None:
            total += gradient


def _through_matrices(
    results: tuple[Tensor, ...],
    matrices: list[tuple[Tensor, Tensor | None]],
    grad: Tensor,
    totals: dict[int, Tensor | None],
) -> list[Tensor]:
    """Backward of the products: adds to the gradients of weights and biases, gives those of the results."""
    of_results = []
    for result, (weight, bias), part in zip(
        results, matrices, grad.split([len(weight) for weight, _ in matrices], dim=-1), strict=True
    ):
        rows = part.reshape(-1, part.shape[-1])
        total = totals[id(weight)]
        if total is not None:
            total.addmm_(rows.t().to(total.dtype), result.reshape(len(rows), -1).to(total.dtype))

        total = None if bias is None else totals[id(bias)]
        if total is not None:
            total += rows.sum(0)

        # Of rows and not of the part, which lies beside others: a product of more than two dimensions would copy it.
        of_results.append((rows @ weight.to(rows.dtype)).view(result.shape).to(result.dtype))

    return of_results

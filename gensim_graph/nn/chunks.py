"""Chunked computation: apply a function that treats every token (or cell) on its own to a few thousand at a time.

The intermediate results of a chunk stay in the cache of the processor and never fill the memory; on a large mesh they
are most of the cost besides the matrix products. The backward pass needs the arguments only: it computes the
intermediate results of each chunk again, but does not repeat the matrix products.

In this module an *item* is a token or a cell, and ``items`` is a slice of them.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.nn.functional import linear
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from gensim_graph.typing import Tensor

CPU_ELEMENTS, GPU_ELEMENTS = 2**19, 2**26
"""Size of a chunk: how many numbers of the first argument it holds."""

_FEWEST = 512
"""Smallest number of items in a chunk; fewer would make the matrix products slow."""

Function = Callable[..., tuple[Tensor, ...]]
"""Function of a slice of items, the shared arguments and the parts (B, n, ...) of that slice; returns tensors
(B, n, ...)."""

Matrices = list[tuple[Tensor, Tensor | None]]
"""Weight (out, in) and bias (out,) or None, one pair for each tensor that the function returns."""


def in_chunks(
    function: Function, shared: Any, *tensors: Tensor, matrices: Matrices | None = None
) -> tuple[Tensor, ...]:
    """Apply a function to slices of the second dimension, one after the other.

    Args:
        function: see ``Function``. It may close over constants. Anything that needs a gradient must be passed in
            ``shared``.
        shared: weights and scales for all items, in any nesting of tuples, lists and dictionaries.
        tensors: (B, N, ...) arguments that are cut into chunks.
        matrices: linear maps, one for each tensor that the function returns, applied to it.

    Returns:
        The results of the function for all N items. With ``matrices`` a single tensor: the products side by side.
    """
    if torch.compiler.is_compiling():
        all_items = slice(0, tensors[0].shape[1])
        return _apply(function, matrices, all_items, shared, tensors)

    if not torch.is_grad_enabled():
        return _run(function, matrices, shared, tensors)

    leaves, spec = tree_flatten((shared, matrices))
    return _Chunked.apply(_Call(function, spec, len(tensors)), *tensors, *leaves)


_SAVED = object()
"""Marks the position of a tensor in a list of constants."""


class _Call(NamedTuple):
    """A function and the structure of its flattened arguments."""

    function: Function
    spec: TreeSpec
    n_tensors: int


def _apply(
    function: Function, matrices: Matrices | None, items: slice, shared: Any, parts: tuple[Tensor, ...]
) -> tuple[Tensor, ...]:
    """Apply function and matrices to one chunk."""
    results = function(items, shared, *parts)
    if matrices is None:
        return results

    products = [linear(result, *matrix) for result, matrix in zip(results, matrices, strict=True)]
    return (torch.cat(products, dim=-1) if len(products) > 1 else products[0],)


def _run(function: Function, matrices: Matrices | None, shared: Any, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Apply function and matrices to all chunks; each result is written to its place, so no second copy exists."""
    batch, count = tensors[0].shape[:2]
    if matrices is not None and not torch.is_autocast_enabled(tensors[0].device.type):
        return (_run_products(function, matrices, shared, tensors),)

    whole: tuple[Tensor, ...] = ()
    for items in _chunks(tensors[0]):
        results = _apply(function, matrices, items, shared, tuple(tensor[:, items] for tensor in tensors))
        if items == slice(0, count):
            return results

        whole = whole or tuple(result.new_empty(batch, count, *result.shape[2:]) for result in results)
        for target, result in zip(whole, results, strict=True):
            target[:, items] = result

    return whole


def _run_products(function: Function, matrices: Matrices, shared: Any, tensors: tuple[Tensor, ...]) -> Tensor:
    """Apply function and matrices to all chunks; the products are computed in place, side by side."""
    batch, count = tensors[0].shape[:2]
    whole = tensors[0].new_empty(batch, count, sum(len(weight) for weight, _ in matrices))

    for items in _chunks(tensors[0]):
        results = function(items, shared, *(tensor[:, items] for tensor in tensors))
        multiply_into(whole[:, items], results, matrices)

    return whole


def multiply_into(target: Tensor, parts: Sequence[Tensor], matrices: Matrices) -> None:
    """Write the products of parts and matrices side by side into ``target``, without copying any of them.

    Args:
        target: (B, n, sum of out) result.
        parts: tensors (B, n, in).
        matrices: weight and bias for each part.
    """
    # A contiguous target is one matrix for the whole batch; otherwise each sample is one.
    samples = 1 if target.is_contiguous() else len(target)
    columns = target.split([len(weight) for weight, _ in matrices], dim=-1)

    for part, (weight, bias), column in zip(parts, matrices, columns, strict=True):
        for sample, out in zip(part.chunk(samples), column.chunk(samples), strict=True):
            if bias is None:
                torch.mm(sample.flatten(0, 1), weight.t(), out=out.flatten(0, 1))
            else:
                torch.addmm(bias, sample.flatten(0, 1), weight.t(), out=out.flatten(0, 1))


def _chunks(tensor: Tensor) -> Iterator[slice]:
    """Slices of the second dimension."""
    elements = CPU_ELEMENTS if tensor.device.type == "cpu" else GPU_ELEMENTS
    count = tensor.shape[1]
    step = max(_FEWEST, elements // max(1, tensor[:, :1].numel()))
    return (slice(first, min(first + step, count)) for first in range(0, count, step))


class _Chunked(torch.autograd.Function):
    """Forward pass without an autograd graph; backward pass chunk by chunk, each with a small graph of its own."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *flat: Any) -> tuple[Tensor, ...]:
        tensors, leaves = flat[: call.n_tensors], flat[call.n_tensors :]
        shared, matrices = tree_unflatten(leaves, call.spec)

        device = tensors[0].device.type
        ctx.call = call
        ctx.constants = [_SAVED if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        ctx.autocast = (device, torch.get_autocast_dtype(device), torch.is_autocast_enabled(device))
        ctx.save_for_backward(*tensors, *(leaf for leaf in leaves if isinstance(leaf, Tensor)))

        return _run(call.function, matrices, shared, tensors)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Any, ...]:
        call: _Call = ctx.call
        saved = iter(ctx.saved_tensors)
        needed = ctx.needs_input_grad[1:]
        tensors = [next(saved) for _ in range(call.n_tensors)]

        # New leaves replace the shared tensors, so that the graph of each chunk ends at them.
        leaves = [next(saved).detach() if constant is _SAVED else constant for constant in ctx.constants]
        leaves = [_as_leaf(leaf, need) for leaf, need in zip(leaves, needed[call.n_tensors :], strict=True)]
        leaf_grads = [torch.zeros_like(leaf) if _needs_grad(leaf) else None for leaf in leaves]
        wanted = list(zip(tensors, needed, strict=False))
        tensor_grads = [torch.empty_like(tensor) if need else None for tensor, need in wanted]

        for items in _chunks(tensors[0]):
            parts = [_as_leaf(tensor[:, items], need) for tensor, need in wanted]
            result_grads = [grad[:, items] for grad in grads]
            part_grads = [None if grad is None else grad[:, items] for grad in tensor_grads]
            with torch.enable_grad(), torch.autocast(*ctx.autocast):
                _backward_of_chunk(call, items, parts, leaves, result_grads, part_grads, leaf_grads)

        return None, *tensor_grads, *leaf_grads


def _as_leaf(tensor: Any, need: bool) -> Any:
    return tensor.detach().requires_grad_() if need else tensor


def _needs_grad(leaf: Any) -> bool:
    return isinstance(leaf, Tensor) and leaf.requires_grad


def _backward_of_chunk(
    call: _Call,
    items: slice,
    parts: list[Tensor],
    leaves: list[Any],
    grads: Sequence[Tensor],
    part_grads: list[Tensor | None],
    leaf_grads: list[Tensor | None],
) -> None:
    """Differentiate one chunk.

    Args:
        call: function and structure of the arguments.
        items: the items of the chunk.
        parts: arguments of the chunk.
        leaves: shared arguments, flattened.
        grads: gradients of the results of the chunk.
        part_grads: gradients of the parts, written here; None where none is needed.
        leaf_grads: gradients of the leaves, to which those of this chunk are added; None where none is needed.
    """
    shared, matrices = tree_unflatten(leaves, call.spec)
    results = call.function(items, shared, *parts)

    if matrices is not None:
        grad_of_leaf = {id(leaf): grad for leaf, grad in zip(leaves, leaf_grads, strict=True)}
        with torch.no_grad():
            grads = _backward_of_products(results, matrices, grads[0], grad_of_leaf)

    inputs = [part for part in parts if part.requires_grad]
    weights = [leaf for leaf in leaves if _needs_grad(leaf)]
    outputs = [result for result in results if result.requires_grad]
    output_grads = [grad for result, grad in zip(results, grads, strict=True) if result.requires_grad]
    found = torch.autograd.grad(outputs, inputs + weights, output_grads, allow_unused=True)

    targets = [grad for grad in part_grads if grad is not None]
    for target, gradient in zip(targets, found, strict=False):
        target.zero_() if gradient is None else target.copy_(gradient)

    sums = [grad for grad in leaf_grads if grad is not None]
    for total, gradient in zip(sums, found[len(inputs) :], strict=True):
        if gradient is not None:
            total += gradient


def _backward_of_products(
    results: tuple[Tensor, ...], matrices: Matrices, grad: Tensor, grad_of_leaf: dict[int, Tensor | None]
) -> list[Tensor]:
    """Differentiate the matrix products.

    Args:
        results: factors of the products.
        matrices: weight and bias for each result.
        grad: gradient of the products side by side.
        grad_of_leaf: gradients of weights and biases by ``id``, to which those of this chunk are added.

    Returns:
        Gradients of the results.
    """
    result_grads = []
    columns = grad.split([len(weight) for weight, _ in matrices], dim=-1)

    for result, (weight, bias), column in zip(results, matrices, columns, strict=True):
        rows = column.reshape(-1, column.shape[-1])
        weight_grad = grad_of_leaf[id(weight)]
        if weight_grad is not None:
            weight_grad.addmm_(rows.t().to(weight_grad.dtype), result.reshape(len(rows), -1).to(weight_grad.dtype))

        bias_grad = None if bias is None else grad_of_leaf[id(bias)]
        if bias_grad is not None:
            bias_grad += rows.sum(0)

        # ``column`` lies beside others in memory: a product of more than two dimensions would copy it, rows do not.
        result_grads.append((rows @ weight.to(rows.dtype)).view(result.shape).to(result.dtype))

    return result_grads

"""The Triton kernels as operators of PyTorch with a derivative of their own: they work under torch.compile.

The kernels are imported when the first of them runs, so that the package works without Triton.
"""

import torch

from gensim_graph.nn.native import HEAD_CHANNELS
from gensim_graph.typing import Tensor


@torch.library.custom_op("gensim_graph::triton_attention", mutates_args=())
def triton_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    position: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Attend from every cluster to its listed keys.

    Args:
        query, key, value: (B, T, H, 56), in one precision.
        localisation: (B, T, H, 5) quadratic and linear coefficients.
        position: (T, 8) of :class:`~gensim_graph.nn.attention.triton.triton_backend.TritonTables`.
        keys, key_counts: (C, K) and (C,).
        readers, reader_counts: (C, N) and (C,); only the backward pass reads them.

    Returns:
        Content and moments (B, T, H, 64) and log-sum-exp (B, H, T), in single precision.
    """
    from gensim_graph.nn.attention.triton import triton_kernel

    tables = [table.contiguous() for table in (query, key, value, localisation)]
    out, log_sum = _outputs(query)

    with torch.cuda.device_of(query):
        triton_kernel.attend[_grid(query, keys)](
            *tables, position, keys, key_counts, out, log_sum, *_sizes(query, keys),
            **_tiling(query, keys), MOMENTS="ieee" if query.dtype == torch.float32 else "tf32",
        )  # fmt: skip

    return out, log_sum


@triton_attention.register_fake
def _(query: Tensor, *others: Tensor) -> tuple[Tensor, Tensor]:
    return _outputs(query)


@torch.library.custom_op("gensim_graph::triton_attention_backward", mutates_args=())
def triton_attention_backward(
    grad: Tensor,
    out: Tensor,
    log_sum: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    position: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients of query, key, value and localisation.

    Args:
        grad: (B, T, H, 64) gradient of the output.
        out, log_sum: results of :func:`triton_attention`.
        query, key, value, localisation, position, keys, key_counts, readers, reader_counts: its arguments.
    """
    from gensim_graph.nn.attention.triton import triton_kernel

    tables = [table.contiguous() for table in (query, key, value, localisation)]
    grads = _like(query, key, value, localisation)
    # The gradient is rounded here, once, and not by every program that gathers it. Delta comes from the rounded one.
    low = grad.to(query.dtype).contiguous()
    delta = (low * out).sum(-1).transpose(1, 2).contiguous()
    shared = (low, log_sum, delta)

    with torch.cuda.device_of(query):
        triton_kernel.differentiate_queries[_grid(query, keys)](
            *tables, position, keys, key_counts, *shared, grads[0], grads[3],
            *_sizes(query, keys), **_tiling(query, keys),
        )  # fmt: skip
        triton_kernel.differentiate_keys[_grid(query, keys)](
            *tables, position, readers, reader_counts, *shared, grads[1], grads[2],
            *_sizes(query, readers), **_tiling(query, readers),
        )  # fmt: skip

    return grads


@triton_attention_backward.register_fake
def _(
    grad: Tensor,
    out: Tensor,
    log_sum: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    *others: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return _like(query, key, value, localisation)


def _keep(ctx, inputs, output) -> None:  # type: ignore[no-untyped-def]
    ctx.save_for_backward(*output, *inputs)


def _differentiate(ctx, grad, _):  # type: ignore[no-untyped-def]
    return (*triton_attention_backward(grad, *ctx.saved_tensors), None, None, None, None, None)


triton_attention.register_autograd(_differentiate, setup_context=_keep)


def _outputs(query: Tensor) -> tuple[Tensor, Tensor]:
    batch, tokens, heads, _ = query.shape
    out = query.new_empty(batch, tokens, heads, HEAD_CHANNELS, dtype=torch.float32)
    return out, query.new_empty(batch, heads, tokens, dtype=torch.float32)


def _like(query: Tensor, key: Tensor, value: Tensor, localisation: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Contiguous tensors of the same shapes and precisions."""

    def empty(table: Tensor) -> Tensor:
        return torch.empty_like(table, memory_format=torch.contiguous_format)

    return empty(query), empty(key), empty(value), empty(localisation)


def _grid(query: Tensor, listed: Tensor) -> tuple[int, int]:
    """Programs: heads next to each other, as they share lists and read neighbouring rows of the tables."""
    return len(listed) * query.shape[2], len(query)


def _sizes(query: Tensor, listed: Tensor) -> tuple[int, int, int]:
    return query.shape[1], query.shape[2], listed.shape[1]


def _tiling(query: Tensor, listed: Tensor) -> dict[str, int]:
    """Tokens of a cluster and of a tile, and warps of a program."""
    return tiling(query.shape[1] // len(listed), query.dtype)


def tiling(width: int, dtype: torch.dtype) -> dict[str, int]:
    """Return the one form in which the kernels are compiled for clusters of some size; nothing is tuned at run time.

    A thread has 255 registers. Compiled for compute capability 8.0 and 9.0, this form needs no more of them, or a few,
    for clusters of 64 tokens: in single precision, whose products take twice the registers, the work of a program is
    shared by twice as many warps. With four warps, 1 to 5 kB a thread went to slow memory. Clusters of 128 tokens in
    single precision take half a tile at a time, or 128 kB of shared memory would be needed.

    Args:
        width: tokens of a cluster.
        dtype: precision of query, key and value.
    """
    single = dtype == torch.float32
    warps = 8 if width > 64 or (single and width == 64) else 4
    return {"WIDTH": width, "TILE": 16 if single and width > 64 else 32, "num_warps": warps}

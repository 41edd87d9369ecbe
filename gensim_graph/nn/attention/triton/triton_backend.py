"""Backend ``triton``: fused kernels for a GPU that gather keys by their index and write no logits.

The kernels are in :mod:`~gensim_graph.nn.attention.triton.triton_kernel`, which is imported when the first of them runs: the package
works without Triton. As custom operators of PyTorch with a derivative of their own they work under torch.compile.
With TRITON_INTERPRET=1 they run on a CPU, slowly, which is how the tests check them where there is no GPU.
"""

import os
from dataclasses import dataclass
from importlib.util import find_spec

import torch

from gensim_graph.errors import InputError
from gensim_graph.graph import MeshGraph
from gensim_graph.nn.attention.heads import HEAD_CHANNELS, HEAD_CONTENT, AttentionOutput, AttentionPlan, Backend, Packed
from gensim_graph.nn.attention.localisation import Localisation
from gensim_graph.nn.attention.triton.token_lists import TokenLists, list_keys, list_readers, token_places
from gensim_graph.typing import Float, Tensor


@dataclass(frozen=True)
class TritonBlocks:
    """What the kernels look up.

    Attributes:
        place: (T, 8) x, y in m rounded to single precision, the rest of x, y, one over the length, squared reach in
            lengths, log of the area in units of their geometric mean, 0. Reach 0 and -1e4 for padding.
        keys: of each cluster.
        readers: the queries that see each cluster.
    """

    place: Float[Tensor, "token 8"]
    keys: TokenLists
    readers: TokenLists


def _plan(graph: MeshGraph) -> AttentionPlan:
    _require_triton(graph)
    return AttentionPlan(graph, "triton", blocks=TritonBlocks(_places(graph), list_keys(graph), list_readers(graph)))


def _require_triton(graph: MeshGraph) -> None:
    """Whether the kernels can run, and on this graph.

    Raises:
        InputError: they cannot.
    """
    if find_spec("triton") is None:
        raise InputError("attention backend 'triton': needs the package triton: pip install triton; or take 'clusters'")

    device, width = graph.token_pos.device.type, graph.query_pos.shape[1]
    if device != "cuda" and os.environ.get("TRITON_INTERPRET") != "1":
        raise InputError(f"attention backend 'triton': needs a GPU; the graph is on '{device}', where 'native' is fast")
    if width < 16 or width & (width - 1):
        raise InputError(f"attention backend 'triton': clusters of {width} tokens; expected 16, 32, 64 or 128")


def _places(graph: MeshGraph) -> Float[Tensor, "token 8"]:
    exact, real = token_places(graph), graph.token_valid
    high = exact.float()
    low = (exact - high).float()
    log_area = torch.where(real, graph.token_area, 1.0).double().log()
    # Any constant drops out of the softmax; small numbers are precise ones.
    log_area = torch.where(real, log_area - log_area[real].mean(), -1e4).float()
    reach2 = graph.radius[graph.token_graph].square() * real
    columns = (1 / graph.token_length, reach2, log_area, torch.zeros_like(log_area))

    return torch.cat((high, low, torch.stack(columns, dim=-1)), dim=-1)


def _pack(
    query: Tensor, key: Tensor, value: Tensor, localisation: Localisation, plan: AttentionPlan, tokens: slice
) -> Packed:
    """In the precision of the values, the localisation (B, t, H, 5) in single precision."""
    dtype = value.dtype if value.dtype in (torch.bfloat16, torch.float16) else torch.float32
    coefficients = torch.cat((localisation.quadratic, localisation.linear), dim=-1)
    return query.to(dtype), key.to(dtype), value.to(dtype), coefficients.float()


def _attend(packed: Packed, plan: AttentionPlan) -> Float[Tensor, "batch token head 64"]:
    """Content, and moments without their scale, in single precision."""
    blocks = plan.blocks
    assert isinstance(blocks, TritonBlocks)
    return triton_attention(*packed, blocks.place, *blocks.keys, *blocks.readers)[0]


def _finish(raw: Tensor, scale: Tensor, plan: AttentionPlan, tokens: slice) -> AttentionOutput:
    content, moments = raw.split((HEAD_CONTENT, HEAD_CHANNELS - HEAD_CONTENT), dim=-1)
    return content, moments * scale[:, None]


TRITON = Backend(_plan, _pack, _attend, _finish)


@torch.library.custom_op("gensim_graph::triton_attention", mutates_args=())
def triton_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    place: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Attend.

    Args:
        query, key, value: (B, T, H, 56), of one precision.
        localisation: (B, T, H, 5) quadratic and linear coefficients.
        place: (T, 8) of :class:`TritonBlocks`.
        keys, key_counts: (C, K) and (C,).
        readers, reader_counts: (C, N) and (C,), which only the backward pass looks at.

    Returns:
        Content and moments (B, T, H, 64) and log-sum-exp (B, H, T), in single precision.
    """
    from gensim_graph.nn.attention.triton import triton_kernel

    tables = [table.contiguous() for table in (query, key, value, localisation)]
    out, log_sum = _outputs(query)

    with torch.cuda.device_of(query):
        triton_kernel.attend[_grid(query, keys)](
            *tables, place, keys, key_counts, out, log_sum, *_sizes(query, keys),
            **_tiling(query, keys), MOMENTS="ieee" if query.dtype == torch.float32 else "tf32",
        )  # fmt: skip

    return out, log_sum


@triton_attention.register_fake
def _(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    place: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
) -> tuple[Tensor, Tensor]:
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
    place: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Gradients of query, key, value and localisation."""
    from gensim_graph.nn.attention.triton import triton_kernel

    tables = [table.contiguous() for table in (query, key, value, localisation)]
    found = _like(*tables)
    # Rounded once, here, not by every program that gathers it; the mean is that of the rounded one.
    low = grad.to(query.dtype).contiguous()
    delta = (low * out).sum(-1).transpose(1, 2).contiguous()
    kept = (low, log_sum, delta)

    with torch.cuda.device_of(query):
        triton_kernel.differentiate_queries[_grid(query, keys)](
            *tables, place, keys, key_counts, *kept, found[0], found[3], *_sizes(query, keys), **_tiling(query, keys)
        )
        triton_kernel.differentiate_keys[_grid(query, keys)](
            *tables, place, readers, reader_counts, *kept, found[1], found[2],
            *_sizes(query, readers), **_tiling(query, readers),
        )  # fmt: skip

    return found


@triton_attention_backward.register_fake
def _(
    grad: Tensor,
    out: Tensor,
    log_sum: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    localisation: Tensor,
    place: Tensor,
    keys: Tensor,
    key_counts: Tensor,
    readers: Tensor,
    reader_counts: Tensor,
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
    some = (
        torch.empty_like(table, memory_format=torch.contiguous_format) for table in (query, key, value, localisation)
    )
    return next(some), next(some), next(some), next(some)


def _grid(query: Tensor, listed: Tensor) -> tuple[int, int]:
    """Heads next to each other: they share lists, and rows of the tables that lie side by side."""
    return len(listed) * query.shape[2], len(query)


def _sizes(query: Tensor, listed: Tensor) -> tuple[int, int, int]:
    return query.shape[1], query.shape[2], listed.shape[1]


def _tiling(query: Tensor, listed: Tensor) -> dict[str, int]:
    """Tokens of a cluster and of a tile."""
    width = query.shape[1] // len(listed)
    return {"WIDTH": width, "TILE": 32, "num_warps": 4 if width <= 64 else 8}

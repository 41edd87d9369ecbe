"""The gates and products of :class:`~gensim_graph.nn.spin.SpinMLP`, with a derivative written out.

Left to automatic differentiation they are some ninety passes over narrow slices, most of them copies; here each
product is added where it belongs.
"""

from typing import Any

import torch
from torch.nn import functional

from gensim_graph.nn.native import call, expect_shapes, native_serves
from gensim_graph.typing import Float, Tensor

Parts = tuple[Tensor, Tensor, Tensor]
"""Scalars, vectors and tensors."""


def spin_gate(hidden: Float[Tensor, "*rest hidden"], n: int, m: int) -> Parts:
    """Hidden features -> scalars, vectors and tensors.

    With scalars s, gates g, vectors a, b and tensors c, d, complex and of m channels each:

        scalars (s silu(g) | Re a b* | Im a b* | Re c d*),   vectors (a sigmoid(g1) | c b*),
        tensors (c sigmoid(g2) | a b).

    Args:
        hidden: (..., 2 n + 10 m): s, g (n each), g1, g2 (m each), [Re a, Re b | Im a, Im b], the same of c and d.
        n, m: channels.

    Returns:
        (..., n + 3 m), (..., 4 m) and (..., 4 m), the complex ones as [Re | Im].
    """
    if torch.compiler.is_compiling():  # which fuses the passes and derives them by itself
        return plain_gate(hidden, n, m)
    gate = _NativeGate if native_serves(hidden) else _Gate
    scalars, vectors, tensors = gate.apply(hidden, n, m)
    return scalars, vectors, tensors


def plain_gate(hidden: Float[Tensor, "*rest hidden"], n: int, m: int) -> Parts:
    """The same as it stands above."""
    s, g, g1, g2, a0, b0, a1, b1, c0, d0, c1, d1 = _names(hidden, n, m)
    g1, g2 = g1.sigmoid(), g2.sigmoid()
    scalars = (s * functional.silu(g), a0 * b0 + a1 * b1, a1 * b0 - a0 * b1, c0 * d0 + c1 * d1)
    vectors = (a0 * g1, c0 * b0 + c1 * b1, a1 * g1, c1 * b0 - c0 * b1)
    tensors = (c0 * g2, a0 * b0 - a1 * b1, c1 * g2, a0 * b1 + a1 * b0)

    return torch.cat(scalars, dim=-1), torch.cat(vectors, dim=-1), torch.cat(tensors, dim=-1)


def _names(hidden: Tensor, n: int, m: int) -> tuple[Tensor, ...]:
    """s, g, g1, g2, a0, b0, a1, b1, c0, d0, c1, d1."""
    return hidden.split((n, n, *[m] * 10), dim=-1)


class _Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, n: int, m: int) -> Parts:
        ctx.save_for_backward(hidden)
        ctx.widths = n, m
        s, g, g1, g2, a0, b0, a1, b1, c0, d0, c1, d1 = _names(hidden, n, m)
        scalars, vectors, tensors = (hidden.new_empty(*hidden.shape[:-1], k) for k in (n + 3 * m, 4 * m, 4 * m))
        gated, ab0, ab1, cd = scalars.split((n, m, m, m), dim=-1)
        va0, cb0, va1, cb1 = vectors.split(m, dim=-1)
        tc0, aa0, tc1, aa1 = tensors.split(m, dim=-1)
        torch.mul(s, functional.silu(g), out=gated)
        torch.mul(a0, b0, out=ab0).addcmul_(a1, b1)
        torch.mul(a1, b0, out=ab1).addcmul_(a0, b1, value=-1)
        torch.mul(c0, d0, out=cd).addcmul_(c1, d1)
        torch.mul(c0, b0, out=cb0).addcmul_(c1, b1)
        torch.mul(c1, b0, out=cb1).addcmul_(c0, b1, value=-1)
        torch.mul(a0, b0, out=aa0).addcmul_(a1, b1, value=-1)
        torch.mul(a0, b1, out=aa1).addcmul_(a1, b0)
        vector_gate, tensor_gate = g1.sigmoid(), g2.sigmoid()
        torch.mul(a0, vector_gate, out=va0)
        torch.mul(a1, vector_gate, out=va1)
        torch.mul(c0, tensor_gate, out=tc0)
        torch.mul(c1, tensor_gate, out=tc1)

        return scalars, vectors, tensors

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (hidden,), (n, m) = ctx.saved_tensors, ctx.widths
        s, g, g1, g2, a0, b0, a1, b1, c0, d0, c1, d1 = _names(hidden, n, m)
        into = torch.empty_like(hidden)
        ds, dg, dg1, dg2, da0, db0, da1, db1, dc0, dd0, dc1, dd1 = _names(into, n, m)
        gated, ab0, ab1, cd = grads[0].split((n, m, m, m), dim=-1)
        va0, cb0, va1, cb1 = grads[1].split(m, dim=-1)
        tc0, aa0, tc1, aa1 = grads[2].split(m, dim=-1)
        torch.mul(gated, functional.silu(g), out=ds)
        dg.copy_(torch.ops.aten.silu_backward(gated * s, g))
        vector_gate, tensor_gate = g1.sigmoid(), g2.sigmoid()
        dg1.copy_(torch.ops.aten.sigmoid_backward((va0 * a0).addcmul_(va1, a1), vector_gate))
        dg2.copy_(torch.ops.aten.sigmoid_backward((tc0 * c0).addcmul_(tc1, c1), tensor_gate))
        # a and b meet in a b* and in a b, whose gradients come as sums and differences.
        both0, both1, apart0, apart1 = ab0 + aa0, ab1 + aa1, ab0 - aa0, aa1 - ab1
        torch.mul(both0, b0, out=da0).addcmul_(apart1, b1).addcmul_(va0, vector_gate)
        torch.mul(both1, b0, out=da1).addcmul_(apart0, b1).addcmul_(va1, vector_gate)
        torch.mul(both0, a0, out=db0).addcmul_(both1, a1).addcmul_(cb0, c0).addcmul_(cb1, c1)
        torch.mul(apart0, a1, out=db1).addcmul_(apart1, a0).addcmul_(cb0, c1).addcmul_(cb1, c0, value=-1)
        torch.mul(cd, d0, out=dc0).addcmul_(cb0, b0).addcmul_(cb1, b1, value=-1).addcmul_(tc0, tensor_gate)
        torch.mul(cd, d1, out=dc1).addcmul_(cb0, b1).addcmul_(cb1, b0).addcmul_(tc1, tensor_gate)
        torch.mul(cd, c0, out=dd0)
        torch.mul(cd, c1, out=dd1)

        return into, None, None


class _NativeGate(torch.autograd.Function):
    """The same in compiled code."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, n: int, m: int) -> Parts:
        expect_shapes("gate", (hidden, (*hidden.shape[:-1], 2 * n + 10 * m)))
        hidden = hidden.contiguous()
        ctx.save_for_backward(hidden)
        ctx.widths = n, m
        gated = hidden.new_empty(*hidden.shape[:-1], n + 11 * m)
        call("gate", gated[..., 0].numel(), n, m, hidden, gated)
        scalars, vectors, tensors = gated.split((n + 3 * m, 4 * m, 4 * m), dim=-1)

        return scalars, vectors, tensors

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (hidden,), (n, m) = ctx.saved_tensors, ctx.widths
        into, parts = torch.empty_like(hidden), [grad.contiguous() for grad in grads]
        call("gate_gradient", hidden[..., 0].numel(), n, m, hidden, *parts, into)
        return into, None, None

"""Gates and products of channels: the nonlinear step of :class:`~gensim_graph.nn.spin.SpinMLP`.

The gradient is written by hand. Automatic differentiation needs about ninety passes over narrow slices, most of them
copies; here every product is written, or added, directly to its place in the result.
"""

from typing import Any, NamedTuple

import torch
from torch.nn import functional

from gensim_graph.nn.native import call, expect_shapes, native_applies
from gensim_graph.typing import Float, Tensor

Complex = tuple[Tensor, Tensor]
"""Real and imaginary part."""

SpinParts = tuple[Tensor, Tensor, Tensor]
"""Scalars, vectors [Re | Im] and tensors [Re | Im]."""


def times(a: Complex, b: Complex) -> Complex:
    """Compute a b, whose spin is the sum of both spins.

    Args:
        a, b: real and imaginary parts, of the same shape.
    """
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def times_conjugate(a: Complex, b: Complex) -> Complex:
    """Compute a conj(b), whose spin is that of a minus that of b.

    Args:
        a, b: real and imaginary parts, of the same shape.
    """
    return a[0] * b[0] + a[1] * b[1], a[1] * b[0] - a[0] * b[1]


def spin_gate(hidden: Float[Tensor, "*rest hidden"], n: int, m: int) -> SpinParts:
    """Gate the hidden features and multiply them with each other.

    With scalars s, gates g, g1, g2, vectors a, b and tensors c, d (complex; ``*`` is the conjugate) the results are

        scalars (s silu(g) | Re a b* | Im a b* | Re c d*),   vectors (a sigmoid(g1) | c b*),
        tensors (c sigmoid(g2) | a b).

    Args:
        hidden: (..., 2 n + 10 m): s, g (n each), g1, g2 (m each), [Re a, Re b | Im a, Im b], [Re c, Re d | Im c, Im d].
        n: number of scalar channels.
        m: number of channels of each complex group.

    Returns:
        Scalars (..., n + 3 m), vectors (..., 4 m) and tensors (..., 4 m), the complex ones as [Re | Im].
    """
    if torch.compiler.is_compiling():  # the compiler fuses the passes and differentiates them itself
        return plain_gate(hidden, n, m)

    gate = _NativeGate if native_applies(hidden) else _Gate
    scalars, vectors, tensors = gate.apply(hidden, n, m)
    return scalars, vectors, tensors


def plain_gate(hidden: Float[Tensor, "*rest hidden"], n: int, m: int) -> SpinParts:
    """Reference form of :func:`spin_gate`; a compiler fuses it.

    Args:
        hidden: as in :func:`spin_gate`.
        n: number of scalar channels.
        m: number of channels of each complex group.
    """
    h = _Hidden.split(hidden, n, m)
    a_gate, c_gate = h.a_gate.sigmoid(), h.c_gate.sigmoid()

    ab_conj, cd_conj = times_conjugate(h.a, h.b), h.c[0] * h.d[0] + h.c[1] * h.d[1]
    scalars = (h.s * functional.silu(h.s_gate), *ab_conj, cd_conj)
    cb_conj = times_conjugate(h.c, h.b)
    vectors = (h.a[0] * a_gate, cb_conj[0], h.a[1] * a_gate, cb_conj[1])
    ab = times(h.a, h.b)
    tensors = (h.c[0] * c_gate, ab[0], h.c[1] * c_gate, ab[1])

    return torch.cat(scalars, dim=-1), torch.cat(vectors, dim=-1), torch.cat(tensors, dim=-1)


class _Hidden(NamedTuple):
    """Hidden features by name: s, its gate g, the gates g1 of a and g2 of c, and the complex channels a, b, c, d."""

    s: Tensor
    s_gate: Tensor
    a_gate: Tensor
    c_gate: Tensor
    a: Complex
    b: Complex
    c: Complex
    d: Complex

    @classmethod
    def split(cls, hidden: Tensor, n: int, m: int) -> "_Hidden":
        gates, complex_parts = hidden.split((2 * n + 2 * m, 8 * m), dim=-1)
        s, s_gate, a_gate, c_gate = gates.split((n, n, m, m), dim=-1)
        parts = complex_parts.split(m, dim=-1)
        a, b = (parts[0], parts[2]), (parts[1], parts[3])
        c, d = (parts[4], parts[6]), (parts[5], parts[7])
        return cls(s, s_gate, a_gate, c_gate, a, b, c, d)


class _Gated(NamedTuple):
    """Gated features and products by name; ``conj`` marks a product with the conjugate of the second factor."""

    s: Tensor
    ab_conj: Complex
    cd_conj: Tensor
    a: Complex
    cb_conj: Complex
    c: Complex
    ab: Complex

    @classmethod
    def split(cls, parts: tuple[Tensor, ...], n: int, m: int) -> "_Gated":
        scalars = parts[0].split((n, m, m, m), dim=-1)
        vectors, tensors = parts[1].split(m, dim=-1), parts[2].split(m, dim=-1)
        a, cb_conj = (vectors[0], vectors[2]), (vectors[1], vectors[3])
        c, ab = (tensors[0], tensors[2]), (tensors[1], tensors[3])
        return cls(scalars[0], (scalars[1], scalars[2]), scalars[3], a, cb_conj, c, ab)


class _Gate(torch.autograd.Function):
    """Gates and products in PyTorch, written to their places."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, n: int, m: int) -> SpinParts:
        ctx.save_for_backward(hidden)
        ctx.widths = n, m
        scalars, vectors, tensors = (hidden.new_empty(*hidden.shape[:-1], k) for k in (n + 3 * m, 4 * m, 4 * m))
        h, out = _Hidden.split(hidden, n, m), _Gated.split((scalars, vectors, tensors), n, m)

        torch.mul(h.s, functional.silu(h.s_gate), out=out.s)
        _write_product_conjugate(h.a, h.b, out.ab_conj)
        torch.mul(h.c[0], h.d[0], out=out.cd_conj).addcmul_(h.c[1], h.d[1])
        _write_product_conjugate(h.c, h.b, out.cb_conj)
        _write_product(h.a, h.b, out.ab)
        _write_scaled(h.a, h.a_gate.sigmoid(), out.a)
        _write_scaled(h.c, h.c_gate.sigmoid(), out.c)

        return scalars, vectors, tensors

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (hidden,), (n, m) = ctx.saved_tensors, ctx.widths
        result = torch.empty_like(hidden)
        h, grad, into = _Hidden.split(hidden, n, m), _Gated.split(grads, n, m), _Hidden.split(result, n, m)
        a_gate, c_gate = h.a_gate.sigmoid(), h.c_gate.sigmoid()

        _gradient_of_gates(h, grad, into, a_gate, c_gate)
        _gradient_of_vectors(h, grad, into, a_gate)
        _gradient_of_tensors(h, grad, into, c_gate)

        return result, None, None


def _write_product(a: Complex, b: Complex, out: Complex) -> None:
    torch.mul(a[0], b[0], out=out[0]).addcmul_(a[1], b[1], value=-1)
    torch.mul(a[0], b[1], out=out[1]).addcmul_(a[1], b[0])


def _write_product_conjugate(a: Complex, b: Complex, out: Complex) -> None:
    torch.mul(a[0], b[0], out=out[0]).addcmul_(a[1], b[1])
    torch.mul(a[1], b[0], out=out[1]).addcmul_(a[0], b[1], value=-1)


def _write_scaled(a: Complex, factor: Tensor, out: Complex) -> None:
    torch.mul(a[0], factor, out=out[0])
    torch.mul(a[1], factor, out=out[1])


def _gradient_of_gates(h: _Hidden, grad: _Gated, into: _Hidden, a_gate: Tensor, c_gate: Tensor) -> None:
    """Write the gradients of the scalars and of all gates."""
    torch.mul(grad.s, functional.silu(h.s_gate), out=into.s)
    into.s_gate.copy_(torch.ops.aten.silu_backward(grad.s * h.s, h.s_gate))

    of_a_gate = (grad.a[0] * h.a[0]).addcmul_(grad.a[1], h.a[1])
    into.a_gate.copy_(torch.ops.aten.sigmoid_backward(of_a_gate, a_gate))
    of_c_gate = (grad.c[0] * h.c[0]).addcmul_(grad.c[1], h.c[1])
    into.c_gate.copy_(torch.ops.aten.sigmoid_backward(of_c_gate, c_gate))


def _gradient_of_vectors(h: _Hidden, grad: _Gated, into: _Hidden, a_gate: Tensor) -> None:
    """Write the gradients of a and b, which occur in a b*, a b and c b*."""
    # The gradients of a b* and a b enter only as their sums and differences.
    sum_re, difference_re = grad.ab_conj[0] + grad.ab[0], grad.ab_conj[0] - grad.ab[0]
    sum_im, difference_im = grad.ab_conj[1] + grad.ab[1], grad.ab[1] - grad.ab_conj[1]
    (a_re, a_im), (b_re, b_im), (c_re, c_im) = h.a, h.b, h.c
    cb_re, cb_im = grad.cb_conj

    torch.mul(sum_re, b_re, out=into.a[0]).addcmul_(difference_im, b_im).addcmul_(grad.a[0], a_gate)
    torch.mul(sum_im, b_re, out=into.a[1]).addcmul_(difference_re, b_im).addcmul_(grad.a[1], a_gate)

    into_b_re = torch.mul(sum_re, a_re, out=into.b[0]).addcmul_(sum_im, a_im)
    into_b_re.addcmul_(cb_re, c_re).addcmul_(cb_im, c_im)
    into_b_im = torch.mul(difference_re, a_im, out=into.b[1]).addcmul_(difference_im, a_re)
    into_b_im.addcmul_(cb_re, c_im).addcmul_(cb_im, c_re, value=-1)


def _gradient_of_tensors(h: _Hidden, grad: _Gated, into: _Hidden, c_gate: Tensor) -> None:
    """Write the gradients of c and d, which occur in c b* and Re c d*."""
    (b_re, b_im), (c_re, c_im), (d_re, d_im) = h.b, h.c, h.d
    cb_re, cb_im = grad.cb_conj

    into_c_re = torch.mul(grad.cd_conj, d_re, out=into.c[0]).addcmul_(cb_re, b_re).addcmul_(cb_im, b_im, value=-1)
    into_c_re.addcmul_(grad.c[0], c_gate)
    into_c_im = torch.mul(grad.cd_conj, d_im, out=into.c[1]).addcmul_(cb_re, b_im).addcmul_(cb_im, b_re)
    into_c_im.addcmul_(grad.c[1], c_gate)

    torch.mul(grad.cd_conj, c_re, out=into.d[0])
    torch.mul(grad.cd_conj, c_im, out=into.d[1])


class _NativeGate(torch.autograd.Function):
    """Gates and products in compiled code."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, n: int, m: int) -> SpinParts:
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
        result = torch.empty_like(hidden)
        parts = [grad.contiguous() for grad in grads]
        call("gate_gradient", hidden[..., 0].numel(), n, m, hidden, *parts, result)

        return result, None, None

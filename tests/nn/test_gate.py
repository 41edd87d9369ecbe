"""Hand-written gradients, compared with finite differences, complex arithmetic and automatic differentiation."""

import pytest
import torch

from gensim_graph.nn.attention.split import plain_split, split_heads
from gensim_graph.nn.gate import plain_gate, spin_gate
from gensim_graph.nn.native import HEAD_SPINS
from gensim_graph.typing import Tensor

N, M, HEADS = 3, 2, 2


def hidden(*rest: int) -> Tensor:
    return torch.randn(*rest, 2 * N + 10 * M, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def projected() -> Tensor:
    n, m, k = HEAD_SPINS
    width = HEADS * (3 * n + 1 + 2 * (3 * m + 1) + 2 * (3 * k + 1))
    return torch.randn(2, 5, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def scales() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.rand(HEADS, 56, dtype=torch.float64, generator=generator) + 0.5 for _ in range(2)]


@pytest.mark.parametrize("gate", [spin_gate, plain_gate])
def test_gates_and_products(gate):
    """Compared with complex arithmetic."""
    features = hidden(4)
    s, g, g1, g2, a0, b0, a1, b1, c0, d0, c1, d1 = features.split((N, N, *[M] * 10), dim=-1)
    a, b, c, d = (torch.complex(*pair) for pair in ((a0, a1), (b0, b1), (c0, c1), (d0, d1)))
    scalars, vectors, tensors = gate(features, N, M)
    ab, cd = a * b.conj(), c * d.conj()
    expected = torch.cat((s * g * torch.sigmoid(g), ab.real, ab.imag, cd.real), dim=-1)
    torch.testing.assert_close(scalars, expected)
    for came, parts in ((vectors, (a * g1.sigmoid(), c * b.conj())), (tensors, (c * g2.sigmoid(), a * b))):
        whole = torch.cat(parts, dim=-1)
        torch.testing.assert_close(came, torch.cat((whole.real, whole.imag), dim=-1))


def test_gradient_of_the_gates():
    features = hidden(2, 3).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: spin_gate(f, N, M), features)


@pytest.mark.parametrize("split", [split_heads, plain_split])
def test_heads_are_normalised(split):
    """Queries and keys have a root mean square of one, times their scale; values and places are untouched."""
    features, (query_scale, key_scale) = projected(), scales()
    query, key, value, place = split(features, query_scale, key_scale)
    for part, scale in ((query, query_scale), (key, key_scale)):
        norm = (part / scale).square().mean(-1)
        torch.testing.assert_close(norm, torch.ones_like(norm), rtol=1e-5, atol=0)
    n = HEAD_SPINS[0]
    first = features[..., : 3 * n + 1]  # the scalars of the first head: query, key, value, place
    torch.testing.assert_close(value[:, :, 0, :n], first[..., 2 * n : 3 * n])
    torch.testing.assert_close(place[:, :, 0, 0], first[..., -1])
    direction = query[:, :, 0, :n] / query_scale[0, :n]
    torch.testing.assert_close(direction[..., 1:] / direction[..., :1], first[..., 1:n] / first[..., :1])


def test_gradient_of_the_heads():
    """Gradients of features and scales, compared with automatic differentiation of the reference form."""
    leaves = [projected().requires_grad_(), *(scale.requires_grad_() for scale in scales())]
    found = []
    for split in (split_heads, plain_split):
        parts = split(*leaves)
        total = sum((part.sin() * (1 + torch.arange(part.numel()).view(part.shape) % 7)).sum() for part in parts)
        found.append(torch.autograd.grad(total, leaves))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)

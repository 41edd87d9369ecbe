"""Compiled code for tokens against the same in PyTorch and double precision, forward and backward."""

import pytest
import torch
from support.examples import random_operator, relative_error
from support.meshes import jittered_box

from gensim_graph.graph import build_graph
from gensim_graph.nn.attention import BACKENDS, LocalAttention, backends, plan_attention
from gensim_graph.nn.attention.localisation import localise
from gensim_graph.nn.attention.native.native_tokens import native_join_heads, native_split_heads
from gensim_graph.nn.attention.split import join_heads, plain_split
from gensim_graph.nn.gate import plain_gate, spin_gate
from gensim_graph.nn.native import loader as native_library
from gensim_graph.nn.spin import Spins

if not native_library.native_available():
    pytest.skip("no C++ compiler is installed", allow_module_level=True)

HEADS = 3
GRAPH = build_graph(jittered_box(14))
PLAN = plan_attention(GRAPH, "native")
QUERIES = PLAN.tables.queries
WIDTH = sum(parts * HEADS * (3 * width + 1) for parts, width in ((1, 28), (2, 7), (2, 7)))
RANGES = [slice(0, len(GRAPH.token_area)), slice(5, 70)]


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def weights():
    """Away from where they start, one head at the end of what a width may be."""
    found = LocalAttention(Spins(8, 2, 2), HEADS).weights
    return [noise(*part.shape, seed=7) + 1 if part.dim() == 2 else part.detach() for part in found]


def doubled(tensors):
    return [part.detach().double().requires_grad_() for part in tensors]


def assert_same(ways, inputs):
    """Outputs, and gradients of a random functional, of a function in single and one in double precision."""
    found = []
    for way, leaves in zip(ways, ([part.detach().requires_grad_() for part in inputs], doubled(inputs)), strict=True):
        outputs = way(*leaves)
        total = sum((part * noise(*part.shape, seed=k)).sum() for k, part in enumerate(outputs))
        found.append([*outputs, *torch.autograd.grad(total, leaves)])
    for index, (came, expected) in enumerate(zip(*found, strict=True)):
        assert relative_error(came, expected) < 2e-6, index


def plain_split_heads(tokens):
    """The stages one after the other, with the keys and values of ``native``."""

    def way(projected, query_scale, key_scale, log_scale):
        query, key, value, place = plain_split(projected, query_scale, key_scale)
        localisation = localise(log_scale, place[..., 0], place[..., 1:3], place[..., 3:5])
        ratio = QUERIES.ratio[tokens, None, None].double()
        x, y = GRAPH.query_pos.flatten(0, 1)[tokens].double().unsqueeze(1).unbind(-1)
        xx, xy, yy = (localisation.quadratic * ratio**2).unbind(-1)
        bx, by = (localisation.linear * ratio).unbind(-1)
        ax, ay = xx * x + xy * y, xy * x + yy * y
        own = -0.5 * (ax * x + ay * y) - bx * x - by * y
        one = torch.ones_like(xx)
        places = torch.stack((ax + bx, ay + by, xx, xy, yy, one, own, 0 * one), dim=-1)
        return torch.cat((query, places), dim=-1), torch.cat((key, value), dim=-1)

    return way


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("tokens", RANGES)
def test_before_the_attention(batch, tokens):
    projected = noise(batch, len(GRAPH.token_area), WIDTH)[:, tokens]  # not contiguous for two samples
    of_native = lambda rows, *rest: native_split_heads(rows, native_weights(rest), QUERIES.part(tokens))  # noqa: E731
    assert_same((of_native, plain_split_heads(tokens)), [projected, *weights()])


def native_weights(parts):
    return LocalAttention(Spins(8, 2, 2), HEADS).weights._replace(
        query_scale=parts[0], key_scale=parts[1], log_scale=parts[2]
    )


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("tokens", RANGES)
def test_after_the_attention(batch, tokens):
    raw = noise(batch, len(GRAPH.token_area), HEADS, 64)[:, tokens]

    def of_native(rows, log_scale):
        return (native_join_heads(rows, log_scale.exp(), QUERIES.part(tokens)),)

    def plain(rows, log_scale):
        return (join_heads(*BACKENDS["native"].finish(rows, log_scale.exp(), PLAN, tokens)),)

    assert_same((of_native, plain), [raw, weights()[2]])


@pytest.mark.parametrize(("n", "m"), [(64, 16), (5, 3), (16, 1), (33, 17)])
def test_gates(n, m):
    hidden = 3 * noise(2, 7, 2 * n + 10 * m)
    assert_same((lambda rows: spin_gate(rows, n, m), lambda rows: plain_gate(rows, n, m)), [hidden])


def test_gates_far_out():
    """Sigmoids of hundreds are 0 or 1, and so are their derivatives: nothing overflows."""
    hidden = torch.full((1, 12), 300.0) * torch.tensor([1, -1] * 6)
    hidden.requires_grad_()
    parts = spin_gate(hidden, 1, 1)
    (grad,) = torch.autograd.grad(sum(part.sum() for part in parts), hidden)
    assert grad.isfinite().all()
    torch.testing.assert_close(torch.cat(parts, -1), torch.cat(plain_gate(hidden, 1, 1), -1))


def test_a_network_is_the_same_without_compiled_code(monkeypatch):
    """Output and gradients of all weights: no stage takes another's channel."""
    operator = random_operator()
    weights, fields = list(operator.parameters()), noise(2, GRAPH.n_cells, 24)
    found = []
    for compiled in (True, False):
        if not compiled:
            for module in (native_library, backends):
                monkeypatch.setattr(module, "native_available", lambda: False)
        out = operator(fields[..., :6], fields[..., 6:], torch.tensor([0.2, 0.7]), GRAPH)
        grads = torch.autograd.grad(out.square().mean(), weights, allow_unused=True)
        found.append([out.detach(), *(grad for grad in grads if grad is not None)])
    errors = [relative_error(came, expected) for came, expected in zip(*found, strict=True)]
    assert max(errors) < 2e-5


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_layer_of_another_precision(dtype):
    """Compiled code is for single precision: what is not takes the way of PyTorch, in whole."""
    attention = LocalAttention(Spins(8, 2, 2), HEADS)
    features = noise(1, len(GRAPH.token_area), 16)
    split_attend_join = lambda layer, rows: layer.join_heads(  # noqa: E731
        layer.attend(layer.split_heads(layer.project(rows), layer.weights, PLAN, RANGES[0]), PLAN),
        layer.weights,
        PLAN,
        RANGES[0],
    )
    with torch.no_grad():
        expected = split_attend_join(attention, features)
        came = split_attend_join(attention.to(dtype), features.to(dtype))
    valid = GRAPH.token_valid
    assert relative_error(came[:, valid].float(), expected[:, valid]) < (1e-5 if dtype == torch.float64 else 0.05)


def test_gates_of_what_is_no_number():
    hidden = torch.ones(1, 12)
    hidden[0, 2] = float("nan")
    assert any(part.isnan().any() for part in spin_gate(hidden, 1, 1))

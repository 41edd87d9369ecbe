"""Features with a spin: if the frame turns, the output of every layer turns as its spin says."""

import numpy as np
import pytest
import torch
from support.examples import relative_error
from support.meshes import jittered_box
from torch import nn

from gensim_graph.data import turn_graph
from gensim_graph.graph import build_graph, with_length_unit
from gensim_graph.nn import Channels, SpinLinear, rotate_vectors
from gensim_graph.nn.gate import times, times_conjugate
from gensim_graph.nn.graph_kernel import GraphKernel, neighbourhood
from gensim_graph.nn.pooling import MomentPool, MomentUnpool
from gensim_graph.nn.spin import SpinMLP, SpinNorm, Spins
from gensim_graph.typing import Tensor

SPINS, OTHER = Spins(6, 4, 3), Spins(5, 3, 2)
ANGLE = 0.7


@pytest.fixture(autouse=True)
def _no_gradients():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def turn(spins: Spins, features: Tensor, angle: float = ANGLE) -> Tensor:
    """Multiply every channel of spin s by exp(i s angle)."""
    scalar, vector, tensor = spins.split(features)
    parts = [scalar]
    for spin, part in ((1, vector), (2, tensor)):
        real, imaginary = part.chunk(2, dim=-1)
        value = torch.complex(real, imaginary) * np.exp(1j * spin * angle)
        parts += [value.real, value.imag]
    return torch.cat(parts, dim=-1)


def randomised(layer: nn.Module) -> nn.Module:
    for parameter in layer.parameters():
        parameter.add_(0.3 * torch.randn(parameter.shape))
    return layer


LAYERS = {
    "linear": (lambda: SpinLinear(SPINS, OTHER), OTHER),
    "mlp": (lambda: SpinMLP(SPINS, OTHER, 7, 4), OTHER),
    "norm": (lambda: SpinNorm(SPINS), SPINS),
}


@pytest.mark.parametrize("angle", [0.7, 2.0, np.pi])
@pytest.mark.parametrize("name", LAYERS)
def test_layers_turn_with_the_frame(name, angle):
    make, spins = LAYERS[name]
    layer, features = randomised(make()), torch.randn(2, 11, SPINS.total)
    assert relative_error(layer(turn(SPINS, features, angle)), turn(spins, layer(features), angle)) < 1e-6


@pytest.mark.parametrize("name", LAYERS)
def test_every_output_of_a_layer_depends_on_its_input(name):
    make, spins = LAYERS[name]
    output = randomised(make())(torch.randn(50, SPINS.total))
    assert output.shape == (50, spins.total)
    assert (output.std(dim=0) > 1e-3).all()


def test_a_graph_kernel_turns_with_the_frame():
    graph = build_graph(jittered_box())
    kernel = randomised(GraphKernel(SPINS, 8))
    features, embedding = torch.randn(2, graph.n_cells, SPINS.total), torch.randn(2, 1, 8)
    expected = turn(SPINS, kernel(features, embedding, graph))
    assert relative_error(kernel(turn(SPINS, features), embedding, turn_graph(graph, ANGLE)), expected) < 1e-5


def test_pooling_turns_with_the_frame():
    graph = build_graph(jittered_box())
    pool, features = randomised(MomentPool(SPINS, OTHER)), torch.randn(2, graph.n_cells, SPINS.total)
    expected = turn(OTHER, pool(features, graph))
    assert relative_error(pool(turn(SPINS, features), turn_graph(graph, ANGLE)), expected) < 1e-5


def test_unpooling_turns_with_the_frame():
    graph = build_graph(jittered_box())
    unpool, tokens = randomised(MomentUnpool(SPINS, OTHER)), torch.randn(2, len(graph.token_area), SPINS.total)
    expected = turn(OTHER, unpool(tokens, graph))
    assert relative_error(unpool(turn(SPINS, tokens), turn_graph(graph, ANGLE)), expected) < 1e-5


def test_pooling_of_scalars_keeps_every_cell_of_a_patch(square_grid):
    """1, d and d^2 span every embedding of a 2 x 2 patch: four numbers in, four independent numbers out."""
    graph = build_graph(square_grid)
    pool = MomentPool(Spins(1), Spins(4, 4, 4))
    cells = (graph.slot // 4 == 0).nonzero().flatten()
    impulses = torch.zeros(4, graph.n_cells, 1)
    impulses[range(4), cells] = 1.0
    tokens = pool(impulses, graph)[:, 0]
    assert torch.linalg.matrix_rank(tokens - pool(torch.zeros(1, graph.n_cells, 1), graph)[0, 0]) == 4


def test_neighbourhood_of_a_linear_field():
    mesh = jittered_box()
    graph = build_graph(mesh, length=1e4)
    x, y = torch.from_numpy(mesh.centres - mesh.centres.mean(axis=0)).float().T / 1e4
    _, dx, dy = neighbourhood((2 * x - 3 * y)[None, :, None], graph).unbind(2)
    inner = (graph.mean > 0).sum(dim=1) == 3
    expected = torch.tensor([2.0, -3.0]).expand(int(inner.sum()), 2)
    torch.testing.assert_close(torch.cat((dx, dy), dim=-1)[0, inner], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("cells", [6, 10, 25])
def test_a_unit_makes_gradients_the_same_on_every_mesh(cells):
    """The boundary is in the new unit too; the halos do not change."""
    mesh = jittered_box(cells)
    plain = build_graph(mesh)
    graph = with_length_unit(plain, 16e3)
    x, y = torch.from_numpy(mesh.centres - mesh.centres.mean(axis=0)).float().T / 16e3
    _, dx, dy = neighbourhood((2 * x - 3 * y)[None, :, None], graph).unbind(2)
    inner = (graph.mean > 0).sum(dim=1) == 3
    expected = torch.tensor([2.0, -3.0]).expand(int(inner.sum()), 2)
    torch.testing.assert_close(torch.cat((dx, dy), dim=-1)[0, inner], expected, rtol=1e-3, atol=1e-3)
    assert float(graph.boundary[:, :2].sum()) == pytest.approx(4 * 100 / 16, rel=1e-5)
    assert graph.halo is plain.halo
    assert not torch.equal(plain.gradient, graph.gradient)


@pytest.mark.parametrize(("product", "conjugate"), [(times, False), (times_conjugate, True)])
def test_complex_products(product, conjugate):
    a, b = torch.randn(9, dtype=torch.complex64), torch.randn(9, dtype=torch.complex64)
    real, imaginary = product((a.real, a.imag), (b.real, b.imag))
    torch.testing.assert_close(torch.complex(real, imaginary), a * (b.conj() if conjugate else b))


def test_norm_makes_unit_variance():
    normed = SpinNorm(SPINS)(3 * torch.randn(20, SPINS.total))
    torch.testing.assert_close(normed.square().mean(dim=-1), torch.ones(20), rtol=1e-4, atol=0)


def test_channels_come_back_in_their_order():
    channels = Channels(7, vectors=((1, 2), (5, 6)))
    values = torch.randn(3, 7)
    torch.testing.assert_close(channels.from_spins(channels.to_spins(values)), values)


def test_vectors_turn_counter_clockwise():
    values = torch.tensor([9.0, 1.0, 0.0])
    torch.testing.assert_close(rotate_vectors(values, [(1, 2)], np.pi / 2), torch.tensor([9.0, 0.0, 1.0]))

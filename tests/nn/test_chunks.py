"""Chunked computation: values and gradients equal those of autograd on the whole; only the arguments are kept."""

import pytest
import torch
from support.examples import island_grid, relative_error
from torch.nn.functional import linear

from gensim_graph.graph import build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import chunks
from gensim_graph.nn.chunks import in_chunks
from gensim_graph.nn.graph_kernel import neighbourhood
from gensim_graph.typing import Tensor

ITEMS = 37


def inputs() -> tuple[dict[str, Tensor], list[Tensor]]:
    """Shared weights, one of them unused, and two tensors of items."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    return {"scale": draw(5), "unused": draw(2), "weight": draw(4, 5), "bias": draw(4)}, [
        draw(2, ITEMS, 5) for _ in "ab"
    ]


def mix(some: slice, scale: Tensor, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    place = torch.arange(some.start, some.stop, dtype=a.dtype)[:, None]
    return torch.tanh(a * scale) * b, a.cos() * place


@pytest.fixture(params=[2 * 5 * 7, 10**6], ids=["in chunks", "whole"])
def size(request, monkeypatch) -> None:
    monkeypatch.setattr(chunks, "CPU_ELEMENTS", request.param)


def gradients(outputs: tuple[Tensor, ...], leaves: list[Tensor]) -> list[Tensor]:
    total = sum(
        (output * torch.arange(output.numel(), dtype=output.dtype).view_as(output).sin()).sum() for output in outputs
    )
    return [
        torch.zeros((), dtype=torch.float64) if g is None else g
        for g in torch.autograd.grad(total, leaves, allow_unused=True)
    ]


def agree(came: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(came, expected, strict=True):
        torch.testing.assert_close(one, other.expand_as(one))


def test_values_and_gradients_of_elementwise_work(size):
    shared, (a, b) = inputs()
    plain = mix(slice(0, ITEMS), shared["scale"], a, b)
    came = in_chunks(lambda some, w, a, b: mix(some, w["scale"], a, b), shared, a, b)
    agree(list(came), list(plain))
    leaves = [*shared.values(), a, b]
    agree(gradients(came, leaves), gradients(plain, leaves))


def test_values_and_gradients_through_matrices(size):
    shared, (a, b) = inputs()
    other = shared["weight"].detach().flip(0).requires_grad_()
    plain = mix(slice(0, ITEMS), shared["scale"], a, b)
    expected = torch.cat((linear(plain[0], shared["weight"], shared["bias"]), linear(plain[1], other)), dim=-1)
    matrices = [(shared["weight"], shared["bias"]), (other, None)]
    came = in_chunks(lambda some, scale, a, b: mix(some, scale, a, b), shared["scale"], a, b, matrices=matrices)
    agree(list(came), [expected])
    leaves = [shared["scale"], shared["weight"], shared["bias"], other, a, b]
    agree(gradients(came, leaves), gradients((expected,), leaves))


def test_without_gradients_the_values_are_the_same(size):
    shared, (a, b) = inputs()
    expected = mix(slice(0, ITEMS), shared["scale"], a, b)
    with torch.no_grad():
        agree(list(in_chunks(lambda some, w, a, b: mix(some, w["scale"], a, b), shared, a, b)), list(expected))


def test_only_the_arguments_are_kept():
    shared, (a, b) = inputs()
    kept: list[Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        in_chunks(lambda some, w, a, b: mix(some, w["scale"], a, b), shared, a, b)
    known = {tensor.data_ptr() for tensor in (*shared.values(), a, b)}
    assert {tensor.data_ptr() for tensor in kept} == known


def test_the_gradient_of_the_neighbourhood_is_the_transpose():
    """On a grid with an island, compared with the dense matrix of the operator."""
    graph = build_graph(island_grid(12))
    cells = graph.n_cells
    matrix = neighbourhood(torch.eye(cells)[None], graph)[0].reshape(3 * cells, cells)
    features = torch.randn(2, cells, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    output = neighbourhood(features, graph)
    dense = torch.einsum("ij,bjd->bid", matrix, features).unflatten(1, (cells, 3))
    assert relative_error(output, dense) < 1e-5
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(2))
    (came,) = torch.autograd.grad((output * direction).sum(), features)
    expected = torch.einsum("ij,bid->bjd", matrix, direction.flatten(1, 2))
    assert relative_error(came, expected) < 1e-5


def test_a_mesh_of_one_cell_has_no_neighbours():
    mesh = Mesh.from_grid(*(torch.tensor([0.0, 1e4]).numpy(),) * 2)
    graph = build_graph(mesh)
    features = torch.ones(1, graph.n_cells, 2, requires_grad=True)
    (came,) = torch.autograd.grad(neighbourhood(features, graph).square().sum(), features)
    assert came.abs().max() == 0  # all sums over neighbours are zero


def test_a_range_of_cells_has_no_gradient():
    graph = build_graph(island_grid(12))
    features = torch.ones(1, graph.n_cells, 2, requires_grad=True)
    with pytest.raises(NotImplementedError, match="all cells only"):
        neighbourhood(features, graph, slice(0, 10))

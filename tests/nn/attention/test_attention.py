"""Attention within the radius: the backends against the reference, and against the integral that they discretise."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.attention import GRAPHS, MESHES, NAMES, attend, gradients, precise_graph, random_inputs
from support.examples import graded_mesh, regular_grid, relative_error
from support.meshes import BOX

from gensim_graph.graph import MeshGraph, batch_graphs, build_graph
from gensim_graph.nn.attention import (
    BACKENDS,
    HEAD_CONTENT,
    Localisation,
    LocalisationHead,
    local_attention,
    plan_attention,
)
from gensim_graph.nn.attention.clusters import cluster_backend as clusters
from gensim_graph.nn.attention.clusters import cluster_chunks
from gensim_graph.nn.attention.localisation import taper
from gensim_graph.nn.native import MOMENT_SOURCES, native_available
from gensim_graph.typing import Tensor

ELSEWHERE = ("reference", "triton", *(() if native_available() else ("native",)))  # test_triton.py has the second
FAST = [name for name in BACKENDS if name not in ELSEWHERE]


@pytest.fixture(params=["whole", "in chunks", "without the kernel"])
def memory(request, monkeypatch) -> None:
    """All clusters at once; a few at a time with a taper that is not kept; on a PyTorch without the kernel."""
    if request.param != "whole":
        monkeypatch.setattr(cluster_chunks, "_CHUNK_ELEMENTS", 1)
        monkeypatch.setattr(clusters, "_STORED_TAPER", 0)
    if request.param == "without the kernel":
        monkeypatch.setattr(clusters, "_kernel_available", lambda: False)


def test_padding_is_in_the_middle():
    valid = GRAPHS["padding in the middle"].token_valid
    assert not valid[: valid.nonzero().max()].all()


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", GRAPHS)
def test_forward_agrees_with_the_reference(name, batch, backend, memory):
    inputs = random_inputs(GRAPHS[name], batch)
    expected = attend(GRAPHS[name], inputs, "reference")
    assert relative_error(attend(GRAPHS[name], inputs, backend), expected) < 1e-5


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_agree_with_the_reference(name, batch, backend, memory):
    inputs = random_inputs(GRAPHS[name], batch)
    expected = gradients(GRAPHS[name], inputs, "reference")
    came = gradients(GRAPHS[name], inputs, backend)
    errors = {what: relative_error(a, b) for what, a, b in zip(NAMES, came, expected, strict=True)}
    assert max(errors.values()) < 1e-5, errors


def rounded(inputs: list[Tensor]) -> list[Tensor]:
    """Query, key and value as bfloat16 holds them; the localisation stays as it is."""
    return [*(part.detach().bfloat16() for part in inputs[:3]), *(part.detach() for part in inputs[3:])]


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("name", GRAPHS)
def test_in_low_precision_only_the_rounding_of_the_inputs_is_lost(name, batch, backend, memory):
    """Error in bfloat16 within 1.3 times that of the exact attention on inputs rounded to bfloat16, its moments too."""
    graph, inputs = GRAPHS[name], [part.detach() for part in random_inputs(GRAPHS[name], batch)]
    exact = attend(graph, inputs, "reference")
    low = rounded(inputs)
    unavoidable = attend(graph, [part.float() for part in low], "reference")
    came = attend(graph, low, backend)
    for part in (slice(0, HEAD_CONTENT), slice(HEAD_CONTENT, None)):
        bound = 1.3 * relative_error(unavoidable[..., part], exact[..., part])
        assert relative_error(came[..., part].float(), exact[..., part]) < bound


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("name", GRAPHS)
def test_gradients_in_low_precision(name, backend, memory):
    """Gradients come back in bfloat16: their own rounding adds to that of the inputs."""
    graph, inputs = GRAPHS[name], random_inputs(GRAPHS[name])
    exact = gradients(graph, inputs, "reference")
    low = [part.requires_grad_() for part in rounded(inputs)]
    single = [part.detach().float().requires_grad_() for part in low]
    best = [a.to(b.dtype).float() for a, b in zip(gradients(graph, single, "reference"), low, strict=True)]
    for what, a, b, c in zip(NAMES, gradients(graph, low, backend), best, exact, strict=True):
        assert relative_error(a.float(), c) < 1.3 * relative_error(b, c), what


@pytest.mark.parametrize("backend", FAST)
def test_a_union_of_graphs_agrees_with_the_reference(backend, memory):
    graph = batch_graphs([GRAPHS["grid"], precise_graph(MESHES["graded"], radius=3.0)])
    inputs = random_inputs(graph)
    assert relative_error(attend(graph, inputs, backend), attend(graph, inputs, "reference")) < 1e-5


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_rows_of_padding_are_finite(backend):
    graph = GRAPHS["padding in the middle"]
    inputs = random_inputs(graph)
    content, moments = local_attention(*inputs[:3], Localisation(*inputs[3:]), plan_attention(graph, backend))
    assert content.isfinite().all()
    assert moments.isfinite().all()


@pytest.mark.parametrize("backend", [*FAST, "reference"])
def test_a_constant_stays_a_constant(backend):
    graph = GRAPHS["graded"]
    inputs = random_inputs(graph)
    inputs[2] = torch.ones_like(inputs[2])
    content = attend(graph, inputs, backend)[..., :HEAD_CONTENT]
    torch.testing.assert_close(content, torch.ones_like(content))


def test_taper_is_smooth_and_ends_at_the_radius():
    distance2 = torch.tensor([0.0, 0.25, 0.999999, 1.0, 4.0], dtype=torch.float64)
    weight = taper(distance2).exp()
    torch.testing.assert_close(weight, (1 - distance2).clamp(min=0) ** 2)


def test_localisation_stays_positive_definite():
    """Whatever the network says: eigenvalues between e^-1.5 / 5 and 1.8 e^1.5 times those at rest."""
    extreme = [torch.randn(1, 500, 3, *more) * 100 for more in ((), (2,), (2,))]
    quadratic, _, scale = LocalisationHead(3)(*extreme)
    xx, xy, yy = quadratic.double().unbind(-1)
    matrix = torch.stack((torch.stack((xx, xy), -1), torch.stack((xy, yy), -1)), -2)
    share = torch.linalg.eigvalsh(matrix) / scale.double().square()[:, None]
    assert share.min() > 0.19 * math.exp(-1.5)
    assert share.max() < 1.81 * math.exp(1.5)


# The integral


def field(points: np.ndarray, index: int) -> np.ndarray:
    """Smooth functions on the plane, about one."""
    x, y = points.T / BOX
    return np.sin((2 + index % 3) * x + (1 + index % 2) * y + index)


def smooth_inputs(graph: MeshGraph, centre: np.ndarray) -> list[Tensor]:
    """Queries, keys and values that are functions of the place; head width 10 km, upstream shift along x."""
    points = graph.token_pos.double().numpy() + centre
    columns = np.stack([field(points, index) for index in range(HEAD_CONTENT)], axis=-1)
    heads = torch.from_numpy(columns).float()[None, :, None, :]
    quadratic = torch.tensor([4.0, 1.0, 3.0]).expand(1, len(points), 1, 3)
    linear = torch.tensor([0.5, 0.0]).expand(1, len(points), 1, 2)
    return [heads / 8, heads.roll(7, -1), heads.roll(3, -1), quadratic, linear, torch.ones(1)]


def integral(places: np.ndarray, length: float, radius: float, ratio: float = 20.0) -> np.ndarray:
    """Content of the attention by the midpoint rule on 8000 cells of the quarter of the annulus, float64."""
    n = (120, 63)
    log_radius = np.log(BOX / ratio) + (np.arange(n[0]) + 0.5) / n[0] * np.log(ratio)
    phi = (np.arange(n[1]) + 0.5) / n[1] * np.pi / 2
    r, phi = (part.ravel() for part in np.meshgrid(np.exp(log_radius), phi, indexing="ij"))
    points, area = np.stack([r * np.cos(phi), r * np.sin(phi)], axis=1), r**2
    columns = np.stack([field(points, index) for index in range(HEAD_CONTENT)], axis=-1)
    keys, values = np.roll(columns, 7, axis=-1), np.roll(columns, 3, axis=-1)
    result = []
    for place in places:
        query = np.array([field(place[None], index)[0] for index in range(HEAD_CONTENT)]) / 8
        x, y = (points - place).T / length
        inside = np.maximum(1 - (x**2 + y**2) / radius**2, 0)
        logit = keys @ query - 0.5 * (4 * x**2 + 2 * x * y + 3 * y**2) + 0.5 * x
        weight = np.exp(logit) * area * inside**2
        result.append(weight @ values / weight.sum())
    return np.array(result)


def integration_error(cells: int, quadrature: bool) -> float:
    """Relative error at 100 tokens, on a mesh of which the spacing varies by 20."""
    mesh = graded_mesh(cells)
    length, radius = 30e3, 3.0
    graph = build_graph(mesh, length=length / 2, radius=radius)
    if not quadrature:
        graph.key_log_area = torch.where(graph.halo_valid, 0.0, -1e4)
    centre = (mesh.centres.min(axis=0) + mesh.centres.max(axis=0)) / 2
    content = attend(graph, smooth_inputs(graph, centre), "clusters")[0, :, 0, :HEAD_CONTENT].double().numpy()
    places = graph.token_pos[graph.token_valid].double().numpy() + centre
    some = np.linspace(0, len(places) - 1, 100).astype(int)
    expected = integral(places[some], length, radius)
    return float(np.linalg.norm(content[some] - expected) / np.linalg.norm(expected))


def test_the_attention_converges_to_its_integral():
    """Cells that vary in size by 20: with their area in the logits the softmax is a quadrature of second order.

    The errors are 2.5e-2, 5.6e-3 and 1.4e-3.
    """
    errors = [integration_error(cells, quadrature=True) for cells in (8, 16, 32)]
    assert min(math.log2(coarse / fine) for coarse, fine in pairwise(errors)) > 1.7


def test_without_the_area_it_does_not_converge():
    """The error is 0.21 at every size."""
    coarse, fine = integration_error(8, quadrature=False), integration_error(32, quadrature=False)
    assert fine > max(0.9 * coarse, 0.1)


def test_moments_are_the_slope_of_what_is_seen():
    """A linear field in the lifted channels and an isotropic head: the moment is the slope times the variance seen."""
    mesh = regular_grid(32)
    graph = build_graph(mesh, radius=6.0)
    tokens = len(graph.token_area)
    inputs = [torch.zeros(1, tokens, 1, HEAD_CONTENT) for _ in range(3)]
    x = graph.token_pos[:, 0] / graph.token_length
    inputs[2][0, :, 0, MOMENT_SOURCES[0]] = x
    width = 1.0
    place = [torch.tensor([1.0, 0, 1]).expand(1, tokens, 1, 3) / width**2, torch.zeros(1, tokens, 1, 2), torch.ones(1)]
    moment = attend(graph, [*inputs, *place], "clusters")[0, :, 0, HEAD_CONTENT]
    inner = (graph.token_pos.abs() < 0.1 * BOX).all(dim=1)
    offset = np.stack(np.meshgrid(np.arange(-6, 7), np.arange(-6, 7)), axis=-1).reshape(-1, 2)
    distance2 = (offset**2).sum(axis=1)
    weight = np.exp(-0.5 * distance2) * np.maximum(1 - distance2 / 36, 0) ** 2
    variance = float(weight @ offset[:, 0] ** 2 / weight.sum())
    torch.testing.assert_close(moment[inner], torch.full_like(moment[inner], variance), rtol=1e-4, atol=0)

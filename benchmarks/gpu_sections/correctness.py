"""Section ``correctness``: attention backends and the whole network on the device, against references.

The reference of the attention computes all pairs in float64. In float32 the error is relative (L2 norm). In bfloat16 it
is divided by the error that rounding queries, keys, values and their gradients to bfloat16 causes alone: a backend that
loses nothing else has 1. The gradient of the widths of the heads is left out there: it is one number for each head, and
its rounding error is a matter of chance. The network (``tiny``, random weights) is compared with the processor, in
float32, and its compiled form with the plain one. Steps of a forecast that are recorded and replayed must have the bits
of plain ones, and the fused optimiser must change the weights as the plain one does.
"""

import argparse
import itertools
import math
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy.spatial import Delaunay

from gensim_graph.benchmark.speed import square_grid
from gensim_graph.graph import MeshGraph, batch_graphs, build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import VelocityOperator, compile_network
from gensim_graph.nn.attention import HEAD_CONTENT, Localisation, LocalisationHead, local_attention, plan_attention
from gensim_graph.nn.attention.triton.token_lists import precise_positions
from gensim_graph.nn.native import native_available
from gensim_graph.system import Replay
from gensim_graph.typing import Tensor
from gpu_sections.record import Record

SINGLE, LOW, NETWORK, OPTIMISER = 1e-5, 1.3, 1e-4, 2.0
"""Largest errors: of the attention in float32 (relative) and in bfloat16 (see above), of the network (relative), and of
the weights after three steps of the optimiser, in roundings of a weight."""

_HEADS = 2
_LEAVES = ("query", "key", "value", "quadratic", "linear", "scale")


def check(record: Record, device: torch.device, options: argparse.Namespace) -> None:
    """Compare the network, a step of the optimiser and of a forecast, and all backends of the device.

    Args:
        record: gets the results.
        device: where the backends run.
        options: the command line, not used: the meshes are small already.
    """
    record.measure("network, device against processor", lambda: verdict(network_errors(device, False), NETWORK))
    record.measure("optimiser, fused against plain", lambda: verdict(optimiser_errors(device), OPTIMISER))
    if device.type == "cuda":
        record.measure("steps, replayed against plain", lambda: replayed_steps(device))
    else:
        record.skip("steps, replayed against plain", "only a GPU records and replays")

    graphs = {name: build().to(device) for name, build in _GRAPHS.items()}
    for backend in backends_of(device):
        for dtype, errors, tolerance in ((torch.bfloat16, low_errors, LOW), (torch.float32, single_errors, SINGLE)):
            for name, graph in graphs.items():
                what = f"{backend}, {str(dtype).removeprefix('torch.')}, {name}"
                record.measure(what, lambda e=errors, g=graph, b=backend, t=tolerance: verdict(e(g, b), t))

    record.measure("network, compiled against plain", lambda: verdict(network_errors(device, True), NETWORK))


def replayed_steps(device: torch.device) -> dict[str, Any]:
    """Compare three steps of two batches of different sizes, in turn, with and without recordings, bit for bit.

    Args:
        device: a GPU.
    """
    from gpu_sections.forecast import build_model, disc, random_inputs

    model = build_model("tiny", device)
    plan = model.plan(disc(3000))
    found = []
    for model._replay in (None, Replay()):
        states = {members: random_inputs(model, plan, members)[0] for members in (3, 2)}
        shared = random_inputs(model, plan, 1)[1:]
        results = []
        for step, (members, state) in itertools.product(range(3), states.items()):
            generators = [torch.Generator().manual_seed(10 * step + member) for member in range(members)]
            states[members] = model.step(state if step == 0 else states[members], *shared, plan, generators)
            results.append(states[members])
        found.append(torch.cat([one.flatten() for one in results]))

    same, recordings = torch.equal(*found), len(model._replay._recordings)
    return {"passed": same and recordings == 2, "recordings": recordings, "difference": _error(found[1], found[0])}


def optimiser_errors(device: torch.device) -> dict[str, float]:
    """Difference of all weights of ``tiny`` after three steps of the fused and of the plain AdamW.

    Both add a change to each weight and round the sum, three times: root mean square of the difference over that of
    the spacing of float32 at the weights. The changes themselves are ten thousand times as large.

    Args:
        device: of the weights.
    """
    from gensim_graph.train.loop import build_adamw

    found = []
    for fused in (False, True):
        torch.manual_seed(0)
        weights = list(VelocityOperator.from_preset("tiny", 6, 18).to(device).parameters())
        optimiser = build_adamw([{"params": weights, "lr": 1e-3, "weight_decay": 1e-2}], (0.9, 0.99), fused)
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            for weight in weights:
                weight.grad = torch.randn(weight.shape, generator=generator).to(device)
            optimiser.step()
        found.append(torch.cat([weight.detach().flatten() for weight in weights]).double())

    spacing = 2.0 ** (torch.frexp(found[0])[1] - 24)
    return {"weights": float((found[1] - found[0]).square().mean().sqrt() / spacing.square().mean().sqrt())}


def backends_of(device: torch.device) -> list[str]:
    """Return the fast backends that run on a device."""
    if device.type == "cuda":
        return [*(["triton"] if find_spec("triton") else []), "clusters"]
    return [*(["native"] if native_available() else []), "clusters"]


def verdict(errors: dict[str, float], tolerance: float) -> dict[str, Any]:
    """Return the result of a comparison.

    Args:
        errors: quantity -> error.
        tolerance: the largest error that is right.
    """
    largest = max(errors.values(), key=lambda error: math.inf if math.isnan(error) else error)
    return {"passed": largest < tolerance, "largest_error": largest, "tolerance": tolerance, "errors": errors}


def single_errors(graph: MeshGraph, backend: str) -> dict[str, float]:
    """Relative errors of output and gradients in float32.

    Args:
        graph: on the device.
        backend: name of the backend.
    """
    leaves = _random_leaves(graph)
    expected = _with_gradients(graph, leaves, "reference")
    return {what: _error(came, expected[what]) for what, came in _with_gradients(graph, leaves, backend).items()}


def low_errors(graph: MeshGraph, backend: str) -> dict[str, float]:
    """Errors of output and gradients in bfloat16, divided by those of the exact attention on rounded inputs.

    Args:
        graph: on the device.
        backend: name of the backend.
    """
    leaves = _random_leaves(graph)
    low = [leaf.detach().bfloat16() if index < 3 else leaf.detach() for index, leaf in enumerate(leaves)]
    rounded = [leaf.float().requires_grad_() for leaf in low]
    low = [leaf.requires_grad_() for leaf in low]

    exact = _with_gradients(graph, leaves, "reference")
    best = _with_gradients(graph, rounded, "reference", torch.bfloat16)
    came = _with_gradients(graph, low, backend)
    for name in _LEAVES[:3]:  # their gradients come out in bfloat16
        best[name] = best[name].bfloat16()

    compared = [what for what in exact if what != "scale"]
    return {what: _error(came[what], exact[what]) / _error(best[what], exact[what]) for what in compared}


def network_errors(device: torch.device, compiled: bool) -> dict[str, float]:
    """Relative errors of the velocity and of the gradients of all weights, in float32.

    Args:
        device: where the network runs.
        compiled: compare the compiled network with the plain one on the device; otherwise that with the processor.
    """
    torch.manual_seed(0)
    operator = VelocityOperator.from_preset("tiny", 6, 18)
    with torch.no_grad():
        for weight in operator.parameters():  # the last layer begins with zeros
            weight.add_(0.05 * torch.randn(weight.shape))

    graph = _triangles(24)
    fields = torch.randn(1, graph.n_cells, 24)
    expected = _velocity_and_gradients(operator, graph, fields, device if compiled else torch.device("cpu"), False)
    came = _velocity_and_gradients(operator, graph, fields, device, compiled)

    return {what: _error(came[what], expected[what]) for what in came}


def _velocity_and_gradients(
    operator: VelocityOperator, graph: MeshGraph, fields: Tensor, device: torch.device, compiled: bool
) -> dict[str, Tensor]:
    operator, fields = operator.to(device), fields.to(device)
    prepare, evaluate = compile_network(operator, device) if compiled else (operator.prepare, operator.velocity)
    prepared = prepare(fields[..., 6:], operator.plan(graph.clone().to(device)))

    velocity = evaluate(fields[..., :6], torch.tensor([0.3], device=device), prepared)
    gradients = torch.autograd.grad(velocity.square().mean(), list(operator.parameters()), allow_unused=True)
    flat = torch.cat([gradient.flatten() for gradient in gradients if gradient is not None])

    return {"velocity": velocity.detach().cpu(), "gradients": flat.cpu()}


def _random_leaves(graph: MeshGraph) -> list[Tensor]:
    """Query (with its scale), key, value, and a localisation as the network makes it."""
    generator = torch.Generator().manual_seed(0)
    tokens = (1, len(graph.token_area), _HEADS)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*tokens, *shape, generator=generator)

    query, key, value = (noise(HEAD_CONTENT) for _ in range(3))
    leaves = (query / math.sqrt(HEAD_CONTENT), key, value, *LocalisationHead(_HEADS)(noise(), noise(2), noise(2)))
    return [leaf.detach().to(graph.token_pos.device).requires_grad_() for leaf in leaves]


def _with_gradients(
    graph: MeshGraph, leaves: list[Tensor], backend: str, rounded: torch.dtype = torch.float32
) -> dict[str, Tensor]:
    """Output of the real tokens, and gradients of a random functional of it, whose weights are rounded."""
    if backend == "reference":  # it reads all digits of the positions
        graph = graph.clone()
        graph.token_pos = precise_positions(graph)

    both = local_attention(*leaves[:3], Localisation(*leaves[3:]), plan_attention(graph, backend))
    output = torch.cat(both, dim=-1)[:, graph.token_valid]
    direction = torch.randn(output.shape, generator=torch.Generator().manual_seed(9)).to(rounded).to(output)
    gradients = torch.autograd.grad((output * direction).sum(), leaves)

    content, moments = output.detach().split((HEAD_CONTENT, output.shape[-1] - HEAD_CONTENT), dim=-1)
    return {"content": content, "moments": moments} | dict(zip(_LEAVES, gradients, strict=True))


def _error(came: Tensor, expected: Tensor) -> float:
    return float((came.double() - expected.double()).norm() / expected.double().norm())


def _islands() -> MeshGraph:
    axis = (np.arange(32) + 0.5) * 12e3
    ocean = np.ones((32, 32), dtype=bool)
    ocean[10:16, 8:21] = False
    return build_graph(Mesh.from_grid(axis, axis, mask=ocean), radius=3.0, cluster_tokens=16)


def _triangles(side: int) -> MeshGraph:
    """Triangles whose size grows with the distance from a corner."""
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(side), np.arange(side)))
    shift = np.random.default_rng(0).uniform(-0.2, 0.2, (2, side * side))
    points = 10e3 * 1.05 ** (x + y)[:, None] * np.stack([x + 20 + shift[0], y + 20 + shift[1]], axis=1) / 20
    return build_graph(Mesh.from_faces(points, Delaunay(points).simplices.astype(np.int64), defects="drop"))


_GRAPHS: dict[str, Callable[[], MeshGraph]] = {
    "grid": lambda: build_graph(square_grid(2304)),
    "islands": _islands,
    "triangles": lambda: _triangles(24),
    "two meshes": lambda: batch_graphs([build_graph(square_grid(900)), _triangles(16)]),
}

"""MeshGraphNet: symmetries, reach and size of the baseline."""

import numpy as np
import pytest
import torch
from support.examples import relative_error
from support.meshes import jittered_box

from gensim_graph.errors import InputError
from gensim_graph.graph import build_graph
from gensim_graph.mesh import Mesh
from gensim_graph.nn import BASELINES, PRESETS, Channels, MeshGraphNet, OperatorConfig, VelocityOperator, build_operator
from gensim_graph.typing import Tensor

STATE, CONDITIONS = Channels.default_state(6), Channels.default_conditions(18)
TIME = torch.tensor([0.3])
MESH = jittered_box(16)


@pytest.fixture(scope="module")
def network() -> MeshGraphNet:
    torch.manual_seed(0)
    network = build_operator(OperatorConfig(network="meshgraphnet", width=16, blocks=3, embedding=8), STATE, CONDITIONS)
    assert isinstance(network, MeshGraphNet)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.2 * torch.randn(weight.shape))
    return network


def fields(mesh: Mesh) -> tuple[Tensor, Tensor]:
    noise = torch.randn(1, mesh.n_faces, 24, generator=torch.Generator().manual_seed(0))
    return noise[..., :6], noise[..., 6:]


def test_faces_may_be_renumbered(network):
    order = np.random.default_rng(0).permutation(MESH.n_faces)
    noised, conditions = fields(MESH)
    expected = network(noised, conditions, TIME, build_graph(MESH))[:, order]
    shuffled = build_graph(Mesh.from_faces(MESH.nodes, MESH.faces[order]))
    assert relative_error(network(noised[:, order], conditions[:, order], TIME, shuffled), expected) < 1e-5


def test_information_travels_one_cell_a_block(network):
    noised, conditions = fields(MESH)
    graph = build_graph(MESH)
    middle = int(np.argmin(np.linalg.norm(MESH.centres - MESH.centres.mean(axis=0), axis=1)))
    other = noised.clone()
    other[0, middle] += 1
    changed = (network(noised, conditions, TIME, graph) - network(other, conditions, TIME, graph)).abs().sum(-1)[0] > 0
    steps = np.full(MESH.n_faces, -1)
    steps[middle] = 0
    for step in range(1, 4):
        reached = MESH.adjacency.faces[(steps[MESH.adjacency.faces] >= 0).any(axis=1)].ravel()
        steps[reached[steps[reached] < 0]] = step
    assert set(np.flatnonzero(changed.numpy())) <= set(np.flatnonzero(steps >= 0))
    assert changed[steps == 3].any()


def test_as_many_weights_as_tiny():
    sizes = PRESETS["tiny"], BASELINES["meshgraphnet"]
    counts = [build_operator(size, STATE, CONDITIONS).n_parameters for size in sizes]
    assert counts[1] == pytest.approx(counts[0], rel=0.1)
    assert isinstance(build_operator(PRESETS["tiny"], STATE, CONDITIONS), VelocityOperator)


def test_wrong_shapes_and_names(network):
    noised, conditions = fields(MESH)
    with pytest.raises(InputError, match="expected conditions"):
        network(noised, conditions[..., :5], TIME, build_graph(MESH))
    with pytest.raises(InputError, match="attention, meshgraphnet"):
        OperatorConfig(network="transformer")

"""The velocity operator: its symmetries, its independence of the partition, its convergence, its reach."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.examples import (
    SMALL,
    graded_mesh,
    island_grid,
    random_operator,
    regular_grid,
    relative_error,
    turned_points,
)
from support.meshes import BOX, jittered_box

from gensim_graph.data import turn_graph
from gensim_graph.errors import InputError
from gensim_graph.graph import CellTable, batch_graphs, build_graph, extract_subgraph, graph_of_cells, order_cells
from gensim_graph.mesh import Mesh
from gensim_graph.nn import PRESETS, Channels, OperatorConfig, VelocityOperator, rotate_vectors
from gensim_graph.typing import Tensor

STATE, CONDITIONS = Channels.default_state(6), Channels.default_conditions(18)
FLOW_TIME = torch.tensor([0.3, 0.8])
ANGLE = 0.7
TOLERANCE = 1e-4

MESHES = {"box": jittered_box(16), "graded": graded_mesh(14), "island": island_grid(20)}


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.fixture(scope="module")
def operator() -> VelocityOperator:
    return random_operator()


@pytest.fixture(params=MESHES)
def mesh(request) -> Mesh:
    return MESHES[request.param]


def rough(mesh: Mesh, seed: int = 0) -> tuple[Tensor, Tensor]:
    """White noise: noised state and conditions of two members."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(2, mesh.n_faces, 24, generator=generator)
    return noise[..., :6], noise[..., 6:]


def smooth(mesh: Mesh) -> tuple[Tensor, Tensor]:
    """A wave of a length of two boxes or more in each variable, the same function on any mesh of a box."""
    x, y = torch.from_numpy((mesh.centres - mesh.nodes.min(axis=0)) / np.ptp(mesh.nodes, axis=0).max()).float().T
    k = torch.arange(24.0)[:, None]
    waves = torch.sin(3 * torch.cos(k) * x + 3 * torch.sin(2 * k) * y + k * k).T.unsqueeze(0)
    return waves[..., :6], waves[..., 6:]


def fresh_operator(seed: int) -> VelocityOperator:
    """Network with its initial weights; only the last layer, which starts at zero, is random."""
    operator = random_operator(seed=seed, size=0.0)
    for weight in (operator.project.scalar.weight, operator.project.vector):
        weight.normal_(std=0.3)
    return operator


def turned(values: Tensor, channels: Channels, angle: float = ANGLE) -> Tensor:
    return rotate_vectors(values, channels.vectors, angle)


def mirrored(values: Tensor, channels: Channels) -> Tensor:
    sign = torch.ones(channels.count)
    sign[[y for _, y in channels.vectors]] = -1
    return values * sign


# Symmetries, float32


def test_permuting_the_faces_permutes_the_output(operator, mesh):
    noised, conditions = rough(mesh)
    order = np.random.default_rng(0).permutation(mesh.n_faces)
    permuted = build_graph(Mesh.from_faces(mesh.nodes, mesh.faces[order], boundaries=mesh.boundaries))
    expected = operator(noised, conditions, FLOW_TIME, build_graph(mesh))[:, order]
    came = operator(noised[:, order], conditions[:, order], FLOW_TIME, permuted)
    assert relative_error(came, expected) < TOLERANCE


def test_renumbering_the_nodes_changes_nothing(operator, mesh):
    noised, conditions = rough(mesh)
    number = np.random.default_rng(0).permutation(mesh.n_nodes)
    nodes = np.empty_like(mesh.nodes)
    nodes[number] = mesh.nodes
    faces = np.roll(number[mesh.faces], 1, axis=1)
    boundaries = {name: number[pairs] for name, pairs in mesh.boundaries.items()}
    renumbered = build_graph(Mesh.from_faces(nodes, faces, boundaries=boundaries))
    expected = operator(noised, conditions, FLOW_TIME, build_graph(mesh))
    assert relative_error(operator(noised, conditions, FLOW_TIME, renumbered), expected) < TOLERANCE


def test_turning_the_nodes_turns_the_vectors(operator, mesh):
    noised, conditions = rough(mesh)
    turned_mesh = Mesh.from_faces(turned_points(mesh.nodes, ANGLE), mesh.faces, boundaries=mesh.boundaries)
    expected = turned(operator(noised, conditions, FLOW_TIME, build_graph(mesh)), STATE)
    graph = build_graph(turned_mesh, angle=ANGLE)
    came = operator(turned(noised, STATE), turned(conditions, CONDITIONS), FLOW_TIME, graph)
    assert relative_error(came, expected) < TOLERANCE


def test_turning_the_graph_turns_the_vectors(operator, mesh):
    noised, conditions = rough(mesh)
    graph = build_graph(mesh)
    expected = turned(operator(noised, conditions, FLOW_TIME, graph), STATE)
    turned_graph = turn_graph(graph, ANGLE)
    came = operator(turned(noised, STATE), turned(conditions, CONDITIONS), FLOW_TIME, turned_graph)
    assert relative_error(came, expected) < TOLERANCE


def test_turning_a_graph_is_turning_its_mesh():
    mesh = MESHES["island"]
    turned_mesh = Mesh.from_faces(turned_points(mesh.nodes, ANGLE), mesh.faces, boundaries=mesh.boundaries)
    expected = torch.from_numpy(turned_mesh.centres - turned_mesh.centres.mean(axis=0)).float()
    graph = turn_graph(build_graph(mesh), ANGLE)
    torch.testing.assert_close(graph.pos - graph.pos.mean(dim=0), expected, rtol=0, atol=1e-6 * BOX)


def test_vectors_matter(operator):
    """A turned mesh with unturned vectors is another state: the operator does not ignore vectors."""
    mesh = MESHES["box"]
    noised, conditions = rough(mesh)
    graph = build_graph(mesh)
    output = operator(noised, conditions, FLOW_TIME, graph)
    assert relative_error(operator(noised, conditions, FLOW_TIME, turn_graph(graph, ANGLE)), output) > 0.1


def test_moving_the_mesh_changes_nothing(operator, mesh):
    noised, conditions = rough(mesh)
    moved = build_graph(Mesh.from_faces(mesh.nodes + np.array([1e6, -1e6]), mesh.faces, boundaries=mesh.boundaries))
    expected = operator(noised, conditions, FLOW_TIME, build_graph(mesh))
    assert relative_error(operator(noised, conditions, FLOW_TIME, moved), expected) < TOLERANCE


@pytest.mark.parametrize(("cluster_tokens", "angle"), [(32, 0.0), (64, 0.8), (16, 1.3)])
@pytest.mark.parametrize("radius", [3.0, 9.0])
def test_the_partition_into_clusters_does_not_matter(operator, mesh, cluster_tokens, angle, radius):
    noised, conditions = rough(mesh)
    cells = CellTable.from_mesh(mesh)
    groups = np.unique(order_cells(cells.centres).token, return_inverse=True)[1]
    expected = operator(noised, conditions, FLOW_TIME, graph_of_cells(cells, radius=radius, groups=groups))
    keywords = {"cluster_tokens": cluster_tokens, "angle": angle, "radius": radius, "groups": groups}
    came = operator(noised, conditions, FLOW_TIME, graph_of_cells(cells, **keywords))
    assert relative_error(came, expected) < TOLERANCE


def test_a_mirror_image_is_other_physics(operator):
    """Reflection is no symmetry: Coriolis turns one way on a hemisphere, and the weights may learn that."""
    mesh = MESHES["box"]
    noised, conditions = rough(mesh)
    graph = build_graph(mesh)
    expected = mirrored(operator(noised, conditions, FLOW_TIME, graph), STATE)
    mirror = turn_graph(graph, 0.0, mirror=True)
    came = operator(mirrored(noised, STATE), mirrored(conditions, CONDITIONS), FLOW_TIME, mirror)
    assert relative_error(came, expected) > 0.1


# The grouping of cells into tokens


def grouping_share(operator: VelocityOperator, cells: int) -> float:
    mesh = regular_grid(cells, side=256e3)
    fields = smooth(mesh)
    expected = operator(*fields, FLOW_TIME[:1], build_graph(mesh, length=16e3))
    other = operator(*fields, FLOW_TIME[:1], build_graph(mesh, length=16e3, angle=0.8))
    return relative_error(other, expected)


SEEDS = range(5)
"""A single draw of the weights says little about a kind of network: the bounds hold for the median of five draws."""


def test_the_grouping_matters_less_on_finer_meshes():
    """Pooling is the only step that may depend on which four cells form a token.

    With other axes of the k-d tree, the output of an untrained network changes by a fraction of 0.5 at 16 km, 0.25 at
    8 km and 0.14 at 4 km (length unit 16 km, smooth inputs), which is first order. With the spacing as length unit this
    fraction does not decrease.
    """
    shares = np.array([[grouping_share(fresh_operator(seed), cells) for cells in (16, 64)] for seed in SEEDS])
    assert np.median(shares[:, 1]) < 0.3
    assert np.median(shares[:, 1] / shares[:, 0]) < 0.4


# Convergence


def coarse_means(values: Tensor, cells: int, coarse: int) -> Tensor:
    """Cells of a grid -> means over the cells of a coarser one."""
    ratio = cells // coarse
    return values.reshape(coarse, ratio, coarse, ratio, -1).mean(dim=(1, 3))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("initial", [True, False], ids=["initial weights", "random weights"])
def test_the_output_converges_as_the_mesh_is_refined(initial, seed):
    """Grids of 32, 16, 8 and 4 km in a box of 256 km, smooth inputs, length unit 16 km, means over the 32 km cells.

    Gradients and means over neighbours are of second order inside a regular grid and of first order at the rim, and
    so are the moments of the tokens. The last two differences give an order of 1.5 to 2.4.
    """
    operator = fresh_operator(seed) if initial else random_operator(seed=seed, size=0.1)
    outputs = []
    for cells in (8, 16, 32, 64):
        mesh = regular_grid(cells, side=256e3)
        output = operator(*smooth(mesh), FLOW_TIME[:1], build_graph(mesh, length=16e3))
        outputs.append(coarse_means(output[0], cells, 8))
    change = [float((fine - coarse).norm()) for coarse, fine in pairwise(outputs)]
    orders = [math.log2(first / second) for first, second in pairwise(change)]
    assert min(orders) > 1.0


def box_means(values: Tensor, mesh: Mesh) -> np.ndarray:
    """Area-weighted means over 8 x 8 boxes of 32 km; a cell belongs to the box of its centre."""
    column, row = (mesh.centres // 32e3).astype(int).clip(0, 7).T
    box = 8 * row + column
    sums = [np.bincount(box, mesh.areas * part) for part in values.double().numpy().T]
    return np.stack(sums) / np.bincount(box, mesh.areas)


def triangles_against_squares(operator: VelocityOperator, cells: int) -> float:
    outputs = []
    for mesh in (jittered_box(cells, side=256e3), regular_grid(cells, side=256e3)):
        output = operator(*smooth(mesh), FLOW_TIME[:1], build_graph(mesh, length=16e3))
        outputs.append(box_means(output[0], mesh))
    return float(np.linalg.norm(outputs[0] - outputs[1]) / np.linalg.norm(outputs[1]))


def test_without_a_decoder_triangles_and_squares_have_one_limit():
    """Outputs on irregular triangles and regular squares of 16, 8 and 4 km differ by 0.1, 0.025 and 0.008."""
    orders = []
    for seed in SEEDS:
        operator = fresh_operator(seed)
        operator.decoder = torch.nn.ModuleList()
        errors = [triangles_against_squares(operator, cells) for cells in (16, 32, 64)]
        orders.append([math.log2(coarse / fine) for coarse, fine in pairwise(errors)])
    assert np.median(orders, axis=0).min() > 1.4


def test_with_a_decoder_triangles_and_squares_differ_a_little():
    """The cells receive values from their tokens that jump by O(h) from token to token.

    The gradients that the decoder takes of them have errors of O(1), which differ between kinds of meshes. The outputs
    of untrained networks therefore stay 0.02 to 0.15 apart on arbitrarily fine meshes.
    """
    assert np.median([triangles_against_squares(fresh_operator(seed), 64) for seed in SEEDS]) < 0.12


# Several graphs, parts of graphs


def test_a_union_of_graphs_gives_what_each_gives_alone(operator):
    """Meshes of triangles and squares, with different numbers of neighbours and keys, each at its own flow time."""
    meshes = list(MESHES.values())
    fields = [tuple(part[:1] for part in rough(mesh, seed)) for seed, mesh in enumerate(meshes)]
    graphs = [build_graph(mesh, radius=radius) for mesh, radius in zip(meshes, (3.0, 9.0, 5.0), strict=True)]
    times = torch.tensor([0.1, 0.5, 0.9])
    noised, conditions = (torch.cat(parts, dim=1) for parts in zip(*fields, strict=True))
    union = operator(noised, conditions, times[None], batch_graphs(graphs))
    parts = union.split([mesh.n_faces for mesh in meshes], dim=1)
    for field, graph, time, came in zip(fields, graphs, times, parts, strict=True):
        assert relative_error(came, operator(*field, time[None], graph)) < 1e-5


def test_members_of_a_batch_do_not_see_each_other(operator, mesh):
    noised, conditions = rough(mesh)
    graph = build_graph(mesh)
    alone = operator(noised[1:], conditions[1:], FLOW_TIME[1:], graph)
    assert relative_error(operator(noised, conditions, FLOW_TIME, graph)[1:], alone) < 1e-5


@pytest.mark.parametrize("start", [0, 11, 20])
def test_the_core_of_a_subgraph_does_not_feel_its_rim(start):
    """One block of radius 2 tokens, and surroundings that reach further."""
    mesh = jittered_box(24)
    operator = random_operator(OperatorConfig(**{**vars(SMALL), "blocks": 1}))
    noised, conditions = rough(mesh)
    graph = build_graph(mesh, radius=2.0, cluster_tokens=8)
    part = extract_subgraph(graph, start, 1, 24)
    assert part.graph.n_clusters < graph.n_clusters
    whole = operator(noised, conditions, FLOW_TIME, graph)[:, part.cells[part.core]]
    came = operator(noised[:, part.cells], conditions[:, part.cells], FLOW_TIME, part.graph)[:, part.core]
    assert relative_error(came, whole) < 1e-5


def test_what_happens_beyond_the_reach_is_not_felt():
    mesh = jittered_box(24)
    operator = random_operator(OperatorConfig(**{**vars(SMALL), "blocks": 1}))
    noised, conditions = rough(mesh)
    graph = build_graph(mesh, radius=2.0)
    west = torch.from_numpy(mesh.centres[:, 0] < 0.2 * BOX)
    east = torch.from_numpy(mesh.centres[:, 0] > 0.8 * BOX)
    disturbed = noised + 5 * east[:, None]
    change = operator(disturbed, conditions, FLOW_TIME, graph) - operator(noised, conditions, FLOW_TIME, graph)
    assert change[:, west].abs().max() == 0


# What goes in


def test_an_untrained_operator_knows_the_linear_guess():
    """With its last layer at zero it gives the best velocity for unit variances, see ``Operator._precondition``."""
    torch.manual_seed(0)
    mesh = MESHES["box"]
    noised, conditions = rough(mesh)
    tau = FLOW_TIME[:, None, None]
    velocity = VelocityOperator(SMALL, 6, 18)(noised, conditions, FLOW_TIME, build_graph(mesh))
    torch.testing.assert_close(velocity, (2 * tau - 1) / (tau**2 + (1 - tau) ** 2) * noised)


def test_flow_time_matters(operator):
    mesh = MESHES["box"]
    noised, conditions = rough(mesh)
    graph = build_graph(mesh)
    output = operator(noised, conditions, FLOW_TIME, graph)
    assert relative_error(operator(noised, conditions, FLOW_TIME.flip(0), graph), output) > 0.1


@pytest.mark.parametrize("preset", PRESETS)
def test_sizes_of_the_presets(preset):
    """As documented, in millions: below 0.5, about 0.9, about 5, half as many as GenSIM (28), about as many."""
    with torch.device("meta"):
        count = VelocityOperator.from_preset(preset, 6, 18).n_parameters / 1e6
    low, high = {"tiny": (0.1, 0.5), "small": (0.7, 1.1), "medium": (3, 7), "base": (13, 16), "large": (25, 31)}[preset]
    assert low < count < high


def test_an_unknown_preset_is_refused():
    with pytest.raises(InputError, match=r"'huge'.*tiny, small, medium, base"):
        VelocityOperator.from_preset("huge", 6, 18)


def test_wrong_numbers_of_channels_are_refused():
    with pytest.raises(InputError, match="state=5"):
        VelocityOperator(SMALL, 5, 18)


def test_fields_of_another_mesh_are_refused(operator):
    noised, conditions = rough(MESHES["box"])
    with pytest.raises(InputError, match="on this graph"):
        operator(noised, conditions, FLOW_TIME, build_graph(MESHES["graded"]))


def test_a_width_that_does_not_divide_is_refused():
    with pytest.raises(InputError, match="multiple of 8"):
        VelocityOperator(OperatorConfig(width=20), 6, 18)


def test_an_unknown_backend_is_refused():
    with pytest.raises(InputError, match=r"clusters.*'magic'"):
        OperatorConfig(**{**vars(SMALL), "backend": "magic"})

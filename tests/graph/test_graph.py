"""The graph of a mesh: halos, stencils, coarsening, subgraphs, unions."""

import numpy as np
import pytest
import torch
from support.examples import graded_mesh, island_grid, regular_grid
from support.meshes import BOX, jittered_box
from torch_geometric.data import Batch

from gensim_graph.data import SamplingConfig
from gensim_graph.errors import InputError
from gensim_graph.graph import (
    CellTable,
    MeshGraph,
    Subgraph,
    SubgraphCutter,
    batch_graphs,
    build_graph,
    coarse_cells,
    extract_subgraph,
    order_cells,
    to_geometric,
)
from gensim_graph.mesh import Mesh

MESHES = {
    "box": jittered_box(16),
    "graded": graded_mesh(16),
    "grid": regular_grid(24),
    "island": island_grid(24),
    "few": jittered_box(3),
}


@pytest.fixture(params=MESHES)
def mesh(request) -> Mesh:
    return MESHES[request.param]


def graded_graph(length: float | None = None) -> MeshGraph:
    return build_graph(MESHES["graded"], length=length, radius=3.0, cluster_tokens=32)


# Halo


@pytest.mark.parametrize("length", [None, 5e3], ids=["own length", "fixed length"])
@pytest.mark.parametrize("name", MESHES)
def test_halo_holds_every_token_within_the_radius(name, length):
    graph = build_graph(MESHES[name], length=length, radius=3.0, cluster_tokens=32)
    distance = torch.cdist(graph.token_pos.double(), graph.token_pos.double())
    real = graph.token_valid
    near = (distance < 3.0 * graph.token_length[:, None]) & real[:, None] & real[None, :]
    for cluster in range(graph.n_clusters):
        wanted = near[cluster * 32 : (cluster + 1) * 32].any(dim=0).nonzero().flatten().tolist()
        assert set(wanted) <= set(graph.halo[cluster][graph.halo_valid[cluster]].tolist())


def test_no_key_comes_twice(mesh):
    graph = build_graph(mesh, radius=3.0, cluster_tokens=32)
    for keys, valid in zip(graph.halo, graph.halo_valid, strict=True):
        assert len(keys[valid].unique()) == valid.sum()


def test_halo_is_local():
    """On a mesh that varies by 20 a cluster of small cells does not see the far end."""
    graph = graded_graph()
    assert graph.halo_valid.sum(dim=1).min() < 0.5 * graph.token_valid.sum()


# Cells and tokens


def test_the_spacing_of_the_graded_mesh_varies_by_20():
    spacing = MESHES["graded"].spacing
    assert 15 < np.quantile(spacing, 0.99) / np.quantile(spacing, 0.01) < 30


def test_tokens_keep_the_area(mesh):
    assert build_graph(mesh).token_area.sum().item() == pytest.approx(mesh.areas.sum(), rel=1e-5)


def test_shares_of_the_cells_of_a_token_add_up(mesh):
    graph = build_graph(mesh)
    share = graph.slot_weight.reshape(-1, 4).sum(dim=1)
    torch.testing.assert_close(share, graph.token_valid.float())


def test_offsets_of_the_cells_of_a_token_balance(mesh):
    graph = build_graph(mesh)
    moment = (graph.slot_weight[:, None] * graph.slot_offset).reshape(-1, 4, 2).sum(dim=1)
    assert moment.abs().max() < 1e-6


def test_token_length_of_a_grid_is_two_cells():
    graph = build_graph(MESHES["grid"])
    torch.testing.assert_close(graph.token_length[graph.token_valid], torch.full((144,), 2 * BOX / 24))


def test_positions_relative_to_clusters_are_the_positions(mesh):
    graph = build_graph(mesh, cluster_tokens=32)
    difference = (graph.key_pos[:, None, :] - graph.query_pos[:, :, None]) * graph.cluster_length[:, None, None, None]
    expected = graph.token_pos[graph.halo][:, None] - graph.token_pos.reshape(-1, 32, 2)[:, :, None]
    both = graph.token_valid.reshape(-1, 32, 1) & graph.halo_valid[:, None]
    torch.testing.assert_close(difference[both], expected[both], rtol=0, atol=1e-6 * BOX)


@pytest.mark.parametrize("shift", [1e6, -3e6])
def test_translation_leaves_the_graph_alone(shift):
    mesh = jittered_box()
    moved = build_graph(Mesh.from_faces(mesh.nodes + shift, mesh.faces))
    for name, value in build_graph(mesh).to_dict().items():
        if torch.is_tensor(value):
            scale = float(value.abs().max()) if value.is_floating_point() else 0.0
            torch.testing.assert_close(moved[name], value, rtol=0, atol=1e-6 * scale, msg=name)


@pytest.mark.parametrize(("keywords", "message"), [({"level": -1}, "level -1"), ({"length": 0.0}, "length unit 0")])
def test_wrong_arguments(keywords, message):
    with pytest.raises(InputError, match=message):
        build_graph(jittered_box(3), **keywords)


# Stencil


def test_gradient_of_a_linear_field_is_exact(mesh):
    """Except where the neighbours do not span the plane: a cell in a corner of the mesh has only one."""
    slope = np.array([2.0, -3.0])
    graph = build_graph(mesh)
    values = torch.from_numpy((mesh.centres - mesh.centres.mean(axis=0)) @ slope / BOX)
    difference = values[graph.neighbours] - values[:, None]
    gradient = torch.einsum("fn,fnx->fx", difference, graph.gradient.double()) / graph.length[:, None] * BOX
    spans = spanning_cells(mesh)
    assert spans.mean() > 0.6
    torch.testing.assert_close(gradient[spans], torch.from_numpy(slope).expand(int(spans.sum()), 2), rtol=1e-4, atol=0)


def spanning_cells(mesh: Mesh) -> np.ndarray:
    """Cells whose neighbours do not lie on a line through the cell."""
    spans = np.zeros(mesh.n_faces, dtype=bool)
    for face in range(mesh.n_faces):
        pairs = mesh.adjacency.faces
        others = np.concatenate([pairs[pairs[:, 0] == face, 1], pairs[pairs[:, 1] == face, 0]])
        offset = mesh.centres[others] - mesh.centres[face]
        offset /= np.linalg.norm(offset, axis=1, keepdims=True)
        spans[face] = len(others) > 1 and np.linalg.svd(offset)[1][1] > 0.1
    return spans


def test_a_cell_without_neighbours_has_no_gradient():
    graph = build_graph(Mesh.from_faces(np.array([[0.0, 0], [1e3, 0], [0, 1e3]]), np.array([[0, 1, 2]])))
    assert not graph.gradient.any()
    assert not graph.mean.any()


def test_shares_of_the_neighbours_add_up_to_one(mesh):
    share = build_graph(mesh).mean.sum(dim=1)
    torch.testing.assert_close(share, torch.ones_like(share))


def test_edges_go_both_ways(mesh):
    edges = {tuple(pair) for pair in build_graph(mesh).edge_index.T.tolist()}
    assert edges == {(j, i) for i, j in edges}
    assert len(edges) == 2 * len(mesh.adjacency.faces)


def test_outward_normals_of_a_closed_coast_cancel():
    graph = build_graph(MESHES["box"])
    normal = (graph.boundary[:, 2:] * graph.area.sqrt()[:, None]).sum(dim=0)
    assert normal.abs().max() < 1e-5 * BOX


def test_coast_and_open_boundary_are_told_apart():
    graph = build_graph(MESHES["island"])
    coast, rim = (graph.boundary[:, :2] * graph.area.sqrt()[:, None]).sum(dim=0)
    land = (24 // 2 - 24 // 3, 2 * 24 // 3 - 24 // 4)
    assert rim.item() == pytest.approx(4 * BOX, rel=1e-5)
    assert coast.item() == pytest.approx(2 * sum(land) * BOX / 24, rel=1e-5)


# Coarsening


@pytest.mark.parametrize("level", [1, 2, 3])
def test_coarsening_keeps_the_area(mesh, level):
    cells, _ = coarse_cells(mesh, level)
    assert cells.areas.sum() == pytest.approx(mesh.areas.sum(), rel=1e-13)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_coarsening_keeps_the_integral(mesh, level):
    values = np.random.default_rng(0).standard_normal(mesh.n_faces)
    cells, restriction = coarse_cells(mesh, level)
    assert cells.areas @ (restriction @ values) == pytest.approx(mesh.areas @ values, rel=1e-11)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_coarsening_keeps_constants(mesh, level):
    _, restriction = coarse_cells(mesh, level)
    np.testing.assert_allclose(restriction @ np.ones(mesh.n_faces), 1, rtol=1e-14)


def test_coarse_edges_are_the_quotient_of_the_fine_ones(mesh):
    cells = CellTable.from_mesh(mesh)
    groups = np.unique(order_cells(cells.centres).token, return_inverse=True)[1]
    expected: dict[tuple[int, int], float] = {}
    for (i, j), length in zip(mesh.adjacency.faces, mesh.adjacency.lengths, strict=True):
        if groups[i] != groups[j]:
            pair = (int(min(groups[i], groups[j])), int(max(groups[i], groups[j])))
            expected[pair] = expected.get(pair, 0.0) + float(length)
    coarse = cells.coarsen(groups)
    came = {(int(i), int(j)): length for (i, j), length in zip(coarse.pairs, coarse.edge_lengths, strict=True)}
    assert came == pytest.approx(expected)


def test_coarsening_keeps_the_boundary(mesh):
    outer = CellTable.from_mesh(mesh).boundary.sum(axis=0)
    cells, _ = coarse_cells(mesh, 2)
    np.testing.assert_allclose(cells.boundary.sum(axis=0), outer, atol=1e-9 * BOX)


def test_a_level_has_a_quarter_of_the_cells():
    assert build_graph(regular_grid(32), level=2).n_cells == 64


def test_coarsening_ends_with_one_cell():
    assert build_graph(jittered_box(3), level=9).n_cells == 1


# Subgraphs


@pytest.mark.parametrize("start", [0, 3, 7])
def test_core_is_the_run_of_clusters(start):
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    part = extract_subgraph(graph, start, 2, 5)
    first = min(start, graph.n_clusters - 2)
    run = torch.tensor([first, first + 1])
    expected = torch.isin(graph.slot // 64, run).nonzero().flatten()
    assert part.cells[part.core].tolist() == expected.tolist()


def test_a_subgraph_has_the_clusters_asked_for():
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    assert extract_subgraph(graph, 1, 2, 5).graph.n_clusters == 5


def test_a_small_graph_comes_back_whole():
    graph = build_graph(MESHES["box"])
    part = extract_subgraph(graph, 0, 1, graph.n_clusters)
    assert part.graph is graph
    assert part.core.all()


def test_neighbours_in_a_subgraph_are_those_of_the_whole():
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    part = extract_subgraph(graph, 1, 2, 5)
    inside = torch.isin(graph.neighbours, part.cells) & (graph.gradient.abs().sum(-1) > 0)
    kept = inside[part.cells]
    assert (part.cells[part.graph.neighbours][kept] == graph.neighbours[part.cells][kept]).all()


def test_neighbours_outside_a_subgraph_have_no_weight():
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    part = extract_subgraph(graph, 1, 2, 5)
    outside = ~torch.isin(graph.neighbours, part.cells)[part.cells]
    assert outside.any()
    assert not part.graph.gradient[outside].any()
    assert not part.graph.mean[outside].any()


def test_edges_of_a_subgraph_are_those_between_its_cells():
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    part = extract_subgraph(graph, 1, 2, 5)
    kept = torch.isin(graph.edge_index, part.cells).all(dim=0)
    assert torch.equal(part.cells[part.graph.edge_index], graph.edge_index[:, kept])
    assert torch.equal(part.graph.edge_attr, graph.edge_attr[kept])


def test_a_cut_does_not_depend_on_earlier_cuts():
    graph = build_graph(MESHES["box"], cluster_tokens=16)
    cutter = SubgraphCutter(graph)
    for start in (0, 5, 2, 0):
        came, expected = cutter.cut(start, 2, 5), extract_subgraph(graph, start, 2, 5)
        assert torch.equal(came.cells, expected.cells)
        for name, value in expected.graph.to_dict().items():
            assert torch.equal(came.graph[name], value)


def test_keys_of_a_subgraph_are_those_of_the_whole_inside_it():
    graph = build_graph(MESHES["box"], cluster_tokens=16, radius=3.0)
    part = extract_subgraph(graph, 1, 2, 5).graph
    positions = {tuple(row) for row in part.token_pos[part.token_valid].tolist()}
    for own in range(part.n_clusters):
        first = tuple(part.token_pos[own * 16].tolist())
        cluster = next(c for c in range(graph.n_clusters) if tuple(graph.token_pos[c * 16].tolist()) == first)
        whole = {tuple(row) for row in graph.token_pos[graph.halo[cluster][graph.halo_valid[cluster]]].tolist()}
        came = {tuple(row) for row in part.token_pos[part.halo[own][part.halo_valid[own]]].tolist()}
        assert came == whole & positions


def core_mass(part: Subgraph) -> float:
    """Attention mass sum_k a_k (1 - s^2)^2 of the queries in the core, s the distance over the radius."""
    graph = part.graph
    queries = graph.slot[part.core].div(4, rounding_mode="floor").unique()
    keys = graph.token_valid
    radius = graph.radius[0] * graph.token_length[queries].double()
    distance = torch.cdist(graph.token_pos[queries].double(), graph.token_pos[keys].double()) / radius[:, None]
    return float(((1 - distance**2).clamp(min=0) ** 2 * graph.token_area[keys]).sum())


def test_the_core_keeps_nearly_all_of_its_halo():
    """At the default configuration: less than 0.6 % of the attention mass is lost on average, 3 % at worst."""
    config = SamplingConfig()
    graph = build_graph(jittered_box(64))
    assert graph.n_clusters > 2 * config.clusters
    lost = []
    for start in range(graph.n_clusters - config.core + 1):
        part = extract_subgraph(graph, start, config.core, config.clusters)
        core = torch.zeros(graph.n_cells, dtype=torch.bool)
        core[part.cells[part.core]] = True
        lost.append(1 - core_mass(part) / core_mass(Subgraph(graph, torch.arange(graph.n_cells), core)))
    assert np.mean(lost) < 0.006
    assert max(lost) < 0.03


# Unions


def test_indices_of_a_union_stay_within_their_graph():
    graphs = [build_graph(MESHES["box"], radius=3.0), build_graph(MESHES["grid"])]
    union = batch_graphs(graphs)
    cells = graphs[0].n_cells
    assert union.neighbours[:cells].max() < cells
    torch.testing.assert_close(union.pos[union.neighbours[cells:, 0]], graphs[1].pos[graphs[1].neighbours[:, 0]])


def test_keys_of_a_union_are_the_keys_of_its_graphs():
    graphs = [build_graph(MESHES["box"], radius=3.0), build_graph(MESHES["grid"])]
    union = batch_graphs(graphs)
    clusters, width = graphs[0].n_clusters, graphs[1].halo.shape[1]
    valid = graphs[1].halo_valid
    came = union.token_pos[union.halo[clusters:, :width]][valid]
    torch.testing.assert_close(came, graphs[1].token_pos[graphs[1].halo][valid])


def test_unions_are_those_of_torch_geometric():
    graphs = [build_graph(MESHES["box"], radius=3.0), build_graph(MESHES["box"], radius=3.0)]
    expected = Batch.from_data_list([to_geometric(graph) for graph in graphs])
    union = batch_graphs(graphs)
    for name, value in union.to_dict().items():
        assert torch.equal(value, expected[name]), name


def test_union_of_unions():
    one = build_graph(MESHES["box"], radius=3.0)
    nested, flat = batch_graphs([batch_graphs([one, one]), one]), batch_graphs([one, one, one])
    for name, value in flat.to_dict().items():
        assert torch.equal(value, nested[name]), name


def test_copy_has_its_own_tensors():
    graph = build_graph(MESHES["box"])
    copied = graph.clone()
    copied.area *= 2
    assert torch.equal(2 * graph.area, copied["area"])
    assert graph.to(torch.device("cpu")).to_dict().keys() == graph.to_dict().keys()

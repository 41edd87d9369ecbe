"""The mesh: connectivity against brute force, checks, repair, grids, invariances."""

import json
import logging

import numpy as np
import pytest
from pyproj import CRS, Proj
from rich.console import Console
from scipy.spatial import Delaunay
from support.meshes import BOX, jittered_box

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, quality_report
from gensim_graph.mesh.topology import next_corners

SQUARE = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]) * 1e4
TWO = np.array([[0, 1, 2], [0, 2, 3]])
MIXED = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1], [2, 0.5], [2, 2], [1, 2.5]]) * 1e4
MIXED_FACES = np.array([[0, 1, 2, 3, -1], [1, 4, 2, -1, -1], [2, 4, 5, 6, -1]])


def sides(face: np.ndarray) -> list[tuple[int, int]]:
    corners = [int(node) for node in face if node >= 0]
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


@pytest.mark.parametrize("which", ["small", "mixed"])
def test_connectivity_equals_a_dictionary_of_sides(small_mesh, which):
    mesh = small_mesh if which == "small" else Mesh.from_faces(MIXED, MIXED_FACES)
    owners = {side: number for number, face in enumerate(mesh.faces) for side in sides(face)}
    interior = {frozenset(side) for side in owners if side[::-1] in owners}
    assert {frozenset(edge) for edge in mesh.adjacency.edges.tolist()} == interior
    assert len(mesh.adjacency) == len(interior)
    for (first, second), (a, b) in zip(mesh.adjacency.faces.tolist(), mesh.adjacency.edges.tolist(), strict=True):
        assert (owners[a, b], owners[b, a]) == (first, second)
    rim = {side: face for side, face in owners.items() if side[::-1] not in owners}
    assert dict(zip(map(tuple, mesh.boundary_edges.tolist()), mesh.boundary_faces.tolist(), strict=True)) == rim
    ends = mesh.nodes[mesh.adjacency.edges]
    np.testing.assert_allclose(mesh.adjacency.lengths, np.hypot(*(ends[:, 1] - ends[:, 0]).T))


def test_euler_formula_and_total_area(small_mesh):
    assert small_mesh.n_nodes - small_mesh.n_edges + small_mesh.n_faces == 1
    assert small_mesh.areas.sum() == pytest.approx(BOX**2)
    np.testing.assert_allclose(small_mesh.spacing**2, small_mesh.areas)
    np.testing.assert_allclose(small_mesh.centres, small_mesh.nodes[small_mesh.faces].mean(axis=1))


def test_next_corners_skips_the_padding():
    assert next_corners(np.array([[4, 7, 9, -1]])).tolist() == [[7, 9, 4, -1]]


def test_averages_keep_constants_and_linear_fields(small_mesh):
    values = np.stack([np.full(small_mesh.n_nodes, 3.0), small_mesh.nodes[:, 0]])
    on_faces = small_mesh.to_faces(values)
    np.testing.assert_allclose(on_faces, [np.full(small_mesh.n_faces, 3.0), small_mesh.centres[:, 0]])
    back = small_mesh.to_nodes(on_faces.astype(np.float32))
    assert back.shape == values.shape
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[0], 3.0)


def test_nodes_take_the_area_weighted_mean_of_the_faces_around():
    mesh = Mesh.from_faces(MIXED, MIXED_FACES)
    values = np.array([1.0, 10.0, 100.0])
    around = [0, 1, 2]
    expected = (values * mesh.areas)[around].sum() / mesh.areas[around].sum()
    assert mesh.to_nodes(values)[2] == pytest.approx(expected)
    assert mesh.to_faces(np.arange(7.0)).tolist() == pytest.approx([1.5, 7 / 3, 17 / 4])


def test_values_of_another_mesh_are_refused(small_mesh):
    with pytest.raises(InputError, match=f"dimension of {small_mesh.n_nodes}"):
        small_mesh.to_faces(np.zeros(3))


def test_renumbering_changes_nothing_but_the_order(small_mesh):
    rng = np.random.default_rng(5)
    face_order, node_order = rng.permutation(small_mesh.n_faces), rng.permutation(small_mesh.n_nodes)
    number = np.argsort(node_order)
    other = Mesh.from_faces(small_mesh.nodes[node_order], np.roll(number[small_mesh.faces][face_order], 1, axis=1))
    np.testing.assert_allclose(other.areas, small_mesh.areas[face_order], rtol=1e-12)
    np.testing.assert_allclose(other.centres, small_mesh.centres[face_order], rtol=1e-12)
    pairs = {frozenset(pair) for pair in face_order[other.adjacency.faces].tolist()}
    assert pairs == {frozenset(pair) for pair in small_mesh.adjacency.faces.tolist()}
    values = rng.normal(size=small_mesh.n_nodes)
    np.testing.assert_allclose(other.to_faces(values[node_order]), small_mesh.to_faces(values)[face_order])


def test_hash_follows_the_content():
    mesh = Mesh.from_faces(SQUARE, TWO, boundaries={"coast": np.array([[0, 1], [1, 2]])})
    assert mesh.hash == Mesh.from_faces(SQUARE, TWO, boundaries={"coast": np.array([[2, 1], [0, 1]])}).hash
    others = [
        Mesh.from_faces(SQUARE * (1 + 1e-12), TWO, boundaries=mesh.boundaries),
        Mesh.from_faces(SQUARE, TWO[::-1], boundaries=mesh.boundaries),
        Mesh.from_faces(SQUARE, TWO, boundaries={"open": mesh.boundaries["coast"]}),
        Mesh.from_faces(SQUARE, TWO, crs=3413, boundaries=mesh.boundaries),
        Mesh.from_faces(SQUARE, TWO),
    ]
    assert len({mesh.hash, *(other.hash for other in others)}) == 6


def test_matches_tolerates_rounding_only(small_mesh):
    assert small_mesh.matches(Mesh.from_faces(small_mesh.nodes + 1e-6, small_mesh.faces))
    assert not small_mesh.matches(Mesh.from_faces(small_mesh.nodes + 10.0, small_mesh.faces))
    assert not small_mesh.matches(jittered_box(seed=1))


def test_boundary_kinds():
    named = Mesh.from_faces(SQUARE, TWO, boundaries={"coast": np.array([[1, 0]])})
    kinds = {
        frozenset(edge): kind for edge, kind in zip(named.boundary_edges.tolist(), named.boundary_kind, strict=True)
    }
    assert kinds[frozenset((0, 1))] == "coast"
    assert sorted(kinds.values()) == ["coast", "open", "open", "open"]
    assert set(Mesh.from_faces(SQUARE, TWO).boundary_kind) == {"coast"}


# Repair ------------------------------------------------------------------------------------------------------------


def test_clockwise_faces_are_turned_and_said(caplog):
    with caplog.at_level(logging.WARNING):
        mesh = Mesh.from_faces(SQUARE, np.array([[0, 1, 2], [3, 2, 0]]))
    assert (mesh.areas > 0).all()
    assert "reversed 1 of 2 faces" in caplog.text


def test_duplicate_and_unused_nodes_go(caplog):
    nodes = np.concatenate([SQUARE, SQUARE[:1], [[5e4, 5e4]]])
    with caplog.at_level(logging.INFO):
        mesh = Mesh.from_faces(nodes, np.array([[0, 1, 2], [4, 2, 3]]), boundaries={"coast": np.array([[3, 4]])})
    assert mesh.n_nodes == 4
    assert len(mesh.adjacency) == 1
    assert mesh.boundaries["coast"].tolist() == [[3, 0]]
    assert "merged 1 nodes" in caplog.text
    assert "dropped 1 of 6 nodes" in caplog.text


def test_boundary_pairs_inside_are_left_out(caplog):
    mesh = Mesh.from_faces(SQUARE, TWO, boundaries={"coast": np.array([[0, 2], [0, 1]])})
    assert mesh.boundaries["coast"].tolist() == [[0, 1]]
    assert "left out 1 of 2" in caplog.text


def test_constant_third_coordinate_is_dropped():
    assert Mesh.from_faces(np.pad(SQUARE, ((0, 0), (0, 1)), constant_values=4.0), TWO).nodes.tolist() == SQUARE.tolist()


def moved(index: int, to: tuple[float, float]) -> np.ndarray:
    nodes = SQUARE.copy()
    nodes[index] = to
    return nodes


@pytest.mark.parametrize(
    ("nodes", "faces", "message"),
    [
        (SQUARE, np.empty((0, 3), dtype=int), "no faces"),
        (SQUARE, TWO.astype(float), "integer"),
        (SQUARE, TWO[0], "shape"),
        (SQUARE[:, :1], TWO, "shape"),
        (SQUARE, np.array([[0, 1, 2], [0, 2, 4]]), "faces 1 refer to nodes that do not exist"),
        (SQUARE, np.array([[0, 1, -1]]), "fewer than three"),
        (SQUARE, np.array([[0, -1, 1, 2]]), "end of the row"),
        (SQUARE, np.array([[0, 1, 2, -2]]), "other than the padding"),
        (moved(2, (np.nan, 0)), TWO, "not finite.* at nodes 2"),
        (moved(2, (np.inf, 0)), TWO, "not finite"),
        (np.column_stack([SQUARE, [0, 1e3, 0, 0]]), TWO, "Project them first"),
        (SQUARE, np.array([[0, 1, 2], [0, 2, 2]]), "faces 1 have the same node"),
        (moved(3, (5e3, 5e3)), TWO, "faces 1 have zero area"),
        (moved(3, (8e3, 2e3)), TWO, "faces 1 overlap"),
        (SQUARE, np.array([[0, 1, 2], [0, 1, 2]]), "overlap"),
        (SQUARE, np.array([[0, 1, 2], [0, 2, 3], [0, 2, 3]]), "overlap"),
    ],
)
def test_what_is_not_a_mesh_is_refused(nodes, faces, message):
    with pytest.raises(InputError, match=message):
        Mesh.from_faces(nodes, faces)


def test_unknown_crs_is_refused():
    with pytest.raises(InputError, match="unknown crs 'nowhere'"):
        Mesh.from_faces(SQUARE, TWO, crs="nowhere")


def test_errors_name_the_first_few_only():
    nodes = np.full((40, 2), np.nan)
    with pytest.raises(InputError, match=r"0, 1, 2, 3, 4, \.\.\. \(40 in all\)"):
        Mesh.from_faces(nodes, np.array([[0, 1, 2]]))


def test_a_tangled_node_names_the_inverted_faces(small_mesh):
    nodes = small_mesh.nodes.copy()
    inner = np.setdiff1d(np.arange(len(nodes)), small_mesh.boundary_edges)[20]
    nodes[inner] += [3e4, 0]
    with pytest.raises(InputError, match="overlap their neighbours"):
        Mesh.from_faces(nodes, small_mesh.faces)


def test_strict_reading_refuses_what_a_correct_file_would_not_have():
    with pytest.raises(InputError, match=r"faces 1 are inverted.*--repair"):
        Mesh.from_faces(SQUARE, np.array([[0, 1, 2], [3, 2, 0]]), defects="raise")
    assert (Mesh.from_faces(SQUARE, TWO[:, ::-1], defects="raise").areas > 0).all()
    doubled = np.concatenate([SQUARE, SQUARE[:1]])
    with pytest.raises(InputError, match=r"same position.*0 and 4.*repair=True"):
        Mesh.from_faces(doubled, np.array([[0, 1, 2], [4, 2, 3]]), defects="raise")


def test_faces_without_area_can_be_dropped():
    nodes = np.concatenate([SQUARE, [[5e3, 0]]])
    mesh = Mesh.from_faces(nodes, np.array([[0, 1, 2], [0, 2, 3], [0, 4, 1]]), defects="drop")
    assert (mesh.n_faces, mesh.n_nodes) == (2, 4)


# Grids -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_grid_has_cells_around_its_centres(sign):
    x, y = np.arange(5) * 2e3, sign * np.arange(3) * 1e3
    mesh = Mesh.from_grid(x, y)
    assert (mesh.n_nodes, mesh.n_faces, mesh.grid_shape) == (24, 15, (3, 5))
    np.testing.assert_allclose(mesh.areas, 2e6)
    np.testing.assert_allclose(mesh.centres, np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2), atol=1e-9)
    assert set(mesh.boundary_kind) == {"coast"}


def test_land_is_left_out_and_its_shore_is_coast():
    mask = np.ones((4, 5), dtype=bool)
    mask[1, 2] = False
    mask[3, 4] = False
    mesh = Mesh.from_grid(np.arange(5) * 1e3, np.arange(4) * 1e3, mask)
    assert mesh.n_faces == 18
    np.testing.assert_array_equal(mesh.grid_index, np.flatnonzero(mask))
    counts = dict(zip(*np.unique(mesh.boundary_kind, return_counts=True), strict=True))
    assert counts == {"coast": 4 + 2, "open": 18 - 2}
    field = np.full(mask.size, np.nan)
    field[mesh.grid_index] = mesh.centres[:, 0]
    assert field.reshape(4, 5)[2].tolist() == pytest.approx([0, 1e3, 2e3, 3e3, 4e3])


def test_curvilinear_grid_covers_the_sector():
    radius, angle = np.linspace(1e5, 2e5, 41), np.linspace(0, np.pi / 2, 61)
    mid_r, mid_a = (0.5 * (edge[1:] + edge[:-1]) for edge in (radius, angle))
    mesh = Mesh.from_grid(mid_r * np.cos(mid_a)[:, None], mid_r * np.sin(mid_a)[:, None])
    assert mesh.areas.sum() == pytest.approx(np.pi / 4 * (2e5**2 - 1e5**2), rel=1e-3)
    assert mesh.n_nodes == 41 * 61


@pytest.mark.parametrize(
    ("x", "y", "mask", "message"),
    [
        (np.arange(3.0), np.zeros((2, 3)), None, "one shape"),
        (np.arange(1.0), np.arange(3.0), None, "at least 2 x 2"),
        (np.array([0, np.nan, 2]), np.arange(3.0), None, "not finite"),
        (np.arange(3.0), np.arange(2.0), np.ones((3, 2)), "mask has shape"),
        (np.arange(3.0), np.arange(2.0), np.zeros((2, 3)), "no ocean"),
        (np.arange(3.0), np.arange(2.0), np.full((2, 3), 0.5), "True or 1"),
        (np.array([0.0, 2, 1, 3]), np.arange(3.0), None, "must increase or decrease"),
    ],
)
def test_wrong_grids_are_refused(x, y, mask, message):
    with pytest.raises(InputError, match=message):
        Mesh.from_grid(x, y, mask)


# Quality -----------------------------------------------------------------------------------------------------------


def test_quality_report_of_a_grid(square_grid):
    report = quality_report(square_grid)
    assert (report.nodes, report.faces, report.edges, report.components) == (81, 64, 144, 1)
    assert report.spacing_km == pytest.approx((12.5, 12.5, 12.5))
    assert report.edge_km == pytest.approx((12.5, 12.5))
    assert report.smallest_angle == pytest.approx(90)
    assert (report.area_km2, report.true_area_km2, report.scale_factor) == (pytest.approx(1e4), None, None)
    assert report.extent_km == pytest.approx((100, 100))
    assert report.boundary_edges == {"coast": 32}
    assert (report.duplicate_faces, report.degenerate_faces, report.consistent_winding) == (0, 0, True)


def test_quality_report_states_true_areas_and_the_scale_of_the_plane():
    """A cap around the pole: closed form on the sphere, PROJ's factors at its middle and its rim."""
    crs = CRS("+proj=stere +lat_0=90 +R=6371000 +k=0.95")
    radius, angle = np.linspace(0, 1e6, 41)[1:], np.linspace(0, 2 * np.pi, 361)[:-1]
    ring = np.concatenate([[[0.0, 0.0]], *(r * np.stack([np.cos(angle), np.sin(angle)], axis=1) for r in radius)])
    report = quality_report(Mesh.from_faces(ring, Delaunay(ring).simplices.astype(np.int64), crs))
    lon, lat = Proj(crs)(0.0, 1e6, inverse=True)
    assert report.true_area_km2 == pytest.approx(2 * np.pi * 6371.0**2 * (1 - np.sin(np.radians(lat))), rel=1e-4)
    assert report.area_km2 == pytest.approx(np.pi * 1e6, rel=1e-4)
    rim = Proj(crs).get_factors(lon, lat).meridional_scale
    assert report.scale_factor == pytest.approx((0.95, rim), rel=1e-3)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(report.render())
    assert "in the plane (scale factor 0.950 - 0.956)" in capture.get()


def test_quality_report_speaks_json_and_counts_components(small_mesh):
    apart = Mesh.from_faces(
        np.concatenate([small_mesh.nodes, small_mesh.nodes + np.array([3e5, 0])]),
        np.concatenate([small_mesh.faces, small_mesh.faces + small_mesh.n_nodes]),
    )
    report = json.loads(json.dumps(quality_report(apart).to_dict()))
    assert report["components"] == 2
    assert report["smallest_angle"] == pytest.approx(quality_report(small_mesh).smallest_angle)


def test_quality_report_prints(square_grid):
    console = Console(width=100)
    with console.capture() as capture:
        console.print(quality_report(square_grid).render())
    assert "64 quadrilaterals" in capture.get()
    assert "12.50 / 12.50 / 12.50 km" in capture.get()

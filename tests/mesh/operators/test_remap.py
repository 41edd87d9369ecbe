"""Remapping: constants, integrals, linear fields, and meshes that do not overlap."""

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer
from support.meshes import BOX, jittered_box

from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import (
    conservative_weights,
    covered,
    in_plane,
    linear_weights,
    overlaps,
    points_in_plane,
    remap_faces,
    rotation,
    true_areas,
)


def grid(cells: int, side: float = BOX, origin: float = 0.0) -> Mesh:
    axis = origin + (np.arange(cells) + 0.5) * side / cells
    return Mesh.from_grid(axis, axis)


def assert_conserves(source: Mesh, target: Mesh) -> None:
    weights = conservative_weights(source, target)
    np.testing.assert_allclose(covered(weights), 1.0, rtol=1e-9)
    values = np.stack([np.full(source.n_faces, 0.7), np.random.default_rng(2).uniform(size=source.n_faces)])
    there = remap_faces(values, weights)
    np.testing.assert_allclose(there[0], 0.7, rtol=1e-14)
    np.testing.assert_allclose(there @ target.areas, values @ source.areas, rtol=1e-6)
    assert there[1].min() >= values[1].min()
    assert there[1].max() <= values[1].max()


@pytest.mark.parametrize("target", ["finer triangles", "grid"])
def test_constants_and_integrals_are_kept(small_mesh, target):
    other = jittered_box(cells=17, seed=4) if target == "finer triangles" else grid(13)
    assert_conserves(small_mesh, other)
    assert_conserves(other, small_mesh)


def test_constants_and_integrals_are_kept_between_meshes_of_the_box(cyclone_meshes):
    coarse, fine = (load_mesh(cyclone_meshes / f"box_{name}.msh") for name in ("16km_a", "8km_a"))
    x, y = (corner + (np.arange(64) + 0.5) * 8e3 for corner in coarse.nodes.min(axis=0))
    regular = Mesh.from_grid(x, y)
    assert_conserves(coarse, fine)
    assert_conserves(fine, coarse)
    assert_conserves(fine, regular)
    assert_conserves(regular, coarse)


def test_overlaps_equal_a_double_loop(small_mesh):
    target = grid(3)
    dense = conservative_weights(small_mesh, target).toarray()
    here, there = ([shapely.Polygon(mesh.nodes[face]) for face in mesh.faces] for mesh in (small_mesh, target))
    expected = [[a.intersection(b).area / a.area for b in here] for a in there]
    np.testing.assert_allclose(dense, expected, atol=1e-12)


def test_overlaps_of_all_kinds_of_polygons():
    """Triangles to octagons, one with more corners and one with a dent, against shapely one by one."""
    rng = np.random.default_rng(5)
    source, target = (many_polygons(rng, far) for far in (0.0, 3e3))
    shared = overlaps(source, target)
    shapes = [[shapely.Polygon(mesh.nodes[face[face >= 0]]) for face in mesh.faces] for mesh in (source, target)]
    dense = np.zeros((target.n_faces, source.n_faces))
    dense[shared.target, shared.source] = shared.areas
    expected = [[there.intersection(here).area for here in shapes[0]] for there in shapes[1]]
    np.testing.assert_allclose(dense, expected, rtol=1e-9, atol=1e-3)
    for row, column, centre in zip(shared.target, shared.source, shared.centres, strict=True):
        both = shapes[1][row].intersection(shapes[0][column])
        if both.area > 1e3:
            np.testing.assert_allclose(centre, both.centroid.coords[0], atol=1e-3)


def test_meshes_that_lie_elsewhere_share_nothing(small_mesh):
    assert len(overlaps(small_mesh, grid(4, origin=10 * BOX)).areas) == 0
    assert (covered(conservative_weights(small_mesh, grid(4, origin=10 * BOX))) == 0).all()


def many_polygons(rng: np.random.Generator, far: float) -> Mesh:
    """Polygons of 3 to 12 corners and one with a dent, side by side."""
    rings = []
    for number, corners in enumerate([3, 4, 5, 6, 8, 12, 4]):
        angle = np.sort(rng.uniform(0, 2 * np.pi / corners, corners) + np.arange(corners) * 2 * np.pi / corners)
        radius = np.full(corners, 5e3)
        if number == 6:
            radius[1] = 1e3
        rings.append(np.stack([radius * np.cos(angle) + 8e3 * number + far, radius * np.sin(angle) + far / 3], axis=1))
    faces = np.full((len(rings), 12), -1)
    start = 0
    for row, ring in zip(faces, rings, strict=True):
        row[: len(ring)] = start + np.arange(len(ring))
        start += len(ring)
    return Mesh.from_faces(np.concatenate(rings), faces)


def test_renumbering_permutes_the_weights(small_mesh):
    order = np.random.default_rng(0).permutation(small_mesh.n_faces)
    shuffled = Mesh.from_faces(small_mesh.nodes, small_mesh.faces[order])
    there, expected = (conservative_weights(mesh, grid(4)).toarray() for mesh in (shuffled, small_mesh))
    np.testing.assert_allclose(there, expected[:, order], atol=1e-12)


def test_uncovered_cells_are_nan_and_partly_covered_ones_keep_constants(small_mesh):
    weights = conservative_weights(small_mesh, grid(4, side=2 * BOX, origin=-BOX / 4))
    share = covered(weights).reshape(4, 4)
    np.testing.assert_allclose(share, np.outer([0.5, 1, 0.5, 0], [0.5, 1, 0.5, 0]), atol=1e-9)
    values = remap_faces(np.full(small_mesh.n_faces, 2.0, dtype=np.float32), weights)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[share.ravel() > 0], 2.0)
    assert np.isnan(values[share.ravel() == 0]).all()


def test_values_of_another_mesh_are_refused(small_mesh):
    with pytest.raises(InputError, match="values to remap need shape"):
        remap_faces(np.zeros(3), conservative_weights(small_mesh, grid(2)))


@pytest.mark.parametrize("source", ["triangles", "squares"])
def test_linear_interpolation_is_exact_for_linear_fields(small_mesh, square_grid, source):
    mesh = small_mesh if source == "triangles" else square_grid
    points = np.random.default_rng(1).uniform(0, BOX, (500, 2))
    weights = linear_weights(mesh, points)
    np.testing.assert_allclose(weights @ mesh.nodes, points, atol=1e-6)
    at_nodes = linear_weights(mesh, mesh.nodes)
    np.testing.assert_allclose(at_nodes.toarray(), np.eye(mesh.n_nodes), atol=1e-9)


def test_points_a_little_outside_take_the_value_at_the_rim(small_mesh):
    point = np.array([[BOX / 2, -1e3]])
    assert (linear_weights(small_mesh, point) @ small_mesh.nodes)[0] == pytest.approx([BOX / 2, 0], abs=1e-6)
    with pytest.raises(InputError, match="1 of 1 points lie outside the mesh, up to 200 km"):
        linear_weights(small_mesh, np.array([[-2e5, 0.0]]))


def test_different_planes_are_refused(small_mesh):
    north, south = (Mesh.from_faces(small_mesh.nodes, small_mesh.faces, crs) for crs in (3413, 3031))
    with pytest.raises(InputError, match="different planes"):
        conservative_weights(north, south)
    assert covered(conservative_weights(north, small_mesh)) == pytest.approx(1)


# Between planes


def polar(side: float = 8e5, cells: int = 24) -> Mesh:
    return Mesh.from_faces(jittered_box(cells, side=side).nodes - side / 2, jittered_box(cells, side=side).faces, 3413)


def test_meshes_in_different_planes_come_together():
    """The same mesh, drawn in another plane and brought back: every face covers itself."""
    here = polar()
    there = in_plane(here, CRS(3575))
    assert there.crs == CRS(3575)
    weights = conservative_weights(here, there, reproject=True)
    np.testing.assert_allclose(weights.toarray(), np.eye(here.n_faces), atol=1e-6)


@pytest.mark.parametrize("cells", [24, 48])
def test_true_integrals_are_kept_between_planes(cells):
    """Means over the true area; the areas themselves agree as well as sides of two planes do, to second order."""
    here, target = polar(cells=cells), in_plane(grid_of(3413, cells // 2), CRS(3575))
    weights = conservative_weights(here, target, reproject=True)
    values = np.stack([np.full(here.n_faces, 0.7), np.random.default_rng(0).uniform(size=here.n_faces)])
    mapped = remap_faces(values, weights)
    np.testing.assert_allclose(mapped[0], 0.7, rtol=1e-14)
    before, after = true_areas(here), true_areas(target)
    np.testing.assert_allclose(mapped @ after / after.sum(), values @ before / before.sum(), rtol=1e-6)
    assert after.sum() == pytest.approx(before.sum(), rel=8e-6 * (24 / cells) ** 2)


def grid_of(crs: int, cells: int, side: float = 8e5) -> Mesh:
    axis = (np.arange(cells) + 0.5) * side / cells - side / 2
    return Mesh.from_grid(axis, axis, crs=crs)


def test_vectors_turn_with_the_plane():
    """Between north polar planes by the difference of their central meridians, also next to the pole."""
    here, there = polar(), in_plane(grid_of(3413, 12), CRS(3575))
    frame = rotation(here, there)
    np.testing.assert_allclose(frame.angle, np.radians(-45 - 10), atol=1e-8)
    u, v = frame.to_plane(np.ones(there.n_faces), np.zeros(there.n_faces))
    np.testing.assert_allclose(np.hypot(u, v), 1.0, rtol=1e-12)
    same = rotation(here, here).to_plane(here.centres[:, 0], here.centres[:, 1])
    np.testing.assert_array_equal(np.stack(same, axis=1), here.centres)


def test_points_of_another_plane():
    here, other = polar(), CRS(3575)
    points = np.random.default_rng(0).uniform(-3e5, 3e5, (50, 2))
    there = np.stack(Transformer.from_crs(3413, 3575, always_xy=True).transform(*points.T), axis=1)
    np.testing.assert_allclose(points_in_plane(here, there, other), points, atol=1e-3)
    np.testing.assert_array_equal(points_in_plane(here, points, here.crs), points)


def test_a_plane_that_cannot_show_the_target(small_mesh):
    with pytest.raises(InputError, match="crs="):
        in_plane(small_mesh, CRS(3413))
    with pytest.raises(InputError, match="cannot show"):
        in_plane(polar(), CRS("+proj=merc"))


# Accuracy


def test_there_and_back_between_triangles_and_a_grid(small_mesh):
    """Integral and constants kept both ways; a smooth field loses what first order loses."""
    errors = []
    for cells in (10, 20, 40):
        triangles, squares = jittered_box(cells), grid(cells)
        to, fro = conservative_weights(triangles, squares), conservative_weights(squares, triangles)
        x, y = triangles.centres.T / BOX
        values = np.stack([1 + np.sin(4 * x) * np.cos(3 * y), np.ones_like(x)])
        back = remap_faces(remap_faces(values, to), fro)
        np.testing.assert_allclose(back @ triangles.areas, values @ triangles.areas, rtol=1e-6)
        np.testing.assert_allclose(back[1], 1.0, rtol=1e-14)
        errors.append(np.sqrt(np.average((back - values)[0] ** 2, weights=triangles.areas)))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 0.85).all(), orders
    assert errors[-1] < 0.02


def test_order_of_linear_interpolation():
    points = np.random.default_rng(0).uniform(0, BOX, (400, 2))
    errors = []
    for cells in (10, 20, 40):
        mesh = jittered_box(cells)
        field = [np.sin(4 * x) * np.cos(3 * y) for x, y in (mesh.nodes.T / BOX, points.T / BOX)]
        errors.append(np.abs(linear_weights(mesh, points) @ field[0] - field[1]).mean())
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.7).all()

"""Areas, centroids, angles and derivatives against shapely and closed forms."""

import numpy as np
import pytest
import shapely

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, signed_areas
from gensim_graph.mesh.geometry import barycentric, centroids, close_pairs, cross_2d, face_gradient, smallest_angles
from gensim_graph.mesh.operators import GradientOperator, compute_deformation
from gensim_graph.mesh.operators.gradients import centre_gradient
from gensim_graph.mesh.topology import connected_groups, next_corners, previous_corners


def mixed_polygons(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Convex polygons with 3 to 7 corners, each on its own nodes, far from the origin."""
    rng = np.random.default_rng(seed)
    nodes, faces = [], np.full((60, 7), -1)
    for face in faces:
        count = rng.integers(3, 8)
        angle = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * 2 * np.pi / count
        centre = rng.uniform(-3e6, 3e6, 2)
        face[:count] = np.arange(count) + len(nodes)
        nodes.extend(centre + 5e3 * rng.uniform(0.5, 2, 2) * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return np.array(nodes), faces


def as_shapely(nodes: np.ndarray, faces: np.ndarray) -> list[shapely.Polygon]:
    return [shapely.Polygon(nodes[face[face >= 0]]) for face in faces]


def test_areas_and_centroids_equal_shapely():
    nodes, faces = mixed_polygons()
    shapes = as_shapely(nodes, faces)
    np.testing.assert_allclose(signed_areas(nodes, faces), shapely.area(shapes), rtol=1e-8)
    np.testing.assert_allclose(centroids(nodes, faces), shapely.get_coordinates(shapely.centroid(shapes)), atol=1e-2)


def test_area_keeps_its_digits_far_from_the_origin():
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    assert signed_areas(square + 2.0**26, np.arange(4)[None])[0] == 1.0


def test_smallest_angles():
    nodes = np.array([[0.0, 0], [1, 0], [0, np.sqrt(3)], [1, 1], [0, 1]])
    faces = np.array([[0, 1, 2, -1], [0, 1, 3, 4]])
    np.testing.assert_allclose(smallest_angles(nodes, faces), [30, 90])


def test_cross_product_is_positive_to_the_left():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 2))
    expected = [np.linalg.det([one, other]) for one, other in zip(a, b, strict=True)]
    np.testing.assert_allclose(cross_2d(a, b), expected, rtol=1e-12)
    assert cross_2d(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])).tolist() == [1.0]


def test_barycentric_coordinates_rebuild_the_points():
    rng = np.random.default_rng(0)
    corners, points = rng.normal(size=(20, 3, 2)), rng.normal(size=(20, 2))
    shares = barycentric(corners, points)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    np.testing.assert_allclose(np.einsum("pc,pcx->px", shares, corners), points, rtol=1e-9)


def test_close_points_form_groups():
    """A chain of points closer than the tolerance is one group, although its ends are further apart."""
    points = np.array([[0.0, 0], [5, 0], [0.9, 0], [1.8, 0], [5.5, 0], [9, 0]])
    pairs = close_pairs(points, 1.0)
    assert {tuple(pair) for pair in pairs.tolist()} == {(0, 2), (2, 3), (1, 4)}
    group = connected_groups(pairs, len(points))
    assert group[0] == group[2] == group[3]
    assert group[1] == group[4]
    assert len(set(group.tolist())) == 3


def test_previous_corners_are_the_inverse_of_next_corners():
    faces = np.array([[4, 7, 9, -1], [1, 2, 3, 5]])
    assert previous_corners(faces).tolist() == [[9, 4, 7, -1], [5, 1, 2, 3]]
    for face, following, previous in zip(faces, next_corners(faces), previous_corners(faces), strict=True):
        after = dict(zip(face.tolist(), following.tolist(), strict=True))
        before = dict(zip(face.tolist(), previous.tolist(), strict=True))
        assert all(before[after[node]] == node for node in face.tolist())


@pytest.mark.parametrize("which", ["triangles", "polygons"])
def test_gradient_of_a_linear_field_is_exact(small_mesh, which):
    nodes, faces = (small_mesh.nodes, small_mesh.faces) if which == "triangles" else mixed_polygons()
    slope = np.array([[2e-5, -3e-5], [1e-6, 4e-5]])
    values = slope @ nodes.T + 7.0
    expected = np.broadcast_to(slope[:, None], (2, len(faces), 2))
    np.testing.assert_allclose(face_gradient(nodes, faces, values), expected, rtol=1e-6, atol=1e-14)


def test_gradient_of_a_smooth_field_converges_with_the_spacing():
    errors = []
    for cells in (16, 32, 64):
        axis = (np.arange(cells) + 0.5) / cells * 1e5
        mesh = Mesh.from_grid(axis, axis)
        values = np.sin(mesh.nodes[:, 0] / 2e4)
        exact = np.cos(mesh.centres[:, 0] / 2e4) / 2e4
        errors.append(np.abs(face_gradient(mesh.nodes, mesh.faces, values)[:, 0] - exact).max())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    np.testing.assert_allclose(orders, 2, atol=0.1)


@pytest.mark.parametrize("fixture", ["small_mesh", "square_grid"])
def test_gradient_of_a_linear_field_on_faces_is_exact(request, fixture):
    mesh = request.getfixturevalue(fixture)
    slope = np.array([2e-5, -3e-5])
    gradient = centre_gradient(mesh, mesh.centres @ slope + 7.0)
    np.testing.assert_allclose(gradient, np.broadcast_to(slope, gradient.shape), rtol=1e-9)


def test_gradients_of_many_fields_are_those_of_each_field(small_mesh):
    fields = np.random.default_rng(0).normal(size=(3, 2, small_mesh.n_faces))
    operator = GradientOperator(small_mesh)
    together = operator(*fields)
    assert together.shape == (3, 2, 2, small_mesh.n_faces)
    one_by_one = np.stack([np.moveaxis(centre_gradient(small_mesh, field), -1, 0) for field in fields])
    np.testing.assert_array_equal(together, one_by_one)
    single = operator(*fields.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, together, atol=1e-6 * np.abs(together).max())
    assert centre_gradient(small_mesh, fields[0].astype(np.float32)).dtype == np.float64


@pytest.mark.parametrize("location", ["node", "face"])
def test_rotation_does_not_deform(small_mesh, location):
    x, y = (small_mesh.nodes if location == "node" else small_mesh.centres).T
    found = compute_deformation(small_mesh, 0.2 - 3e-6 * y, 3e-6 * x, location)
    np.testing.assert_allclose(found.vorticity, 6e-6, rtol=1e-9)
    np.testing.assert_allclose(found.total, 0, atol=1e-17)


@pytest.mark.parametrize("location", ["node", "face"])
def test_pure_strain(small_mesh, location):
    x, y = (small_mesh.nodes if location == "node" else small_mesh.centres).T
    found = compute_deformation(small_mesh, 4e-6 * x + 1e-6 * y, -4e-6 * y + 1e-6 * x, location)
    np.testing.assert_allclose(found.shear, 2 * np.hypot(4e-6, 1e-6), rtol=1e-9)
    np.testing.assert_allclose(found.divergence, 0, atol=1e-17)
    np.testing.assert_allclose(found.vorticity, 0, atol=1e-17)


def test_convergence_is_a_negative_divergence_with_leading_dimensions(small_mesh):
    u, v = -2e-6 * small_mesh.nodes.T
    found = compute_deformation(small_mesh, np.stack([u, 2 * u])[None], np.stack([v, 2 * v])[None], "node")
    assert found.divergence.shape == (1, 2, small_mesh.n_faces)
    np.testing.assert_allclose(found.divergence[0, 1], -8e-6, rtol=1e-9)


def test_invariants_do_not_depend_on_the_frame(small_mesh):
    rng = np.random.default_rng(1)
    velocity = rng.normal(size=(small_mesh.n_nodes, 2))
    angle = 0.7
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = Mesh.from_faces(small_mesh.nodes @ turn.T, small_mesh.faces)
    here = compute_deformation(small_mesh, *velocity.T, "node")
    there = compute_deformation(turned, *(velocity @ turn.T).T, "node")
    for name in ("divergence", "shear", "vorticity"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-6, atol=1e-14)


def test_deformation_wants_velocities_of_the_mesh(small_mesh):
    with pytest.raises(InputError, match="velocity on nodes needs shape"):
        compute_deformation(small_mesh, np.zeros(small_mesh.n_faces), np.zeros(small_mesh.n_faces), "node")

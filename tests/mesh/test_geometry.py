"""Areas, centroids, angles and derivatives against shapely and closed forms."""

import numpy as np
import pytest
import shapely

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, signed_areas
from gensim_graph.mesh.geometry import centroids, face_gradient, smallest_angles
from gensim_graph.mesh.operators import compute_deformation
from gensim_graph.mesh.operators.gradients import centre_gradient


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

"""Triangles of the solver: exact for linear fields, adjoint, convergent, for faces of any kind."""

import numpy as np
import pytest
import torch
from support.solver_meshes import crossed_strip, hexagons, on_nodes, opened

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh, signed_areas
from gensim_graph.simulate.solver import build_elements
from gensim_graph.simulate.solver.triangles import split_faces

SLOPES = np.array([[2e-6, -1e-6], [3e-6, 4e-6]])  # du/dx, du/dy; dv/dx, dv/dy in 1/s


@pytest.fixture(params=["triangles", "squares", "hexagons"])
def any_mesh(request, small_mesh, square_grid) -> Mesh:
    return {"triangles": small_mesh, "squares": square_grid, "hexagons": hexagons()}[request.param]


def test_linear_velocity_has_its_exact_gradient(any_mesh):
    elements = build_elements(any_mesh)
    x = elements.triangles.nodes
    along_x, along_y = elements.velocity_gradient(on_nodes(elements, *(SLOPES @ x.T)))
    np.testing.assert_allclose(along_x[..., 0].T, np.tile(SLOPES[:, 0], (elements.n_elements, 1)), rtol=1e-9)
    np.testing.assert_allclose(along_y[..., 0].T, np.tile(SLOPES[:, 1], (elements.n_elements, 1)), rtol=1e-9)


def test_linear_stress_has_its_exact_divergence_inside(any_mesh):
    elements = build_elements(any_mesh)
    nodes, corners = elements.triangles.nodes, elements.triangles.corners
    x, y = nodes[corners].mean(axis=1).T
    area = elements.areas[:, 0].numpy()
    components = (2.0 * x - y, 4.0 * y + x, 3.0 * x + 5.0 * y)  # s_xx, s_yy, s_xy: divergence (2 + 5, 3 + 4)
    force = elements.stress_force(*(torch.as_tensor((part * area)[:, None]) for part in components))
    divergence = (force / elements.node_areas)[..., 0].numpy()
    rim = np.unique(any_mesh.boundary_edges)
    inside = np.setdiff1d(np.arange(elements.n_nodes), rim)
    np.testing.assert_allclose(divergence[:, inside], 7.0, rtol=1e-9)


def test_force_and_gradient_are_adjoint(any_mesh):
    """The power of the force on the nodes is minus the stress power in the triangles: energy is conserved."""
    elements = build_elements(any_mesh)
    generator = torch.Generator().manual_seed(0)
    velocity = torch.randn(2, elements.n_nodes, 2, generator=generator, dtype=torch.float64)
    xx, yy, xy = torch.randn(3, elements.n_elements, 2, generator=generator, dtype=torch.float64)
    along_x, along_y = elements.velocity_gradient(velocity)
    inner = (xx * along_x[0] + yy * along_y[1] + xy * (along_x[1] + along_y[0])) * elements.areas
    force = elements.stress_force(xx * elements.areas, yy * elements.areas, xy * elements.areas)
    torch.testing.assert_close((force * velocity).sum(dim=(0, 1)), -inner.sum(dim=0), rtol=1e-10, atol=0.0)
    assert float(force.sum(dim=1).abs().max()) < 1e-10 * float(force.abs().sum(dim=1).max())


def test_divergence_of_a_smooth_stress_converges():
    """A manufactured stress on h, h/2, h/4: the mean error is at least of first order."""
    errors = []
    for cells in (8, 16, 32):
        elements = build_elements(crossed_strip(cells, cells, 100e3 / cells, ("left", "right", "rim")))
        nodes, corners = elements.triangles.nodes / 100e3, elements.triangles.corners
        x, y = nodes[corners].mean(axis=1).T
        area = elements.areas[:, 0].numpy()
        parts = np.sin(3 * x) * np.cos(2 * y), np.cos(x + y), np.sin(x) * np.sin(2 * y)
        force = elements.stress_force(*(torch.as_tensor((part * area)[:, None]) for part in parts))
        x, y = nodes.T
        exact = 3 * np.cos(3 * x) * np.cos(2 * y) + 2 * np.sin(x) * np.cos(2 * y)
        inside = np.setdiff1d(np.arange(len(nodes)), np.unique(elements.mesh.boundary_edges))
        error = (force / elements.node_areas)[0, :, 0].numpy()[inside] * 100e3 - exact[inside]
        errors.append(np.abs(error).mean())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 0.95).all(), errors


def test_gradient_of_a_smooth_velocity_converges_with_first_order(small_mesh):
    errors = []
    for cells in (8, 16, 32):
        elements = build_elements(crossed_strip(cells, cells, 1.0 / cells, ()))
        x, y = elements.triangles.nodes.T
        along_x, _ = elements.velocity_gradient(on_nodes(elements, np.sin(3 * x) * np.cos(y), x * y))
        x, y = elements.triangles.nodes[elements.triangles.corners].mean(axis=1).T
        errors.append(np.abs(along_x[0, :, 0].numpy() - 3 * np.cos(3 * x) * np.cos(y)).mean())
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 0.95).all(), errors


def test_splitting_covers_every_face(any_mesh):
    triangles = split_faces(any_mesh)
    areas = signed_areas(triangles.nodes, triangles.corners)
    assert (areas > 0).all()
    np.testing.assert_allclose(np.bincount(triangles.faces, areas), any_mesh.areas, rtol=1e-12)
    np.testing.assert_array_equal(triangles.nodes[: any_mesh.n_nodes], any_mesh.nodes)


def test_diagonals_of_a_grid_prefer_no_direction(square_grid):
    axis = np.arange(40) * 1e3
    triangles = split_faces(Mesh.from_grid(axis, axis))
    points = triangles.nodes[triangles.corners]
    sides = np.roll(points, -1, axis=1) - points
    slanted = (np.abs(sides) > 1.0).all(axis=2)
    rising = np.sign(sides[..., 0] * sides[..., 1])[slanted]
    assert abs(rising.mean()) < 0.1


def test_concave_quadrilateral_is_cut_inside():
    nodes = np.array([[0.0, 0.0], [4.0, 4.0], [0.0, 1.0], [-4.0, 4.0]]) * 1e3
    triangles = split_faces(Mesh.from_faces(nodes, np.array([[0, 1, 2, 3]])))
    assert (signed_areas(triangles.nodes, triangles.corners) > 0).all()
    assert all({0, 2} <= set(corner) for corner in triangles.corners.tolist())


def test_face_that_cannot_be_split_is_named():
    angle = np.linspace(0.0, 1.5 * np.pi, 8)
    outer, inner = (r * np.stack([np.cos(angle), np.sin(angle)], axis=1) for r in (10e3, 8e3))
    nodes = np.concatenate([outer, inner[::-1]])
    with pytest.raises(InputError, match=r"1 faces are too far from convex.*first \[0\]"):
        split_faces(Mesh.from_faces(nodes, np.arange(16)[None]))


def test_values_go_to_the_triangles_and_back(any_mesh):
    elements = build_elements(any_mesh)
    values = np.random.default_rng(0).normal(size=(3, any_mesh.n_faces))
    np.testing.assert_allclose(elements.to_faces(elements.from_faces(values)), values, rtol=1e-12)


def test_mean_around_nodes_keeps_constants_and_integrals(any_mesh):
    elements = build_elements(any_mesh)
    np.testing.assert_allclose(elements.to_nodes(torch.full_like(elements.areas, 3.0)), 3.0, rtol=1e-12)
    values = torch.rand(elements.n_elements, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = (elements.to_nodes(values) * elements.node_areas).sum(dim=0)
    torch.testing.assert_close(whole, (values * elements.areas).sum(dim=0), rtol=1e-12, atol=0.0)


def test_only_coasts_are_fixed(small_mesh):
    rim = np.unique(small_mesh.boundary_edges)
    closed, free = build_elements(small_mesh), build_elements(opened(small_mesh))
    assert set(np.flatnonzero(closed.free[:, 0] == 0)) == set(rim)
    assert bool((free.free == 1).all())


def test_sine_of_latitude_comes_from_the_crs():
    """1 at the north pole, -1 at the south pole, 1 without a crs."""
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * 1e4
    north = build_elements(Mesh.from_faces(square, np.array([[0, 1, 2, 3]]), crs="EPSG:3413"))
    south = build_elements(Mesh.from_faces(square, np.array([[0, 1, 2, 3]]), crs="EPSG:3031"))
    np.testing.assert_allclose(north.sin_latitude, 1.0, atol=1e-4)
    np.testing.assert_allclose(south.sin_latitude, -1.0, atol=1e-4)
    assert bool((build_elements(Mesh.from_faces(square, np.array([[0, 1, 2, 3]]))).sin_latitude == 1).all())

"""Sides of the cells, limited fluxes and ridging, against loops over cells; the solver of simulate shares them."""

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.solver_meshes import opened
from support.transport_meshes import MESHES, OPEN_MESHES, masked_grid, random_amounts, random_drift

from gensim_graph.mesh import Mesh
from gensim_graph.simulate.solver import build_elements
from gensim_graph.simulate.solver.advection import build_sides
from gensim_graph.simulate.solver.advection import transport as solver_transport
from gensim_graph.transport import Sides, limited_correction, plan_transport, ridge, upwind_flux


def sides_of(mesh: Mesh) -> Sides:
    return plan_transport(mesh, dtype=torch.float64).fit.sides


@pytest.mark.parametrize("mesh", [*MESHES.values(), *OPEN_MESHES.values(), masked_grid()])
def test_sides_point_from_left_to_right_and_leave_out_the_coast(mesh):
    sides = sides_of(mesh)
    n_open = int((mesh.boundary_kind != "coast").sum())
    assert len(sides.left) == len(mesh.adjacency) + n_open
    across = mesh.centres[sides.right] - mesh.centres[sides.left]
    normal = 2 * sides.half_normals[..., 0].numpy().T
    inner = (sides.left != sides.right).numpy()
    assert ((across * normal).sum(axis=1)[inner] > 0).all()
    np.testing.assert_allclose(np.hypot(*normal[inner].T), mesh.adjacency.lengths, rtol=1e-12)


@pytest.mark.parametrize("name", OPEN_MESHES)
def test_sums_over_the_sides_of_a_cell(name):
    sides = sides_of(OPEN_MESHES[name])
    n_cells = len(sides.areas)
    flux = torch.randn(len(sides.left), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    gain, loss = np.zeros((n_cells, 2)), np.zeros((n_cells, 2))
    for side, (left, right) in enumerate(zip(sides.left.tolist(), sides.right.tolist(), strict=True)):
        into_right = flux[side].numpy()
        gain[left] += np.maximum(-into_right, 0)
        loss[left] += np.maximum(into_right, 0)
        if left != right:
            gain[right] += np.maximum(into_right, 0)
            loss[right] += np.maximum(-into_right, 0)
    found = sides.gain_and_loss(flux)
    np.testing.assert_allclose(found[0], gain, atol=1e-14)
    np.testing.assert_allclose(found[1], loss, atol=1e-14)
    np.testing.assert_allclose(sides.gain(flux), gain - loss, atol=1e-14)


@pytest.mark.parametrize("name", OPEN_MESHES)
def test_range_around_a_cell(name):
    mesh = OPEN_MESHES[name]
    sides = sides_of(mesh)
    values = random_amounts(mesh)[0]
    for row in range(mesh.n_faces):
        near = [row, *(set(mesh.adjacency.faces[(mesh.adjacency.faces == row).any(axis=1)].ravel().tolist()))]
        assert torch.equal(sides.highest_around(values)[row], values[near].amax(dim=0))
        assert torch.equal(sides.lowest_around(values)[row], values[near].amin(dim=0))


def zalesak_step(sides: Sides, crossing: np.ndarray, density: np.ndarray) -> np.ndarray:
    """Density after upwind fluxes and limited central corrections, Zalesak (1979), one side after the other."""
    left, right, areas = sides.left.tolist(), sides.right.tolist(), sides.areas[:, 0].numpy()
    content, out = density * areas, np.zeros_like(density)
    for c, a, b in zip(crossing, left, right, strict=True):
        flux = c * (density[a] if c > 0 else density[b])
        content[a] -= flux
        content[b] += flux if a != b else 0.0
        out[a if c > 0 else b] += max(abs(flux), 0.0) if (a != b or c > 0) else 0.0
    low = content / areas
    highest, lowest = np.maximum(density, low), np.minimum(density, low)
    top, bottom = highest.copy(), lowest.copy()
    for a, b in zip(left, right, strict=True):
        top[a], top[b] = max(top[a], highest[b]), max(top[b], highest[a])
        bottom[a], bottom[b] = min(bottom[a], lowest[b]), min(bottom[b], lowest[a])
    fix = 0.5 * np.abs(crossing) * (density[right] - density[left])
    gain, loss = np.zeros_like(density), np.zeros_like(density)
    for f, a, b in zip(fix, left, right, strict=True):
        giver, taker = (a, b) if f > 0 else (b, a)
        loss[giver] += abs(f)
        gain[taker] += abs(f)
    may_lose = np.minimum((low - bottom) * areas, np.maximum(density * areas - out, 0.0))
    may_gain = (top - low) * areas
    for f, a, b in zip(fix, left, right, strict=True):
        if f != 0.0:
            giver, taker = (a, b) if f > 0 else (b, a)
            part = min(1.0, may_lose[giver] / loss[giver], may_gain[taker] / gain[taker])
            content[a] -= part * f
            content[b] += part * f
    return content / areas


@pytest.mark.parametrize("mesh", [jittered_box(), opened(jittered_box(6))], ids=["closed", "open"])
def test_the_solver_and_the_transport_take_the_same_limited_fluxes(mesh):
    """From the same velocity at the nodes: both agree with a loop over the sides."""
    elements = build_elements(mesh)
    sides, others = sides_of(mesh), build_sides(elements)
    for name in ("left", "right", "ends", "of_cell", "neighbours", "signs", "half_normals"):
        assert torch.equal(getattr(sides, name), getattr(others, name)), name

    generator = torch.Generator().manual_seed(3)
    velocity = 0.3 * torch.randn(2, mesh.n_nodes, 1, dtype=torch.float64, generator=generator) * elements.free
    amounts = random_amounts(mesh, members=1).permute(2, 1, 0)
    crossing = sides.area_flux(velocity) * 1800.0
    expected = np.stack([zalesak_step(sides, crossing[:, 0].numpy(), one[:, 0].numpy()) for one in amounts])

    by_solver, *_ = solver_transport(others, velocity, 1800.0, amounts, amounts[0], amounts)
    np.testing.assert_allclose(by_solver[..., 0], expected, atol=1e-13)

    density = amounts[0]
    upwind = upwind_flux(sides, crossing, density)
    after = density + sides.gain(upwind) / sides.areas
    remaining = (density * sides.areas - sides.gain_and_loss(upwind)[1]).clamp(min=0.0)
    correction = 0.5 * crossing.abs() * sides.difference(density)
    limited = limited_correction(sides, correction, density, after, sides.areas, remaining)
    np.testing.assert_allclose((after + sides.gain(limited) / sides.areas)[:, 0], expected[0], atol=1e-13)


def test_a_linear_velocity_crosses_the_sides_as_in_the_solver():
    """Area through each side from the drift at the cells, and from the velocity at the nodes."""
    mesh = opened(jittered_box())
    slope = np.array([[2e-6, -1e-6], [3e-6, 1e-6]])
    at_nodes, at_cells = (np.array([0.1, -0.2]) + points @ slope.T for points in (mesh.nodes, mesh.centres))
    plan = plan_transport(mesh, dtype=torch.float64)
    sides = plan.fit.sides
    drift = plan.drift_at_sides(torch.as_tensor(at_cells)[None])
    found = 2.0 * (drift * sides.half_normals).sum(dim=0)
    expected = sides.area_flux(torch.as_tensor(at_nodes.T.copy())[..., None])
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-6)


def test_random_drift_at_the_sides_is_a_mean_of_both_cells_on_a_grid():
    """On squares the slopes of both cells cancel where the drift is smooth; the weights add up to 1 everywhere."""
    plan = plan_transport(MESHES["grid"], dtype=torch.float64)
    torch.testing.assert_close(plan.drift_weights.sum(dim=0), torch.ones(len(plan.fit.sides.left), 1).double())
    drift = random_drift(MESHES["grid"], 0.1)
    assert plan.drift_at_sides(drift).shape == (2, len(plan.fit.sides.left), 3)


def test_ridging_keeps_the_concentration_within_its_bounds():
    thickness = torch.tensor([1.0, 2.0, 60.0, 0.0])
    concentration = torch.tensor([0.5, 1.3, 0.2, 0.0])
    assert ridge(thickness, concentration).tolist() == [0.5, 1.0, 1.0, 0.0]

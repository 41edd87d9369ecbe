"""Transport: conservation, bounds, constant fields, order."""

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.solver_meshes import crossed_strip, hexagons, on_nodes, opened

from gensim_graph.simulate.solver import build_elements
from gensim_graph.simulate.solver.advection import build_sides, transport


def random_fields(elements, count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, elements.n_elements, 2, generator=generator, dtype=torch.float64)


def fields_of(elements) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Three amounts, a damage and a stress, all random."""
    share = random_fields(elements, 1, 1)[0]
    return random_fields(elements, 3), share, 2e4 * random_fields(elements, 3, 2) - 1e4


def random_velocity(elements, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, elements.n_nodes, 2, generator=generator, dtype=torch.float64) * 0.3 * elements.free


@pytest.mark.parametrize("mesh", [jittered_box(), hexagons()], ids=["triangles", "hexagons"])
def test_amounts_are_conserved_to_rounding(mesh):
    elements = build_elements(mesh)
    sides = build_sides(elements)
    amounts, share, stress = fields_of(elements)
    total = (amounts * elements.areas).sum(dim=1)
    for step in range(20):
        amounts, share, stress = transport(sides, random_velocity(elements, step), 1800.0, amounts, share, stress)
    torch.testing.assert_close((amounts * elements.areas).sum(dim=1), total, rtol=1e-14, atol=0.0)


def test_properties_of_the_ice_are_conserved_too(small_mesh):
    """In a closed domain the integral of volume times damage, or times stress, is constant."""
    elements = build_elements(small_mesh)
    sides = build_sides(elements)
    amounts, share, stress = fields_of(elements)
    amounts = amounts + 0.1

    def totals() -> torch.Tensor:
        return (amounts[0] * elements.areas * torch.cat([share[None], stress])).sum(dim=1)

    before = totals()
    for step in range(20):
        amounts, share, stress = transport(sides, random_velocity(elements, step), 900.0, amounts, share, stress)
    torch.testing.assert_close(totals(), before, rtol=1e-12, atol=1e-3)


def test_shares_stay_within_their_bounds_and_amounts_above_zero(small_mesh):
    elements = build_elements(small_mesh)
    sides = build_sides(elements)
    amounts, share, stress = fields_of(elements)
    amounts[:, ::3], share = 0.0, share.round()
    largest = float(stress.abs().max())
    for step in range(40):
        amounts, share, stress = transport(sides, random_velocity(elements, step), 900.0, amounts, share, stress)
        assert float(amounts.min()) > -1e-15
        assert float(share.min()) > -1e-12
        assert float(share.max()) < 1.0 + 1e-12
        assert float(stress.abs().max()) < largest * (1 + 1e-12)


def test_stress_is_transported_alike_in_all_axes(small_mesh):
    """In axes turned by 45 degrees, half the normal difference becomes the shear."""
    elements = build_elements(small_mesh)
    sides, velocity = build_sides(elements), random_velocity(elements)
    amounts, share, (mean, difference, shear) = fields_of(elements)
    *_, first = transport(sides, velocity, 900.0, amounts, share, torch.stack([mean, difference, shear]))
    *_, second = transport(sides, velocity, 900.0, amounts, share, torch.stack([mean, shear, -difference]))
    torch.testing.assert_close(second[1], first[2])
    torch.testing.assert_close(second[2], -first[1])


def test_a_rotating_field_gets_no_new_extremes(small_mesh):
    elements = build_elements(opened(small_mesh))
    x, y = elements.triangles.nodes.T - 50e3
    velocity = on_nodes(elements, -y * 1e-5, x * 1e-5).expand(-1, -1, 2)
    sides = build_sides(elements)
    amounts, share, stress = fields_of(elements)
    low, high = amounts.amin(dim=1, keepdim=True), amounts.amax(dim=1, keepdim=True)
    for _ in range(30):
        amounts, share, stress = transport(sides, velocity, 1800.0, amounts, share, stress)
    assert bool((amounts >= low - 1e-12).all())
    assert bool((amounts <= high + 1e-12).all())


def test_constant_fields_stay_constant_without_divergence(small_mesh):
    """Rotation and translation through open boundaries: ice that enters is like the ice inside."""
    elements = build_elements(opened(small_mesh))
    x, y = elements.triangles.nodes.T
    velocity = on_nodes(elements, 0.3 - y * 1e-6, 0.1 + x * 1e-6).expand(-1, -1, 2)
    amounts = torch.full((3, elements.n_elements, 2), 0.7, dtype=torch.float64)
    share, stress = 0.2 * torch.ones_like(amounts[0]), 1e4 * torch.ones_like(amounts)
    for _ in range(5):
        amounts, share, stress = transport(build_sides(elements), velocity, 900.0, amounts, share, stress)
    torch.testing.assert_close(amounts, torch.full_like(amounts, 0.7), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(share, torch.full_like(share, 0.2), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(stress, torch.full_like(stress, 1e4), rtol=1e-12, atol=0.0)


def test_convergence_piles_ice_up_at_the_rate_of_the_strain(small_mesh):
    """One step on constant ice changes the amount by minus the divergence of the velocity times the time, exactly."""
    elements = build_elements(small_mesh)
    velocity = random_velocity(elements)
    along_x, along_y = elements.velocity_gradient(velocity)
    amounts = torch.ones(3, elements.n_elements, 2, dtype=torch.float64)
    later, *_ = transport(build_sides(elements), velocity, 60.0, amounts, amounts[0], amounts)
    expected = 1.0 - 60.0 * (along_x[0] + along_y[1])
    torch.testing.assert_close(later, expected.expand(3, -1, -1), rtol=1e-12, atol=0.0)


def test_open_boundaries_let_ice_out(small_mesh):
    elements = build_elements(opened(small_mesh))
    velocity = on_nodes(elements, np.full(elements.n_nodes, 0.5), np.zeros(elements.n_nodes))
    amounts = torch.zeros(3, elements.n_elements, 1, dtype=torch.float64)
    right = elements.triangles.nodes[elements.triangles.corners, 0].mean(axis=1) > 60e3
    amounts[:, right] = 1.0
    before = (amounts * elements.areas).sum()
    for _ in range(400):
        amounts, *_ = transport(build_sides(elements), velocity, 900.0, amounts, amounts[0], amounts)
    assert float((amounts * elements.areas).sum()) < 1e-3 * float(before)


def test_transport_converges_and_diffuses_less_than_upwind():
    """A smooth hill crosses the box: mean error on h, h/2, h/4, and that of upwind fluxes for comparison."""
    errors, upwind = [], []
    for cells in (16, 32, 64):
        step = 200e3 / cells
        elements = build_elements(crossed_strip(cells, cells, step, ()))
        sides = build_sides(elements)
        u, v, time = 0.5, 0.3, 40e3 / 0.5
        steps = round(time / (0.1 * step / 0.5))
        velocity = on_nodes(elements, np.full(elements.n_nodes, u), np.full(elements.n_nodes, v))
        middle = elements.triangles.nodes[elements.triangles.corners].mean(axis=1)

        def hill(x0: float, y0: float, middle=middle) -> np.ndarray:
            distance = np.hypot(middle[:, 0] - x0, middle[:, 1] - y0)
            return 1.0 + np.cos(0.5 * np.pi * np.minimum(distance / 50e3, 1.0)) ** 2

        amounts, plain = torch.as_tensor(hill(80e3, 80e3))[None, :, None].expand(3, -1, -1), hill(80e3, 80e3)
        for _ in range(steps):
            amounts, *_ = transport(sides, velocity, time / steps, amounts, amounts[0], amounts)
            plain = upwind_step(elements.mesh, (u, v), time / steps, plain)
        exact = hill(80e3 + u * time, 80e3 + v * time)
        errors.append(np.abs(amounts[0, :, 0].numpy() - exact).mean())
        upwind.append(np.abs(plain - exact).mean())
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert (orders > 0.85).all(), (errors, orders)
    assert (np.array(errors) < 0.5 * np.array(upwind)).all(), (errors, upwind)


def upwind_step(mesh, velocity, dt, values):
    """One step of first-order upwind fluxes for a uniform velocity; the ice outside is like the ice inside."""
    edges = np.concatenate([mesh.adjacency.edges, mesh.boundary_edges])
    left, right = np.concatenate([mesh.adjacency.faces, np.stack([mesh.boundary_faces] * 2, axis=1)]).T
    along = mesh.nodes[edges[:, 1]] - mesh.nodes[edges[:, 0]]
    flow = (velocity[0] * along[:, 1] - velocity[1] * along[:, 0]) * dt
    flux = np.where(flow > 0, flow * values[left], flow * values[right])
    inner = len(mesh.adjacency)
    change = -np.bincount(left, flux, minlength=mesh.n_faces)
    change += np.bincount(right[:inner], flux[:inner], minlength=mesh.n_faces)
    return values + change / mesh.areas

"""Transport over a step: exact cases, order, conservation, bounds, independence of members, symmetry."""

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.solver_meshes import hexagons, opened
from support.transport_meshes import (
    HOURS_12,
    MESHES,
    OPEN_MESHES,
    grid,
    masked_grid,
    random_amounts,
    random_drift,
    solid_rotation,
    totals,
    uniform_drift,
)

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.transport import plan_transport


def plan_of(mesh: Mesh, **options):
    return plan_transport(mesh, dtype=torch.float64, **options)


@pytest.mark.parametrize("name", OPEN_MESHES)
def test_constant_fields_stay_constant_in_translation_and_rotation(name):
    mesh = OPEN_MESHES[name]
    values = torch.full((1, mesh.n_faces, 2), 0.7, dtype=torch.float64)
    for drift in (uniform_drift(mesh, 0.3, -0.2), solid_rotation(mesh, 5e-6)):
        moved = plan_of(mesh).move(values, drift, 0.5 * drift, HOURS_12)
        torch.testing.assert_close(moved, values, rtol=1e-12, atol=0.0)


@pytest.mark.parametrize("name", OPEN_MESHES)
def test_linear_fields_move_exactly_away_from_the_boundary(name):
    """One sub-step of uniform drift shifts a plane by the way of the drift; the limit does not touch it."""
    mesh = OPEN_MESHES[name]
    plan = plan_of(mesh)
    x, y = mesh.centres.T
    slope = np.array([2e-5, -1e-5])
    values = torch.as_tensor(3.0 + slope[0] * x + slope[1] * y)[None, :, None]
    seconds = plan.longest_substep
    moved = plan.move(values, uniform_drift(mesh, 0.5, 0.2), uniform_drift(mesh, 0.3, 0.2), seconds)
    expected = values - seconds * (slope[0] * 0.4 + slope[1] * 0.2)
    inner = torch.as_tensor(inner_cells(mesh))
    assert inner.sum() >= 2
    torch.testing.assert_close(moved[:, inner], expected[:, inner], rtol=1e-12, atol=0.0)


def inner_cells(mesh: Mesh) -> np.ndarray:
    """Cells whose neighbours have no side on the boundary."""
    near = np.zeros(mesh.n_faces, dtype=bool)
    near[mesh.boundary_faces] = True
    for _ in range(1 if mesh.faces.shape[1] > 3 else 2):
        pairs = mesh.adjacency.faces
        reached = pairs[near[pairs].any(axis=1)]
        near[reached.ravel()] = True
    return ~near


def hill(mesh: Mesh, x: float, y: float) -> np.ndarray:
    """A Gaussian, 1 m high, 40 km wide."""
    squared = ((mesh.centres - [x, y]) ** 2).sum(axis=1)
    return np.exp(-squared / (2 * 40e3**2))


SHAPES = {
    "grid": lambda cells: grid(cells, side=600e3),
    "triangles": lambda cells: jittered_box(cells, side=600e3),
    "hexagons": lambda cells: hexagons(cells, round(cells * 1.15), side=600e3 / cells / np.sqrt(3)),
}


@pytest.mark.parametrize("motion", ["translation", "rotation"])
@pytest.mark.parametrize("shape", SHAPES)
def test_second_order_on_a_smooth_hill(shape, motion):
    """Mean error after three days on h, h/2 and h/4, away from the boundary of the box."""
    errors, days, speed, rate = [], 3, 0.5, 3e-6
    for cells in (24, 48, 96):
        mesh = SHAPES[shape](cells)
        middle = mesh.nodes.mean(axis=0)
        if motion == "translation":
            way = np.array([0.8, 0.6]) * speed * days * 86400.0
            start, end, drift = -way / 2, way / 2, uniform_drift(mesh, 0.8 * speed, 0.6 * speed)
        else:
            angle = rate * days * 86400.0
            start, end = 80e3 * np.array([1.0, 0.0]), 80e3 * np.array([np.cos(angle), np.sin(angle)])
            drift = solid_rotation(mesh, rate)
        values = torch.as_tensor(hill(mesh, *(middle + start)))[None, :, None]
        plan = plan_of(mesh)
        for _ in range(2 * days):
            values = plan.move(values, drift, drift, HOURS_12)
        error = np.abs(values[0, :, 0].numpy() - hill(mesh, *(middle + end)))
        errors.append(float(error[np.hypot(*(mesh.centres - middle).T) < 240e3].mean()))
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders[-1] >= 1.8, (errors, orders)


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("speed", [0.2, 5.0])
def test_a_closed_box_loses_nothing_and_amounts_stay_positive(name, speed):
    """Also in drift without any order that is faster than planned."""
    mesh = MESHES[name]
    before = random_amounts(mesh)
    drift, later = random_drift(mesh, speed), random_drift(mesh, speed, seed=2)
    for dtype, tolerance in ((torch.float64, 1e-14), (torch.float32, 1e-6)):
        moved = plan_transport(mesh, dtype=dtype).move(before, drift, later, HOURS_12)
        assert moved.dtype == dtype
        assert float(moved.min()) >= 0.0
        torch.testing.assert_close(totals(mesh, moved), totals(mesh, before), rtol=tolerance, atol=0.0)


@pytest.mark.parametrize("name", OPEN_MESHES)
def test_no_new_extremes_without_convergence(name):
    mesh = OPEN_MESHES[name]
    values = random_amounts(mesh, members=1)
    for drift in (uniform_drift(mesh, 0.7, 0.9), solid_rotation(mesh, 1e-5)):
        moved = plan_of(mesh).move(values, drift, -drift, HOURS_12)
        assert float(moved.min()) >= 0.0
        assert bool((moved <= values.amax(dim=1, keepdim=True) + 1e-12).all())


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("speed", [0.2, 5.0])
def test_properties_of_the_ice_keep_their_range_and_their_integral(name, speed):
    """Whatever the drift: damage within 0 and 1, integral of volume times damage constant."""
    mesh = MESHES[name]
    values = random_amounts(mesh)
    values[..., 1] += 0.01
    damage = random_amounts(mesh, fields=2, seed=5).round()
    drift = random_drift(mesh, speed)
    moved, found = plan_of(mesh).move_with_properties(values, damage, drift, -drift, HOURS_12, carrier=1)
    assert float(found.min()) >= -1e-12
    assert float(found.max()) <= 1.0 + 1e-12
    before, after = (totals(mesh, v[..., 1:2] * p) for v, p in ((values, damage), (moved, found)))
    torch.testing.assert_close(after, before, rtol=1e-6, atol=0.0)


def test_properties_move_as_their_amount_does_over_even_ice():
    """Rotation over even ice: damage is moved as a field of its own."""
    mesh = OPEN_MESHES["triangles"]
    values = torch.ones(1, mesh.n_faces, 1, dtype=torch.float64)
    damage = torch.as_tensor(mesh.centres[:, 0] / 100e3)[None, :, None]
    drift = solid_rotation(mesh, 5e-6)
    _, found = plan_of(mesh).move_with_properties(values, damage, drift, drift, HOURS_12)
    expected = plan_of(mesh).move(damage, drift, drift, HOURS_12)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", MESHES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_members_do_not_depend_on_each_other(name, dtype):
    mesh = MESHES[name]
    plan = plan_transport(mesh, dtype=dtype)
    values, damage = random_amounts(mesh, members=9), random_amounts(mesh, members=9, fields=1)
    drift, later = random_drift(mesh, 0.5, members=9), random_drift(mesh, 3.0, members=9)
    whole = plan.move_with_properties(values, damage, drift, later, HOURS_12)
    for part in (slice(0, 1), slice(0, 3), slice(4, 9), slice(8, 9)):
        alone = plan.move_with_properties(values[part], damage[part], drift[part], later[part], HOURS_12)
        assert torch.equal(alone[0], whole[0][part])
        assert torch.equal(alone[1], whole[1][part])


@pytest.mark.parametrize("name", MESHES)
def test_single_precision_is_close_to_double(name):
    mesh = MESHES[name]
    values, drift = random_amounts(mesh), random_drift(mesh, 0.2)
    double = plan_of(mesh).move(values, drift, -drift, HOURS_12)
    single = plan_of(mesh).to("cpu", torch.float32).move(values, drift, -drift, HOURS_12)
    torch.testing.assert_close(single.double(), double, rtol=0.0, atol=2e-5)


@pytest.mark.parametrize("name", MESHES)
def test_turning_the_plane_by_90_degrees_changes_nothing(name):
    mesh = MESHES[name]
    turned = Mesh.from_faces(np.stack([-mesh.nodes[:, 1], mesh.nodes[:, 0]], axis=1), mesh.faces)
    np.testing.assert_array_equal(turned.faces, mesh.faces)
    values, drift = random_amounts(mesh), random_drift(mesh, 0.2)
    turned_drift = torch.stack([-drift[..., 1], drift[..., 0]], dim=-1)
    first = plan_of(mesh).move(values, drift, drift, HOURS_12)
    second = plan_of(turned).move(values, turned_drift, turned_drift, HOURS_12)
    torch.testing.assert_close(first, second, rtol=1e-9, atol=1e-11)


def test_drift_changes_linearly_in_time():
    """From rest to 0.8 m/s: the centre of mass moves by half the way of the last drift, on any mesh."""
    for cells in (SHAPES["grid"](24), SHAPES["triangles"](24)):
        middle = cells.nodes.mean(axis=0)
        values = torch.as_tensor(hill(cells, *middle))[None, :, None]
        moved = plan_of(cells).move(values, uniform_drift(cells, 0.0, 0.0), uniform_drift(cells, 0.8, 0.4), HOURS_12)
        weight = moved[0, :, 0].numpy() * cells.areas
        centre = (weight[:, None] * cells.centres).sum(axis=0) / weight.sum() - middle
        np.testing.assert_allclose(centre, [0.4 * HOURS_12, 0.2 * HOURS_12], rtol=0.02)


def test_convergence_piles_up_at_second_order_in_time():
    """u = -a (x, y): amounts per area grow by exp(2 a t)."""
    mesh = OPEN_MESHES["triangles"]
    drift = torch.as_tensor(-3e-6 * (mesh.centres - mesh.nodes.mean(axis=0)))[None]
    values = torch.ones(1, mesh.n_faces, 1, dtype=torch.float64)
    exact = np.exp(2 * 3e-6 * HOURS_12)
    errors = [
        abs(float(plan_of(mesh, fastest=fastest).move(values, drift, drift, HOURS_12).mean()) - exact)
        for fastest in (0.5, 1.0, 2.0)
    ]
    assert errors[0] < 1e-3
    assert (np.log2(np.array(errors[:-1]) / errors[1:]) > 1.8).all(), errors


def test_ice_leaves_over_an_open_boundary_and_not_over_a_coast():
    mesh = masked_grid()
    plan = plan_of(mesh)
    values = torch.ones(1, mesh.n_faces, 1, dtype=torch.float64)
    inward = torch.as_tensor(0.2 * np.sign(50e3 - mesh.centres))[None]
    for _ in range(10):
        left = plan.move(values, -inward, -inward, HOURS_12)
        values = left
    assert float(totals(mesh, left)) < 0.05 * mesh.areas.sum()
    inside = plan.move(torch.ones_like(values), inward, inward, HOURS_12)
    assert float(totals(mesh, inside)) > 1.3 * mesh.areas.sum()


def test_a_few_tiny_cells_do_not_make_the_substeps_shorter():
    x = np.cumsum(np.concatenate([np.full(40, 10e3), [200.0], np.full(40, 10e3)]))
    graded = Mesh.from_grid(x, np.arange(10) * 10e3)
    assert plan_of(graded).substeps(HOURS_12) == plan_of(grid(30, 300e3)).substeps(HOURS_12)
    values, drift = random_amounts(graded), random_drift(graded, 0.5)
    moved = plan_of(graded).move(values, drift, drift, HOURS_12)
    assert float(moved.min()) >= 0.0
    torch.testing.assert_close(totals(graded, moved), totals(graded, values), rtol=1e-14, atol=0.0)


def test_one_closed_cell_keeps_its_ice():
    mesh = Mesh.from_faces(np.array([[0.0, 0.0], [1e4, 0.0], [0.0, 1e4]]), np.array([[0, 1, 2]]))
    values = torch.ones(2, 1, 1, dtype=torch.float64)
    assert torch.equal(plan_of(mesh).move(values, values.expand(2, 1, 2), values.expand(2, 1, 2), 3600.0), values)


def test_other_meshes_and_steps_without_length_are_refused():
    mesh = MESHES["grid"]
    plan = plan_of(mesh)
    values, drift = random_amounts(mesh), random_drift(mesh, 0.1)
    with pytest.raises(InputError, match="100 faces"):
        plan.move(values[:, :50], drift[:, :50], drift[:, :50], 3600.0)
    with pytest.raises(InputError, match="above 0"):
        plan.move(values, drift, drift, 0.0)
    with pytest.raises(InputError, match="fastest"):
        plan_transport(mesh, fastest=-1.0)


@pytest.mark.gpu
def test_the_gpu_computes_the_same():
    mesh = opened(jittered_box(40, side=400e3))
    values, drift = random_amounts(mesh), random_drift(mesh, 0.3)
    expected = plan_of(mesh).move(values, drift, drift, HOURS_12)
    found = plan_of(mesh).to("cuda").move(values.cuda(), drift.cuda(), drift.cuda(), HOURS_12)
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-9, atol=1e-12)

"""The complete solver: conservation, bounds, symmetry, independence of members, growth and melt."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.meshes import jittered_box
from support.solver_meshes import even_cohesion, on_nodes, quiet_solver, still, uniform

from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.simulate import WindField
from gensim_graph.simulate.initial_ice import random_ice
from gensim_graph.simulate.solver import (
    BENCHMARK,
    NEXTSIM,
    Solver,
    State,
    Weather,
    build_elements,
    build_solver,
    cohesion_of,
    state_at_rest,
)
from gensim_graph.simulate.solver.solver import ridge
from gensim_graph.simulate.storms import random_forcing

HOUR = 3600.0
SIDE = 500e3
MESH = jittered_box(10, side=SIDE)


def ensemble(mesh: Mesh, members: list[int]) -> tuple[Solver, State, WindField]:
    """Members on a mesh, with random ice, storms and cohesion."""
    elements = build_elements(mesh)
    streams = [np.random.default_rng([7, member]) for member in members]
    forcings = [random_forcing(mesh, 1.0, stream) for stream in streams]
    ices = [random_ice(mesh, stream) for stream in streams]
    chance = np.stack([stream.random(mesh.n_faces) for stream in streams])
    state = state_at_rest(elements, *(np.stack([getattr(ice, name) for ice in ices]) for name in ("sit", "sic", "snt")))
    cohesion = cohesion_of(elements, NEXTSIM, elements.from_faces(chance))
    solver = build_solver(elements, NEXTSIM, 3 * HOUR, cohesion, still(elements))
    return solver, state, WindField(forcings, elements.triangles.nodes, False, elements.areas)


@pytest.fixture(scope="module")
def day() -> tuple[Solver, list[State]]:
    """Half a day of three members."""
    solver, state, wind = ensemble(MESH, [0, 1, 2])
    return solver, [state, *solver.run(state, wind, 4)]


def test_volume_and_snow_are_conserved_to_rounding(day):
    solver, states = day
    for name in ("thickness", "snow"):
        totals = torch.stack([(getattr(state, name) * solver.elements.areas).sum(dim=0) for state in states])
        assert float((totals / totals[0] - 1.0).abs().max()) < 1e-13


def test_a_run_can_continue_from_any_record(day):
    """A run from the state in the middle gives the same bits; it only needs the number of records before it."""
    solver, states = day
    wind = ensemble(MESH, [0, 1, 2])[2]
    for later, again in zip(states[3:], solver.run(states[2], wind, 2, first=2), strict=True):
        assert torch.equal(later.velocity, again.velocity)
        assert torch.equal(later.intact, again.intact)


def test_ice_area_shrinks_by_ridging_alone(day):
    solver, states = day
    totals = [float((state.concentration * solver.elements.areas).sum()) for state in states]
    assert all(later < earlier for earlier, later in itertools.pairwise(totals))


def test_loose_ice_keeps_its_area():
    """At 30 % nothing ridges, so ice area is conserved too."""
    solver = quiet_solver(MESH)
    elements = solver.elements
    half = np.full((1, MESH.n_faces), 0.3)
    state = state_at_rest(elements, half, half, 0 * half)
    x, y = elements.triangles.nodes.T / SIDE * 2 * np.pi
    wind = on_nodes(elements, 6 * np.sin(y), 6 * np.sin(x))
    (later,) = solver.run(state, lambda time: wind, 1)
    assert float(later.velocity.abs().max()) > 0.05
    assert float(later.concentration.max()) < 1.0
    before, after = ((s.concentration * elements.areas).sum() for s in (state, later))
    assert float(after / before) == pytest.approx(1.0, abs=1e-13)


def test_everything_stays_within_its_bounds(day):
    _, states = day
    for state in states:
        assert float(state.thickness.min()) >= 0.0
        assert float(state.snow.min()) >= 0.0
        for share in (state.concentration, state.intact):
            assert float(share.min()) >= 0.0
            assert float(share.max()) <= 1.0
    assert float(states[-1].intact.min()) < 0.05  # the ice broke
    assert float(states[-1].velocity.abs().max()) > 0.1


def test_ridging_keeps_concentration_at_one():
    sit, sic = (torch.tensor([[value]], dtype=torch.float64) for value in (2.0, 1.3))
    assert float(ridge(sit, sic)) == 1.0
    assert float(ridge(sit, torch.full_like(sic, 0.01))) == pytest.approx(2.0 / 50.0)  # floes of at most 50 m


FIELDS = ("thickness", "concentration", "snow", "intact", "stress", "velocity")


def test_a_member_does_not_depend_on_the_others(day):
    """The same bits in another batch of the same size."""
    _, states = day
    solver, state, wind = ensemble(MESH, [5, 1, 4])
    later = list(solver.run(state, wind, 2))[-1]
    for name in FIELDS:
        assert torch.equal(getattr(later, name)[..., 1], getattr(states[2], name)[..., 1])


def test_a_member_alone_is_the_same_as_in_a_batch():
    """Up to rounding, which may depend on the size of the batch; after one step, because cracks amplify rounding."""
    alone, batch = (
        solver.step(state, wind(0.0), 0.0) for solver, state, wind in (ensemble(MESH, [1]), ensemble(MESH, [0, 1, 2]))
    )
    assert float(batch.intact[..., 1].min()) < 0.5  # the ice broke
    for name in FIELDS:
        expected = getattr(batch, name)[..., 1]
        torch.testing.assert_close(
            getattr(alone, name)[..., 0], expected, rtol=0.0, atol=1e-9 * float(expected.abs().max())
        )


def test_turning_mesh_and_wind_turns_the_drift():
    """The solver prefers no direction: exact in the first step, in which ice breaks; then cracks amplify rounding."""
    angle = 0.7
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    turned = Mesh.from_faces(MESH.nodes @ turn.T, MESH.faces)
    ice = random_ice(MESH, np.random.default_rng(0))
    blowing = np.array([18.0, 8.0])
    histories = []
    for mesh, (u, v) in ((MESH, blowing), (turned, turn @ blowing)):
        solver = quiet_solver(mesh)
        elements = solver.elements
        wind = on_nodes(elements, np.full(elements.n_nodes, u), np.full(elements.n_nodes, v))
        first = solver.step(state_at_rest(elements, ice.sit[None], ice.sic[None], ice.snt[None]), wind, 0.0)
        histories.append((first, solver.step(first, wind, 0.0)))
    (straight, straight_later), (around, around_later) = histories
    assert float(straight.intact.min()) < 0.1
    forward = torch.as_tensor(turn)
    torch.testing.assert_close(around.velocity, torch.einsum("ij,jnm->inm", forward, straight.velocity))
    torch.testing.assert_close(around.concentration, straight.concentration)
    mean, difference, shear = straight.stress
    cosine, sine = math.cos(2 * angle), math.sin(2 * angle)
    expected = torch.stack([mean, cosine * difference - sine * shear, sine * difference + cosine * shear])
    torch.testing.assert_close(around.stress, expected, rtol=1e-7, atol=1e-5)
    expected = torch.einsum("ij,jnm->inm", forward, straight_later.velocity)
    torch.testing.assert_close(around_later.velocity, expected, rtol=0.0, atol=2e-4)


def test_steps_are_stable_for_ice_of_any_thickness():
    """Elastic energy must not grow, without damping and forcing, and with a hundredfold thickness beside thin ice."""
    constants = replace(
        BENCHMARK, water_drag=0.0, coriolis=0.0, lab_cohesion=1e30, lab_strength=1e30, relaxation_time=1e30
    )
    solver = quiet_solver(MESH, constants)
    elements = solver.elements
    rng = np.random.default_rng(0)
    sit = 10.0 ** rng.uniform(-1.0, 1.0, (1, MESH.n_faces))
    state = state_at_rest(elements, sit, np.ones_like(sit), 0 * sit)
    kick = torch.as_tensor(1e-3 * rng.normal(size=(2, elements.n_nodes, 1))) * elements.free
    state = replace(state, velocity=kick)
    (later,) = solver.run(state, lambda time: torch.zeros_like(kick), 1)
    assert float(later.velocity.abs().max()) < 5 * float(kick.abs().max())
    assert float((solver.steps.inertia_factor > 1.0).double().mean()) <= 0.26


def test_impossible_wind_is_refused():
    solver = quiet_solver(MESH)
    ice = np.full((1, MESH.n_faces), 0.05)
    state = state_at_rest(solver.elements, ice, ice, 0 * ice)
    wind = torch.full((2, solver.elements.n_nodes, 1), 1e3, dtype=torch.float64)
    with pytest.raises(InputError, match=r"drifts at .* m/s after 1\.0 h, at most 5"):
        list(solver.run(state, lambda time: wind, 1))


def still_weather(celsius: float, **changes: float) -> Weather:
    return Weather(
        **({"mean": celsius + 273.15, "swing": 0.0, "contrast": 0.0, "snowfall": 0.0, "ocean_heat": 0.0} | changes)
    )


def after_days(weather: Weather, days: float, sit: float, sic: float = 1.0, snt: float = 0.0) -> State:
    """State of ice at rest after some days of a weather."""
    elements = build_elements(MESH)
    cohesion = even_cohesion(elements, BENCHMARK)
    solver = build_solver(elements, BENCHMARK, 24 * HOUR, cohesion, still(elements), weather)
    faces = np.ones((1, MESH.n_faces))
    state = state_at_rest(elements, sit * faces, sic * faces, snt * faces)
    calm = replace(
        solver, steps=replace(solver.steps, steps_per_record=24, substeps_per_step=1)
    )  # the ice does not move
    wind = torch.zeros(2, elements.n_nodes, 1, dtype=torch.float64)
    return list(calm.run(state, lambda time: wind, round(days)))[-1]


def test_ice_grows_with_the_root_of_time():
    """Stefan's law, h^2 - h0^2 = 2 k (T_f - T_s) t / (rho L), for a surface with the temperature of the air."""
    later = after_days(still_weather(-30.0, exchange=1e5), 20, 0.5)
    exact = math.sqrt(0.5**2 + 2 * 2.03 * 28.2 * 20 * 86400 / (900 * 3.34e5))
    np.testing.assert_allclose(later.thickness, exact, rtol=2e-3)


def test_snow_slows_the_growth():
    bare, covered = (after_days(still_weather(-30.0), 5, 1.0, snt=snt) for snt in (0.0, 0.2))
    assert float(covered.thickness.mean()) - 1.0 < 0.5 * (float(bare.thickness.mean()) - 1.0)


def test_warm_air_melts_snow_first_then_ice():
    """The surface gains 20 W/(m2 K) times 3 K, minus the little that is conducted to the bottom at -1.8 C."""
    snowy = after_days(still_weather(3.0), 1, 1.0, snt=0.5)
    assert float(snowy.thickness.max()) <= 1.0 + 1e-4
    assert 0.03 < 0.5 - float(snowy.snow.mean()) < 0.05  # 60 W/m2 a day over 330 kg/m3 * 3.34e5 J/kg = 0.047 m
    bare = after_days(still_weather(3.0), 1, 1.0)
    assert float(bare.thickness.mean()) == pytest.approx(1.0 - 60 * 86400 / (900 * 3.34e5), abs=2e-3)


def test_leads_freeze_over():
    """Open water at -1.8 C under air of -30 C loses 20 W/(m2 K) times 28.2 K, and new ice is 0.25 m thick."""
    later = after_days(still_weather(-30.0), 1, 0.05, sic=0.05)
    new = 20 * 28.2 * 86400 / (900 * 3.34e5)  # m of ice a day in open water
    closed = 0.95 * (1 - math.exp(-new / 0.25))
    np.testing.assert_allclose(later.concentration, 0.05 + closed, rtol=0.01)


def test_all_ice_may_melt():
    later = after_days(still_weather(8.0), 12, 0.2, snt=0.02)
    assert not later.thickness.any()
    assert not later.concentration.any()
    assert not later.snow.any()


def test_the_coldest_day_is_in_january():
    pole = torch.ones((), dtype=torch.float64)
    temperatures = [float(Weather().temperature(day * 86400.0, pole)) for day in range(366)]
    assert np.argmin(temperatures) == 14
    assert min(temperatures) == pytest.approx(239.0)
    assert max(temperatures) == pytest.approx(275.0, abs=0.01)


def test_it_is_warmer_further_from_the_pole():
    """The annual mean falls by 1.5 times 28 K from the equator to the pole, half of it up to 45 degrees."""
    sine = torch.sin(torch.deg2rad(torch.tensor([0.0, 45.0, 90.0], dtype=torch.float64)))
    equator, middle, pole = Weather(swing=0.0).temperature(0.0, sine).tolist()
    assert equator - pole == pytest.approx(42.0)
    assert middle - pole == pytest.approx(21.0)


def test_uniform_pack_at_rest_stays_at_rest():
    solver = quiet_solver(MESH)
    ice = np.ones((1, MESH.n_faces))
    state = state_at_rest(solver.elements, ice, ice, 0 * ice)
    wind = torch.zeros(2, solver.elements.n_nodes, 1, dtype=torch.float64)
    (later,) = solver.run(state, lambda time: wind, 1)
    assert not later.velocity.any()
    torch.testing.assert_close(later.thickness, uniform(solver.elements, 1.0), rtol=1e-14, atol=0.0)

"""The rheology against closed forms: elasticity, relaxation, the envelope, damage, healing, waves."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.solver_meshes import (
    crossed_strip,
    even_cohesion,
    even_steps,
    on_nodes,
    quiet_solver,
    resting,
    still,
    uniform,
)

from gensim_graph.errors import InputError
from gensim_graph.simulate.solver import BENCHMARK, NEXTSIM, Constants, build_elements, cohesion_of
from gensim_graph.simulate.solver.momentum import build_momentum_coefficients, update_velocity
from gensim_graph.simulate.solver.rheology import build_stress_coefficients, update_stress

DAY = 86400.0
UNBREAKABLE = replace(BENCHMARK, lab_cohesion=1e30, lab_strength=1e30, relaxation_time=1e30)
ELEMENTS = build_elements(crossed_strip(2, 2, 10e3, ("rim",)))


def strained(constants: Constants, rates: tuple[float, float, float], steps: int, dt: float, **state: float):
    """Stress (mean, difference, shear) and intact share, step by step, under a constant strain rate e11, e22, e12."""
    elements = ELEMENTS
    ice = resting(elements, uniform(elements, state.get("sit", 1.0)), uniform(elements, state.get("sic", 1.0)))
    coefficients = build_stress_coefficients(elements, constants, dt, ice, even_cohesion(elements, constants))
    e11, e22, e12 = rates
    x, y = elements.triangles.nodes.T
    gradient = elements.velocity_gradient(on_nodes(elements, e11 * x + e12 * y, e12 * x + e22 * y))
    stress = torch.tensor(state.get("stress", (0.0, 0.0, 0.0)), dtype=torch.float64)[:, None, None]
    stress = stress.expand(3, elements.n_elements, 1)
    intact = uniform(elements, 1.0 - state.get("sid", 0.0))
    history = []
    for _ in range(steps):
        stress, intact = update_stress(coefficients, gradient, stress, intact)
        history.append([*stress[:, 0, 0].tolist(), float(intact[0, 0])])
    return np.array(history).T


def test_elastic_stress_is_that_of_plane_stress():
    e11, e22, e12, dt, sic, sid = 3e-8, -1e-8, 2e-8, 10.0, 0.97, 0.4
    mean, difference, shear, _ = strained(UNBREAKABLE, (e11, e22, e12), 1, dt, sic=sic, sid=sid)[:, 0]
    nu = 1.0 / 3.0
    stiffness = 5.96e8 * (1 - sid) * math.exp(-20 * (1 - sic)) / (1 - nu**2) * dt
    assert mean + difference == pytest.approx(stiffness * (e11 + nu * e22), rel=1e-9)
    assert mean - difference == pytest.approx(stiffness * (e22 + nu * e11), rel=1e-9)
    assert shear == pytest.approx(stiffness * (1 - nu) * e12, rel=1e-9)


def test_tension_relaxes_exponentially():
    constants = replace(UNBREAKABLE, relaxation_time=1e7)
    dt, steps, sid = 10.0, 500, 0.8
    history = strained(constants, (0.0, 0.0, 0.0), steps, dt, sid=sid, stress=(100.0, 40.0, -30.0))
    time = 1e7 * 0.2**4
    healing = steps * dt / (15 * DAY)  # healing slows the relaxation in the course of the run
    assert healing < 0.01
    np.testing.assert_allclose(
        history[:3, -1], np.array([100.0, 40.0, -30.0]) * math.exp(-steps * dt / time), rtol=0.05
    )


def test_compression_relaxes_down_to_the_threshold_only():
    """Below P the ice is elastic, above P it flows; P = 1e4 h^1.5 exp(-C (1 - A))."""
    constants, sit, sic = replace(UNBREAKABLE, relaxation_time=1e7), 0.5, 0.98
    threshold = 1e4 * sit**1.5 * math.exp(-20 * 0.02)
    low = strained(constants, (0, 0, 0), 300, 10.0, sid=0.9, sit=sit, sic=sic, stress=(-0.9 * threshold, 0.0, 0.0))
    high = strained(constants, (0, 0, 0), 3000, 10.0, sid=0.9, sit=sit, sic=sic, stress=(-9.0 * threshold, 0.0, 0.0))
    assert low[0, -1] == pytest.approx(-0.9 * threshold, rel=1e-9)
    assert high[0, -1] == pytest.approx(-threshold, rel=0.02)


@pytest.mark.parametrize(("sign", "factor"), [(-1.0, 1.0 - 0.7), (1.0, 1.0 + 0.7)], ids=["compression", "tension"])
def test_uniaxial_stress_fractures_at_the_envelope(sign, factor):
    """tau + mu sigma_n = c with tau = s / 2, sigma_n = +- s / 2: the strength is 2 c / (1 +- mu)."""
    nu, rate, dt = 1.0 / 3.0, 2e-9, 5.0
    constants = replace(BENCHMARK, healing_time=1e9)
    cohesion = 2e6 * math.sqrt(0.1 / math.sqrt(0.5 * 10e3**2))
    strength = 2.0 * cohesion / factor
    needed = strength / (5.96e8 * rate)  # s, at a strain rate of e22 = -nu e11
    history = strained(constants, (sign * rate, -sign * nu * rate, 0.0), int(1.2 * needed / dt), dt)
    axial = history[0] + history[1]
    broken = np.flatnonzero(history[3] < 1.0)[0]
    assert (broken + 1) * dt == pytest.approx(needed, rel=0.01)
    assert np.abs(axial).max() == pytest.approx(strength, rel=0.02)
    assert history[3, -1] < 0.95  # the strain continues: damage grows, and the stress stays on the envelope
    np.testing.assert_allclose(np.abs(axial[broken:]), strength, rtol=0.02)


def test_crushing_at_the_compressive_strength():
    constants = replace(BENCHMARK, lab_strength=4e6, relaxation_time=1e30, healing_time=1e9)
    strength = 4e6 * math.sqrt(0.1 / math.sqrt(0.5 * 10e3**2))
    rate, dt = 1e-8, 5.0
    history = strained(constants, (-rate, -rate, 0.0), 2000, dt)  # no shear: inside the Coulomb envelope
    stiffness = 5.96e8 / (1 - 1 / 3)
    broken = np.flatnonzero(history[3] < 1.0)[0]
    assert (broken + 1) * dt == pytest.approx(strength / (stiffness * rate), rel=0.01)


def test_damage_grows_over_the_time_of_an_elastic_wave():
    """(1 - d) and the stress decay at (1 - d_c) / t_d, t_d = dx sqrt(2 (1 + nu) rho / E)."""
    constants, dt, sid = replace(BENCHMARK, relaxation_time=1e30), 2.0, 0.3
    cohesion = 2e6 * math.sqrt(0.1 / math.sqrt(0.5 * 10e3**2))
    load = 3.0 * cohesion  # in pure shear, so d_c = 1/3
    mean, difference, shear, intact = strained(constants, (0, 0, 0), 1, dt, sid=sid, stress=(0.0, 0.0, load))[:, 0]
    side = (2 + math.sqrt(2)) / 3 * 10e3
    time = side * math.sqrt(2 * (1 + 1 / 3) * 900 / (5.96e8 * (1 - sid)))
    kept = 1 - (1 - 1 / 3) * dt / time
    assert shear == pytest.approx(load * kept, rel=1e-9)
    assert intact - dt / (15 * DAY) == pytest.approx((1 - sid) * kept, rel=1e-9)
    assert (mean, difference) == (0.0, 0.0)


@pytest.mark.parametrize(("constants", "rate"), [(BENCHMARK, 1 / 15), (NEXTSIM, math.exp(-20 * 0.05) / 25)])
def test_damage_heals_at_its_rate(constants, rate):
    history = strained(constants, (0, 0, 0), 864, 100.0, sid=0.5, sic=0.95)
    assert 1.0 - history[3, -1] == pytest.approx(0.5 - rate, rel=1e-6)
    assert strained(constants, (0, 0, 0), 864, 100.0, sid=0.001)[3, -1] == 1.0


def test_loose_ice_bears_no_stress():
    history = strained(BENCHMARK, (1e-7, 2e-7, 1e-7), 3, 10.0, sic=0.05)
    assert not history[:3].any()
    assert (history[3] == 1.0).all()


def test_small_cells_are_stronger():
    """Cohesion is proportional to the inverse root of the cell size, plus a random part of up to 33 %."""
    fine, coarse = (build_elements(crossed_strip(2, 2, step, ())) for step in (4e3, 16e3))
    ratio = even_cohesion(fine, NEXTSIM)[0, 0] / even_cohesion(coarse, NEXTSIM)[0, 0]
    assert float(ratio) == pytest.approx(2.0)
    assert float(even_cohesion(coarse, BENCHMARK)[0, 0]) == pytest.approx(2e6 * math.sqrt(0.1 / (16e3 / math.sqrt(2))))
    highest = cohesion_of(coarse, NEXTSIM, uniform(coarse, 1.0))
    torch.testing.assert_close(highest, 1.33 * even_cohesion(coarse, NEXTSIM))


def test_elastic_waves_have_their_speed():
    """A standing wave between two walls changes its sign within the time of length over speed."""
    constants = replace(UNBREAKABLE, poisson_ratio=0.0, water_drag=0.0, coriolis=0.0)
    length, columns = 640e3, 64
    mesh = crossed_strip(columns, 2, length / columns, ("left", "right"))
    elements = build_elements(mesh)
    dt = 2.0
    ice = uniform(elements, 1.0)
    state, steps = resting(elements, ice, ice), even_steps(elements, dt)
    for_stress = build_stress_coefficients(elements, constants, dt, state, even_cohesion(elements, constants))
    wind = torch.zeros(2, elements.n_nodes, 1, dtype=torch.float64)
    for_velocity = build_momentum_coefficients(elements, constants, steps, state, wind, still(elements))
    x, _ = elements.triangles.nodes.T
    start = on_nodes(elements, 1e-3 * np.sin(np.pi * x / length), 0.0 * x)
    velocity, stress, intact = start, torch.zeros(3, elements.n_elements, 1, dtype=torch.float64), ice
    speed = math.sqrt(5.96e8 / 900.0)
    for _ in range(round(length / speed / dt)):
        stress, intact = update_stress(for_stress, elements.velocity_gradient(velocity), stress, intact)
        velocity = update_velocity(elements, for_velocity, velocity, stress)
    assert float((velocity + start).abs().max()) < 0.02 * 1e-3


def test_channel_under_wind_breaks_at_the_right_wind():
    """Ice frozen to a wall, wind towards it: stress at the wall is wind stress times length over thickness."""
    constants = replace(BENCHMARK, poisson_ratio=0.0, coriolis=0.0, healing_time=1e9, relaxation_time=1e30)
    length, step, thickness = 160e3, 10e3, 0.8
    mesh = crossed_strip(16, 4, step, ("left",))
    cohesion = 2e6 * math.sqrt(0.1 / math.sqrt(0.5 * step**2))
    strength = 2 * cohesion / (1 - 0.7)
    critical = math.sqrt(strength * thickness / length / (1.3 * 1.2e-3))  # m/s
    broken = {}
    for share in (0.95, 1.05):
        solver = quiet_solver(mesh, constants)
        elements = solver.elements
        ice = uniform(elements, thickness)
        zero = torch.zeros(3, elements.n_elements, 1, dtype=torch.float64)
        state = {"stress": zero, "intact": uniform(elements, 1.0), "velocity": still(elements)}
        for ramp in np.linspace(0.0, 1.0, 60):  # slowly, so that elastic waves do not add to the load
            wind = on_nodes(elements, np.full(elements.n_nodes, -critical * share * ramp), np.zeros(elements.n_nodes))
            state = _substeps(solver, state, ice, wind)
        broken[share] = float((state["intact"] < 1.0).double().mean())
        middle = elements.triangles.nodes[elements.triangles.corners].mean(axis=1)
        first = np.flatnonzero(state["intact"][:, 0] < 1.0)
        assert (middle[first, 0] < 0.25 * length).all()
    assert broken[0.95] == 0.0
    assert broken[1.05] > 0.0


def _substeps(solver, state, ice, wind):
    elements, constants, steps = solver.elements, solver.constants, solver.steps
    thick = resting(elements, ice, torch.ones_like(ice))
    for_stress = build_stress_coefficients(elements, constants, steps.substep, thick, solver.cohesion)
    for_velocity = build_momentum_coefficients(elements, constants, steps, thick, wind, solver.ocean)
    stress, intact, velocity = state["stress"], state["intact"], state["velocity"]
    for _ in range(40):
        stress, intact = update_stress(for_stress, elements.velocity_gradient(velocity), stress, intact)
        velocity = update_velocity(elements, for_velocity, velocity, stress)
    return {"stress": stress, "intact": intact, "velocity": velocity}


@pytest.mark.parametrize(
    ("name", "value"),
    [("youngs_modulus", 0.0), ("poisson_ratio", 0.5), ("lab_cohesion", -1.0), ("water_turning", 120.0)],
)
def test_impossible_constants_are_refused(name, value):
    with pytest.raises(InputError, match=f"constants.{name}: expected"):
        replace(BENCHMARK, **{name: value})

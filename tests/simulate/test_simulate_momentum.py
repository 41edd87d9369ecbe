"""The momentum against closed forms: free drift, inertial oscillation, coasts, hemispheres."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import root
from support.solver_meshes import crossed_strip, even_steps, on_nodes, resting, still, uniform

from gensim_graph.mesh import Mesh
from gensim_graph.simulate.solver import BENCHMARK, NEXTSIM, Constants, Elements, build_elements
from gensim_graph.simulate.solver.momentum import build_momentum_coefficients, update_velocity

THICKNESS = 0.8


def drift(elements: Elements, constants: Constants, wind, ocean, start, steps: int, dt: float, sic: float = 1.0):
    """Velocity after some sub-steps without internal stress."""
    state = resting(elements, uniform(elements, THICKNESS * sic), uniform(elements, sic))
    coefficients = build_momentum_coefficients(elements, constants, even_steps(elements, dt), state, wind, ocean)
    velocity, stress = start, torch.zeros(3, elements.n_elements, 1, dtype=torch.float64)
    for _ in range(steps):
        velocity = update_velocity(elements, coefficients, velocity, stress)
    return velocity


def everywhere(elements: Elements, u: float, v: float) -> torch.Tensor:
    return on_nodes(elements, np.full(elements.n_nodes, u), np.full(elements.n_nodes, v))


@pytest.fixture(scope="module")
def elements() -> Elements:
    return build_elements(crossed_strip(2, 2, 10e3, ()))


def test_free_drift_without_rotation_is_a_share_of_the_wind(elements):
    """Both drags balance at u = sqrt(rho_a C_a / (rho_w C_w)) u_a, for any thickness."""
    constants = replace(BENCHMARK, coriolis=0.0)
    wind = everywhere(elements, 6.0, -8.0)
    velocity = drift(elements, constants, wind, still(elements), still(elements), 1200, 60.0)
    share = math.sqrt(1.3 * 1.2e-3 / (1026 * 5.5e-3))
    torch.testing.assert_close(velocity, share * wind, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize("constants", [BENCHMARK, NEXTSIM], ids=["benchmark", "nextsim"])
def test_free_drift_solves_the_steady_equation(elements, constants):
    """With Coriolis force, turning angle and a current, compared with a root of the complex equation."""
    wind, ocean = 12.0 * np.exp(0.4j), 0.1 * np.exp(2.0j)
    turn = np.exp(1j * np.radians(constants.water_turning))
    mass, f = constants.ice_density * THICKNESS, constants.coriolis

    def imbalance(parts):
        u = complex(*parts)
        air = constants.air_density * constants.air_drag * abs(wind) * wind
        water = constants.water_density * constants.water_drag * abs(ocean - u) * (ocean - u) * turn
        force = air + water - 1j * f * mass * u
        return force.real, force.imag

    exact = root(imbalance, (0.1, 0.1), tol=1e-14).x
    args = everywhere(elements, wind.real, wind.imag), everywhere(elements, ocean.real, ocean.imag)
    velocity = drift(elements, constants, *args, still(elements), 2000, 60.0, sic=0.6)
    np.testing.assert_allclose(velocity[..., 0].T, np.tile(exact, (elements.n_nodes, 1)), rtol=1e-6)


def test_drift_turns_to_the_right_of_the_wind_in_the_north(elements):
    wind = everywhere(elements, 10.0, 0.0)
    u, v = drift(elements, BENCHMARK, wind, still(elements), still(elements), 1200, 60.0)[:, 0, 0]
    assert u > 0.0
    assert v < 0.0


def test_hemispheres_mirror_each_other():
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]]) * 1e4
    both = []
    for crs in ("EPSG:3413", "EPSG:3031"):
        mesh = Mesh.from_faces(square, np.array([[0, 1, 2, 3]]), crs=crs)
        elements = build_elements(Mesh.from_faces(square, mesh.faces, crs, {"open": mesh.boundary_edges}))
        wind = everywhere(elements, 10.0, 0.0)
        both.append(drift(elements, NEXTSIM, wind, still(elements), still(elements), 1000, 60.0)[:, 0, 0])
    (north_u, north_v), (south_u, south_v) = both
    assert float(south_u) == pytest.approx(float(north_u), rel=1e-4)
    assert float(south_v) == pytest.approx(-float(north_v), rel=1e-4)


def test_without_drag_ice_circles_in_an_inertial_period(elements):
    constants = replace(BENCHMARK, water_drag=0.0)
    period, dt = 2 * math.pi / 1.45842e-4, 20.0
    steps = round(period / dt)
    nothing = everywhere(elements, 0.0, 0.0)
    start = everywhere(elements, 0.2, 0.1)
    quarter = drift(elements, constants, nothing, still(elements), start, steps // 4, dt)
    u, v = quarter[:, 0, 0]
    assert float(u) == pytest.approx(0.1, rel=4e-3)  # a quarter turn clockwise
    assert float(v) == pytest.approx(-0.2, rel=4e-3)
    whole = drift(elements, constants, nothing, still(elements), start, steps, dt)
    slower = (1 + (1.45842e-4 * dt) ** 2) ** (-steps / 2)  # damping of the implicit step, 0.9 % after one period
    torch.testing.assert_close(whole, slower * start, rtol=5e-3, atol=0.0)


def test_coast_nodes_stay_where_they_are():
    elements = build_elements(crossed_strip(4, 4, 10e3, ("left", "right", "rim")))
    wind = everywhere(elements, 10.0, 5.0)
    velocity = drift(elements, BENCHMARK, wind, still(elements), still(elements), 50, 20.0)
    fixed = elements.free[:, 0] == 0
    assert not velocity[:, fixed].any()
    assert bool((velocity[0, ~fixed] > 0).all())


def test_open_water_drifts_freely(elements):
    """Nodes without ice have the inertia of thin ice: their drift is finite, and equals the free drift."""
    none = uniform(elements, 0.0)
    state, steps = resting(elements, none, none), even_steps(elements, 10.0)
    wind = everywhere(elements, 10.0, 0.0)
    constants = replace(BENCHMARK, coriolis=0.0)
    coefficients = build_momentum_coefficients(elements, constants, steps, state, wind, still(elements))
    velocity, stress = still(elements), torch.zeros(3, elements.n_elements, 1, dtype=torch.float64)
    for _ in range(2000):
        velocity = update_velocity(elements, coefficients, velocity, stress)
    np.testing.assert_allclose(velocity[0], 10 * math.sqrt(1.3 * 1.2e-3 / (1026 * 5.5e-3)), rtol=1e-6)

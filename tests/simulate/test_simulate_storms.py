"""Storms against the published formula; random storms and random ice within their documented ranges."""

import math

import numpy as np
import pytest
import torch
from support.meshes import jittered_box

from gensim_graph.mesh import Mesh
from gensim_graph.simulate import WindField
from gensim_graph.simulate.initial_ice import benchmark_ice, random_ice
from gensim_graph.simulate.storms import Storm, StormForcing, benchmark_forcing, gyre_on, random_forcing

DAY = 86400.0
BOX = 512e3
LIKE = torch.zeros(1, dtype=torch.float64)


@pytest.fixture(scope="module")
def box() -> Mesh:
    return jittered_box(10, side=BOX)


def wind_of(forcing: StormForcing, points: np.ndarray, time: float, southern: bool = False) -> np.ndarray:
    return WindField([forcing], points, southern, LIKE)(time)[..., 0].numpy()


def test_benchmark_wind_is_the_published_formula(box):
    """vMax A exp(-k r) with 30 m/s, 1e-5 /m, 1e-5 /m, 72 degrees; the centre moves 51.2 km a day along the diagonal."""
    points, days = box.centres, 1.3
    x, y = (points - 0.5 * BOX * (1 + days / 5)).T
    strength = 30.0 * 1e-5 * np.exp(-1e-5 * np.hypot(x, y))
    cosine, sine = math.cos(math.radians(72)), math.sin(math.radians(72))
    expected = -strength * (cosine * x + sine * y), -strength * (-sine * x + cosine * y)
    np.testing.assert_allclose(wind_of(benchmark_forcing(box), points, days * DAY), expected, rtol=1e-9)


def test_benchmark_current_and_ice_are_the_published_formulas(box):
    x, y = box.centres.T
    current = gyre_on([benchmark_forcing(box)], box, box.centres)[..., 0]
    np.testing.assert_allclose(current, [0.01 * (2 * y / BOX - 1), 0.01 * (1 - 2 * x / BOX)], atol=1e-12)
    ice = benchmark_ice(box)
    np.testing.assert_allclose(ice.sit, 0.3 + 0.005 * (np.sin(0.06 * x / 1e3) + np.sin(0.03 * y / 1e3)))
    assert (ice.sic == 1).all()
    assert not ice.snt.any()


def test_wind_is_strongest_at_the_radius_counter_clockwise_and_inwards():
    storm = StormForcing((Storm(0.0, 0.0, 0.0, 0.0, 20.0, 80e3, 72.0),))
    radii = np.arange(10e3, 300e3, 1e3)
    u, v = wind_of(storm, np.stack([radii, 0 * radii], axis=1), 0.0)
    speed = np.hypot(u, v)
    assert radii[speed.argmax()] == 80e3
    assert speed.max() == pytest.approx(20.0)
    assert (v > 0).all()  # counter-clockwise, east of the centre
    assert (u < 0).all()  # inwards
    np.testing.assert_allclose(np.degrees(np.arctan2(v, -u)), 72.0)


def test_anticyclones_and_the_southern_hemisphere_turn_the_other_way():
    point = np.array([[60e3, 0.0]])
    u, v = wind_of(StormForcing((Storm(0.0, 0.0, 0.0, 0.0, 20.0, 80e3, 72.0),)), point, 0.0)
    reverse = wind_of(StormForcing((Storm(0.0, 0.0, 0.0, 0.0, -20.0, 80e3, 72.0),)), point, 0.0)
    south = wind_of(StormForcing((Storm(0.0, 0.0, 0.0, 0.0, 20.0, 80e3, 72.0),)), point, 0.0, southern=True)
    np.testing.assert_allclose(reverse, [-u, -v])
    np.testing.assert_allclose(south, [u, -v])


def test_storms_move_grow_and_fade():
    storm = Storm(10e3, 20e3, 3.0, -1.0, 15.0, 80e3, 72.0, begin=DAY, end=3 * DAY, ramp=3600.0)
    forcing = StormForcing((storm,), background=(2.0, 1.0))
    middle = 2 * DAY
    centre = np.array([[10e3 + 3.0 * middle, 20e3 - middle]])
    np.testing.assert_allclose(wind_of(forcing, centre, middle)[:, 0], [2.0, 1.0])
    beside = centre + np.array([[80e3, 0.0]])
    there = np.hypot(*(wind_of(forcing, beside, middle)[:, 0] - [2.0, 1.0]))
    assert there == pytest.approx(15.0)
    for time, share in ((0.5 * DAY, 0.0), (DAY + 1800.0, 0.5), (3 * DAY - 900.0, 0.25), (3.5 * DAY, 0.0)):
        beside = np.array([[10e3 + 3.0 * time + 80e3, 20e3 - time]])
        blown = np.hypot(*(wind_of(forcing, beside, time)[:, 0] - [2.0, 1.0]))
        assert blown == pytest.approx(15.0 * share, abs=1e-9)


def test_the_wind_of_overlapping_storms_is_capped():
    storm = Storm(0.0, 0.0, 0.0, 0.0, 20.0, 80e3, 72.0)
    u, v = wind_of(StormForcing((storm, storm)), np.array([[80e3, 0.0]]), 0.0)
    assert np.hypot(u, v) == pytest.approx(25.0)


@pytest.mark.parametrize(("side", "days", "count"), [(100e3, 4.0, 1), (BOX, 4.0, 1), (BOX, 9.0, 3), (3000e3, 4.0, 4)])
def test_random_storms_scale_with_the_domain(side, days, count):
    """In the middle of its life a storm is over the domain; its radius is a share of the size, up to 500 km."""
    mesh = jittered_box(10, side=side)
    anticyclones = 0
    for seed in range(60):
        forcing = random_forcing(mesh, days, np.random.default_rng(seed))
        assert len(forcing.storms) == count
        for storm in forcing.storms:
            middle = 0.5 * (storm.begin + min(storm.end, days * DAY))
            x, y = storm.x + storm.east * middle, storm.y + storm.north * middle
            assert 0 <= x <= side
            assert 0 <= y <= side
            assert 70e3 / BOX <= storm.radius / min(side, 2.5 * BOX) <= 200e3 / BOX
            assert 10.0 <= abs(storm.wind) <= 25.0
            anticyclones += storm.wind < 0
    assert 0.2 < anticyclones / (60 * count) < 0.47


def test_random_ice_is_within_its_documented_ranges(box):
    mesh = jittered_box(40, side=BOX)
    open_water, means = 0, []
    for seed in range(60):
        ice = random_ice(mesh, np.random.default_rng(seed))
        assert ice.sit.min() >= 0
        assert ice.sic.min() >= 0
        assert ice.sic.max() <= 1
        assert (ice.sic == 1).mean() > 0.1  # a point mass at full cover
        assert (ice.snt <= 0.45 * ice.sit).all()
        assert not ice.sit[ice.sic == 0].any()
        open_water += (ice.sic == 0).any()
        means.append(ice.sit[ice.sic > 0].mean())
    assert 12 <= open_water <= 28
    assert min(means) > 0.2
    assert max(means) < 2.1


def test_random_ice_is_smooth():
    """Neighbouring faces differ by a small share of the range."""
    mesh = jittered_box(40, side=BOX)
    ice = random_ice(mesh, np.random.default_rng(1))
    first, second = mesh.adjacency.faces.T
    assert np.abs(ice.sit[first] - ice.sit[second]).max() < 0.25 * np.ptp(ice.sit)

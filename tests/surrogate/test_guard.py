"""The guard of forecasts: distances as by brute force, runaways seen in time, and genuine ice left alone."""

import dataclasses
import json
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from support.surrogates import DATA, MESH, TABLE, random_surrogate

import gensim_graph as gg
from gensim_graph.data import Statistics, Trajectories, cyclone_trajectories, statistics_of
from gensim_graph.surrogate import Surrogate
from gensim_graph.surrogate.guard import ForecastGuard, guard_of

SEASON = Path(__file__).parents[3] / "shared/data/season"
MODEL = random_surrogate()
PART = Trajectories.from_dataset(DATA, TABLE, np.timedelta64(6, "h"))
NAMES = [one.name for one in TABLE.state]
LARGEST = MODEL.normaliser.statistics.ranges["sit"][1]


def drivers(scale: float = 1.0) -> list[torch.Tensor]:
    """Forcing of the data and slow inputs, (face, variable) each."""
    return [torch.from_numpy(scale * PART.forcing[0, 0]), torch.from_numpy(PART.slow[0, 0])]


def states(seed: int = 0, members: int = 3) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform(0, 1, (members, MESH.n_faces, len(NAMES))).astype(np.float32))


def test_distances_are_those_of_brute_force():
    statistics, state = MODEL.normaliser.statistics, states()
    guard = ForecastGuard(MODEL.normaliser, MESH)
    member = guard.of_members(range(3))
    member.add(np.datetime64("2000-01-01"), state, *drivers())
    rows = np.moveaxis(member.judged()[0], 1, 0)
    came = {one.name: values for one, values in zip(guard.fields, rows, strict=True)}

    for name in ("sit", "sic", "sid"):
        values, (low, high) = state[..., NAMES.index(name)].numpy().astype(float), statistics.ranges[name]
        mean, deviation = statistics.values[name]
        beyond = np.maximum(0, np.maximum(values.max(1) - high, low - values.min(1)) / (high - low))
        np.testing.assert_allclose(came[f"guard_{name}"][:, 0], beyond, atol=1e-5)
        np.testing.assert_allclose(came[f"guard_{name}"][:, 1], beyond, atol=1e-5)  # nothing has grown yet
        np.testing.assert_allclose(came[f"guard_{name}"][:, 2], (values.mean(1) - mean) / deviation, atol=1e-5)
        np.testing.assert_allclose(came[f"guard_{name}"][:, 3], values.std(1) / deviation, rtol=1e-4)

    u, v = (state[..., NAMES.index(name)].numpy().astype(float) for name in ("siu", "siv"))
    fastest, deviation = statistics.ranges["siu"][1], statistics.values["siu"][1]
    beyond = np.maximum(np.hypot(u, v).max(1) / fastest - 1, 0)
    np.testing.assert_allclose(came["guard_siu_siv"][:, 0], beyond, rtol=1e-4)
    np.testing.assert_allclose(came["guard_siu_siv"][:, 2], np.hypot(u.mean(1), v.mean(1)) / deviation, rtol=1e-4)
    assert (came["guard_uas_vas"][:, 0] == 0).all()  # the forcing of the training itself


def test_speeds_do_not_depend_on_the_axes():
    x, y = NAMES.index("siu"), NAMES.index("siv")
    state, guard = states(), ForecastGuard(MODEL.normaliser, MESH)
    turned = state.clone()
    turned[..., x], turned[..., y] = (
        0.6 * state[..., x] - 0.8 * state[..., y],
        0.8 * state[..., x] + 0.6 * state[..., y],
    )
    number = [one.name for one in guard.fields].index("guard_siu_siv")
    rows = []
    for one in (state, turned):
        member = guard.of_members(range(3))
        member.add(np.datetime64("2000-01-01"), one, *drivers())
        rows.append(member.judged()[0, :, number])
    np.testing.assert_allclose(*rows, rtol=1e-4)


def warned_at(growth: list[float], caplog, first: float) -> tuple[int, int]:
    """Step of the first warning and step at which the thickness first exceeds 1.5 times its largest value.

    Args:
        growth: factors of the steps.
        caplog: of pytest.
        first: thickness of the thickest cell at the start, as a share of the largest of the training.
    """
    guard = ForecastGuard(MODEL.normaliser, MESH)
    member = guard.of_members(range(1))
    state = torch.from_numpy(PART.state[:, 0].copy())
    thickness = state[..., NAMES.index("sit")].clone()
    thickness *= first * LARGEST / thickness.max()

    shares = first * np.cumprod([1.0, *growth])
    with caplog.at_level(logging.WARNING, "gensim_graph.surrogate.guard"):
        for step, share in enumerate(shares):
            state[..., NAMES.index("sit")] = thickness * (share / first)
            member.add(np.datetime64("2000-01-01T00", "h") + 6 * step, state, *drivers())
            member.judged()
            if any("sit (" in line for line in caplog.messages):
                caplog.clear()
                return step, int(np.argmax(shares > 1.5))
    raise AssertionError("no warning")


@pytest.fixture
def from_zero(monkeypatch):
    """Training data whose smallest thickness is 0, so that positions are shares of the largest value."""
    statistics = MODEL.normaliser.statistics
    ranged = dataclasses.replace(statistics, ranges=statistics.ranges | {"sit": (0.0, LARGEST)})
    monkeypatch.setattr(MODEL, "normaliser", dataclasses.replace(MODEL.normaliser, statistics=ranged))


@pytest.mark.parametrize("rate", [0.01, 0.03, 0.05, 0.09])
def test_a_runaway_is_seen_ten_steps_before(rate, caplog, from_zero):
    """Steps of six hours: the window of four days has 16 of them."""
    steps = int(np.log(1.6 / 0.15) / np.log1p(rate)) + 1
    warned, exceeded = warned_at([1 + rate] * steps, caplog, first=0.15)
    assert warned <= exceeded - 10


@pytest.mark.parametrize("seed", range(3))
def test_a_runaway_whose_growth_varies_is_seen_ten_steps_before(seed, caplog, from_zero):
    growth = 1 + np.random.default_rng(seed).uniform(0.03, 0.07, 60)
    warned, exceeded = warned_at(growth.tolist(), caplog, first=0.2)
    assert warned <= exceeded - 10


def test_a_warning_says_what_where_when_and_what_to_do(caplog, from_zero):
    warned_at([1.05] * 60, caplog, first=0.3)
    guard = ForecastGuard(MODEL.normaliser, MESH)
    member = guard.of_members(range(4, 5))
    state = states(members=1)
    state[0, 7, NAMES.index("sit")] = 2 * LARGEST
    for _ in range(2):
        member.add(np.datetime64("2000-01-03T06"), state, *drivers())
    with caplog.at_level(logging.WARNING, "gensim_graph.surrogate.guard"):
        member.judged()
    lines = [line for line in caplog.messages if "sit (" in line]
    x, y = MESH.centres[7] / 1e3
    assert len(lines) == 1  # once, for two steps
    for words in (
        f"{2 * LARGEST:.3g} m at x {x:.0f} km, y {y:.0f} km",
        "member 4",
        "2000-01-03T06:00",
        "training data",
    ):
        assert words in lines[0]
    assert "Do not trust the forecast" in lines[0]
    assert "guard_sit" in lines[0]


def test_forcing_far_from_the_training_is_warned_of(caplog):
    member = ForecastGuard(MODEL.normaliser, MESH).of_members(range(1))
    member.add(np.datetime64("2000-01-01"), 0.5 * states(members=1), *drivers(scale=3.0))
    with caplog.at_level(logging.WARNING, "gensim_graph.surrogate.guard"):
        member.judged()
    assert any("uas_vas" in line and "Check the forcing" in line for line in caplog.messages)


def test_bounded_variables_are_not_extrapolated_beyond_their_bounds():
    guard = ForecastGuard(MODEL.normaliser, MESH)
    number = [one.name for one in guard.fields].index("guard_sid")
    member = guard.of_members(range(1))
    for step in range(40):
        state = torch.full((1, MESH.n_faces, len(NAMES)), min(1.0, 0.2 * 1.05**step))
        member.add(np.datetime64("2000-01-01"), state, *drivers())
    low, high = MODEL.normaliser.statistics.ranges["sid"]
    assert member.judged()[:, 0, number, 1].max() <= (1 - high) / (high - low) + 1e-6


def test_models_without_ranges_have_no_guard(caplog):
    with caplog.at_level(logging.DEBUG, "gensim_graph.surrogate.guard"):
        assert guard_of(Surrogate.load("small@1").normaliser, MESH) is None
    assert len(caplog.messages) == 1
    assert "earlier version" in caplog.messages[0]


def test_ranges_are_saved_with_a_model(tmp_path):
    statistics = MODEL.normaliser.statistics
    MODEL.save(tmp_path)
    assert Surrogate.load(tmp_path).normaliser.statistics.ranges == statistics.ranges
    rows = json.loads(json.dumps(statistics.to_dict()))
    assert Statistics.from_dict(rows) == statistics
    del rows["ranges"]
    assert Statistics.from_dict(rows).ranges == {}


def test_a_forecast_in_memory_keeps_it_and_members_are_independent():
    initial = DATA.isel(time=0)
    whole = MODEL.forecast(initial, DATA, steps=2, members=3, batch=3, progress=False)
    parts = MODEL.forecast(initial, DATA, steps=2, members=3, batch=1, progress=False)
    assert whole["guard_sit"].dims == ("member", "lead_time", "guard_measure")
    np.testing.assert_allclose(whole["guard_sit"].values, parts["guard_sit"].values, rtol=1e-3, atol=1e-4)
    highest = whole["sit"].max("face").values
    low, high = MODEL.normaliser.statistics.ranges["sit"]
    expected = np.maximum(np.maximum(highest - high, low - whole["sit"].min("face").values) / (high - low), 0)
    np.testing.assert_allclose(whole["guard_sit"].sel(guard_measure="beyond").values, expected, atol=1e-5)
    assert not [name for name in MODEL.forecast(initial, DATA, 1, guard=False, progress=False) if "guard" in str(name)]


@pytest.mark.slow
def test_no_warning_for_a_forecast_of_a_storm(caplog):
    """The model that ships, with the ranges of its training data, over four days from rest."""
    model = Surrogate.load("small")
    data = gg.open_store(cyclone_trajectories("test")[0])
    with caplog.at_level(logging.WARNING, "gensim_graph.surrogate.guard"):
        forecast = model.forecast(data.isel(time=0), data, steps=8, members=2, progress=False)
    assert "guard_sit" in forecast
    assert not caplog.messages


@pytest.mark.skipif(not SEASON.is_dir(), reason="needs years of ice of the Arctic, which do not ship")
@pytest.mark.slow
def test_no_warning_for_a_year_of_ice_like_that_of_the_training(caplog):
    """A year whose thickness, snow and drift lie in the range of another one: 729 steps of twelve hours."""
    table = gg.default_variables()
    parts = [
        Trajectories.from_dataset(gg.open_store(SEASON / f"season60_year{year}.nc"), table, np.timedelta64(12, "h"))
        for year in (2, 3)
    ]
    statistics = statistics_of(parts[:1], table, 12.0)
    normaliser = dataclasses.replace(MODEL.normaliser, table=table, statistics=statistics)
    member = ForecastGuard(normaliser, parts[1].mesh).of_members(range(1))
    year = parts[1]
    with caplog.at_level(logging.WARNING, "gensim_graph.surrogate.guard"):
        for step, state in enumerate(year.state[0]):
            values = (torch.from_numpy(one[0, step]) for one in (year.forcing, year.slow))
            member.add(year.record_times[step], torch.from_numpy(state)[None], *values)
        values = member.judged()
    assert values.shape[0] == len(year.record_times)
    assert not caplog.messages

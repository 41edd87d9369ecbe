"""Linear response of the drift: recovered where it is exact, the same in every frame, absent without ice or wind."""

import dataclasses

import numpy as np
import pytest
import torch
from support.surrogates import DATA, MESH, TABLE, random_surrogate

from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    Statistics,
    TrainingSamples,
    Trajectories,
    fit_drift_response,
    statistics_of,
    with_drift_response,
)
from gensim_graph.data.drift_response import with_response
from gensim_graph.surrogate import Surrogate

LEAD = np.timedelta64(6, "h")
STATE, FORCING = ([one.name for one in group] for group in (TABLE.state, TABLE.forcing))
SIC, SIU, SIV = (STATE.index(name) for name in ("sic", "siu", "siv"))
UAS, VAS = (FORCING.index(name) for name in ("uas", "vas"))
TRUE = {"siu": -0.2 + 0.05j, "uas": -0.01 + 0.004j, "uas at the end": 0.016 - 0.007j}


def complex_of(values, x, y):
    return values[..., x] + 1j * values[..., y]


def responding(noise=0.0):
    """Trajectories whose drift follows the response exactly where there is ice, and stays where there is none."""
    plain = Trajectories.from_dataset(DATA, TABLE, LEAD)
    rng = np.random.default_rng(0)
    state, wind = plain.state.copy(), complex_of(plain.forcing, UAS, VAS)
    state[..., SIC] = np.where(rng.random(state.shape[2]) < 0.3, 0.0, rng.uniform(0.5, 1.0, state.shape[:3]))
    has_ice, steps = state[0, 0, :, SIC] > 0, plain.lead_steps

    for start in range(plain.n_starts):
        drift, now, later = complex_of(state[:, start], SIU, SIV), wind[:, start], wind[:, start + steps]
        change = TRUE["siu"] * drift + TRUE["uas"] * now + TRUE["uas at the end"] * later
        change += noise * (rng.standard_normal(drift.shape) + 1j * rng.standard_normal(drift.shape))
        after = drift + np.where(has_ice, change, 0)
        state[:, start + steps, :, SIU], state[:, start + steps, :, SIV] = after.real, after.imag

    return dataclasses.replace(plain, state=state)


def test_an_exact_response_is_recovered():
    coefficients, deviation = fit_drift_response([responding()], TABLE)
    for name, expected in TRUE.items():
        assert complex(*coefficients[name]) == pytest.approx(expected, rel=1e-3)
    assert deviation < 1e-6


def test_deviation_is_that_of_what_is_left():
    data = responding(noise=0.05)
    coefficients, deviation = fit_drift_response([data], TABLE)
    left = []
    for pair in data.pairs():
        state, forcing, later = (torch.from_numpy(one) for one in (pair.state, pair.forcing, pair.next_forcing))
        expected = with_response(coefficients, TABLE, state, forcing, later).numpy()
        left.append((pair.next_state - expected)[:, [SIU, SIV]])
    assert deviation == pytest.approx(np.sqrt(np.mean(np.square(left))), rel=1e-4)

    statistics = with_drift_response(statistics_of([data], TABLE, 6.0), [data], TABLE)
    assert statistics.residuals["siu"] == statistics.residuals["siv"] == (0.0, deviation)
    assert statistics.residuals["sit"] == statistics_of([data], TABLE, 6.0).residuals["sit"]


def test_the_response_turns_with_the_frame():
    turn = np.exp(0.7j)
    rng = np.random.default_rng(1)
    state, forcing, later = (torch.from_numpy(rng.standard_normal((30, n))) for n in (6, 4, 4))
    state[:, SIC] = 0.5

    def turned(values, x, y):
        vector = complex_of(values.numpy(), x, y) * turn
        result = values.clone()
        result[:, x], result[:, y] = torch.from_numpy(vector.real), torch.from_numpy(vector.imag)
        return result

    coefficients = {name: (one.real, one.imag) for name, one in TRUE.items()}
    one = with_response(coefficients, TABLE, state, forcing, later)
    other = with_response(
        coefficients, TABLE, turned(state, SIU, SIV), turned(forcing, UAS, VAS), turned(later, UAS, VAS)
    )
    torch.testing.assert_close(turned(one, SIU, SIV), other)
    assert torch.equal(one[:, [0, 1, 2, 5]], state[:, [0, 1, 2, 5]])


def test_water_and_models_without_response_stay_as_they_are():
    state, forcing = torch.rand(5, 6), torch.rand(5, 4)
    state[:, SIC] = 0.0
    coefficients = {name: (one.real, one.imag) for name, one in TRUE.items()}
    assert torch.equal(with_response(coefficients, TABLE, state, forcing, forcing), state)
    assert with_response({}, TABLE, state, forcing, forcing) is state


def test_without_wind_there_is_no_response():
    part = Trajectories.from_dataset(DATA.drop_vars(["uas", "vas"]), TABLE, LEAD)
    assert fit_drift_response([part], TABLE) is None
    statistics = Statistics(6.0)
    assert with_drift_response(statistics, [part], TABLE) is statistics


def test_samples_learn_what_the_response_leaves():
    data = responding(noise=0.02)
    statistics = with_drift_response(statistics_of([data], TABLE, 6.0), [data], TABLE)
    normaliser = Normaliser(TABLE, statistics)
    sample = TrainingSamples([data], normaliser, SamplingConfig(batch=1, levels=[1.0], partitions=1), 0, 2)[1]
    end = sample.noised + (1 - sample.flow_time) * sample.velocity
    assert float(end[:, [SIU, SIV]].std()) == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_step_without_residual_has_the_expected_drift(tmp_path, deterministic):
    data = responding(noise=0.02)
    statistics = with_drift_response(statistics_of([data], TABLE, 6.0), [data], TABLE)
    model = random_surrogate(deterministic)
    model = dataclasses.replace(model, normaliser=Normaliser(TABLE, statistics))
    model.save(tmp_path / "run")
    model = Surrogate.load(tmp_path / "run")
    assert model.normaliser.statistics.response == statistics.response

    def velocity(noised, flow_time, prepared):
        return -noised / (1 - flow_time[:, None, None])

    model._velocity = velocity
    pair = data.read(0, 1)
    state = torch.from_numpy(pair.state)[None]
    forcing = [torch.from_numpy(one) for one in (pair.forcing, pair.next_forcing, pair.slow)]
    came = model.step(state, *forcing, model.plan(MESH), [torch.Generator()])
    expected = model.normaliser.expected(state, forcing[0][None], forcing[1][None])
    torch.testing.assert_close(came[..., [SIU, SIV]], expected[..., [SIU, SIV]], rtol=0, atol=1e-5)
    assert not torch.equal(expected[..., SIU], state[..., SIU])

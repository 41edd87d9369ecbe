"""Statistics of innovations where forecast, truth and errors are drawn from known distributions."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2

import gensim_graph as gg
from gensim_graph.assimilate import ObservationOperator, innovation_statistics

COUNT, MEMBERS = 4000, 15


def operator_of(values: np.ndarray, error: float) -> ObservationOperator:
    mesh = gg.Mesh.from_grid(np.arange(4) * 10e3, np.arange(4) * 10e3)
    raw = {"variable": ["siu", "siv"] * (COUNT // 2), "x": 0.0, "y": 0.0, "value": values, "error": error}
    observed = gg.Observations.from_table(pd.DataFrame(raw | {"time": "2020-03-01"}))
    return ObservationOperator.of(mesh, observed, gg.default_variables())


def draw(spread: float = 0.1, shift: float = 0.0, error: float = 0.05) -> tuple[ObservationOperator, torch.Tensor]:
    """Truth and members from normal distributions around a centre; observations with errors of 0.05."""
    generator = np.random.default_rng(0)
    centre = generator.uniform(-0.3, 0.3, COUNT)
    truth = centre + 0.1 * generator.normal(size=COUNT)
    members = centre + shift + spread * generator.normal(size=(MEMBERS, COUNT))
    return operator_of(truth + 0.05 * generator.normal(size=COUNT), error), torch.from_numpy(members)


def test_a_reliable_ensemble():
    found = innovation_statistics(*draw()).sel(stage="forecast")
    np.testing.assert_allclose(found["bias"], 0.0, atol=0.01)
    np.testing.assert_allclose(found["rcrv_mean"], 0.0, atol=0.06)
    np.testing.assert_allclose(found["rcrv_std"], _expected_std(0.1), rtol=0.02)
    np.testing.assert_allclose(found["spread"], 0.1, rtol=0.02)
    np.testing.assert_allclose(found["innovation_std"], (0.1**2 * (1 + 1 / MEMBERS) + 0.05**2) ** 0.5, rtol=0.03)
    assert (found["p_value"] > 0.05).all()
    assert found["rank_count"].shape == (2, MEMBERS + 1)
    assert found["count"].values.tolist() == [COUNT / 2, COUNT / 2] == found["rank_count"].sum("rank").values.tolist()


def _expected_std(spread: float) -> float:
    """With the sample variance of the members, which is spread^2 chi^2 / (K - 1)."""
    factor = (1 + 1 / MEMBERS) / (MEMBERS - 1)
    mean = chi2(MEMBERS - 1).expect(lambda square: 1 / (0.05**2 + factor * spread**2 * square))
    return (mean * (0.1**2 + spread**2 / MEMBERS + 0.05**2)) ** 0.5


def test_too_little_spread_and_a_bias_are_found():
    narrow = innovation_statistics(*draw(spread=0.05)).sel(stage="forecast")
    np.testing.assert_allclose(narrow["rcrv_std"], _expected_std(0.05), rtol=0.02)
    assert (narrow["p_value"] < 1e-6).all()
    ends = narrow["rank_count"].isel(rank=[0, -1]).sum("rank")
    assert (ends > 2 * COUNT / 2 * 2 / (MEMBERS + 1)).all()

    biased = innovation_statistics(*draw(shift=0.1)).sel(stage="forecast")
    np.testing.assert_allclose(biased["bias"], -0.1, atol=0.01)
    assert (biased["p_value"] < 1e-6).all()


def test_without_observation_error_the_ranks_would_not_be_flat():
    """Members with errors of 0.05 are reliable; if the errors are said to be tiny, they are not."""
    assert (innovation_statistics(*draw(error=1e-6)).sel(stage="forecast")["p_value"] < 1e-3).all()


def test_errors_diagnosed_from_an_optimal_analysis():
    """With the scalar Kalman gain, the mean product of the innovations is the true error variance."""
    operator, members = draw(error=0.05)
    gain = 0.1**2 / (0.1**2 + 0.05**2)
    mean = members.mean(dim=0)
    analysis = members + gain * (operator.value - mean)
    found = innovation_statistics(operator, members, analysis)
    assert found["stage"].values.tolist() == ["forecast", "analysis"]
    np.testing.assert_allclose(found["diagnosed_error"], 0.05, rtol=0.05)
    np.testing.assert_allclose(found["stated_error"], 0.05)
    assert (found["rmse"].sel(stage="analysis") < found["rmse"].sel(stage="forecast")).all()


def test_seed_and_wrong_input():
    operator, members = draw()
    first, second, third = (innovation_statistics(operator, members, seed=seed) for seed in (0, 0, 1))
    assert first.identical(second)
    assert not first["rank_count"].equals(third["rank_count"])
    with pytest.raises(gg.InputError, match="two members or more"):
        innovation_statistics(operator, members[:1])

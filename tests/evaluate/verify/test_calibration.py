"""Rank histograms, error by spread and reliability, against closed forms, another library and values by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm
from scores.probability import brier_score_for_ensemble
from scores.probability import rank_histogram as other_histogram
from support.meshes import jittered_box
from support.verification import forecast_of, truth_of

from gensim_graph.evaluate import Verification, match
from gensim_graph.evaluate.tally import run_tallies, tabulate
from gensim_graph.evaluate.verify import ReliabilityTally, SpreadErrorTally, rank_histogram
from gensim_graph.evaluate.verify.reliability import brier_parts
from gensim_graph.io import mesh_to_dataset
from gensim_graph.variables import default_variables


def matched(members: np.ndarray, truth: np.ndarray, name: str = "siu", areas: np.ndarray | None = None) -> Verification:
    """One start and one lead: (M, F) and (F)."""
    forecast, reality = forecast_of(members[None, :, None], name), truth_of(np.stack([truth, truth]), name)
    return match(forecast, reality, default_variables(), np.ones(len(truth)) if areas is None else areas)


def spread_error(found: Verification, bins: int = 10) -> pd.DataFrame:
    return tabulate({"forecast": found}, SpreadErrorTally(bins))


def reliability(found: Verification) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Reliability diagrams and Brier scores."""
    tally = ReliabilityTally(found)
    run_tallies({"forecast": found}, [tally])
    return tally.table(), tally.brier()


def test_ranks_are_those_of_another_library_ties_included():
    rng = np.random.default_rng(0)
    members, truth = rng.integers(0, 4, (6, 500)).astype(float), rng.integers(0, 4, 500).astype(float)
    areas = rng.uniform(1, 3, 500)
    members[:, :50] = truth[:50]  # faces where all members equal the truth do not count
    found = rank_histogram({"forecast": matched(members, truth, areas=areas)})
    expected = other_histogram(
        xr.DataArray(members[:, 50:], dims=("member", "face")),
        xr.DataArray(truth[50:], dims="face"),
        "member",
        weights=xr.DataArray(areas[50:], dims="face"),
    )
    np.testing.assert_allclose(found["frequency"], expected.values, atol=1e-12)
    assert found["expected"].tolist() == [1 / 7] * 7


def test_ranks_of_draws_from_one_distribution_are_equally_likely():
    draws = np.random.default_rng(1).normal(size=(10, 100_000))
    found = rank_histogram({"forecast": matched(draws[1:], draws[0])})
    np.testing.assert_allclose(found["frequency"], 0.1, atol=0.005)
    narrow = rank_histogram({"forecast": matched(0.3 * draws[1:], draws[0])})["frequency"]
    assert narrow.iloc[0] > 0.3 > 0.05 > narrow.iloc[5]


def test_one_member_has_no_rank():
    assert rank_histogram({"forecast": matched(np.zeros((1, 4)), np.zeros(4))}).empty


def test_spread_and_error_of_a_reliable_ensemble_are_equal_in_every_bin():
    rng = np.random.default_rng(2)
    width = 10.0 ** rng.uniform(-2, 1, 50_000)
    draws = width * rng.normal(size=(65, width.size))
    table = spread_error(matched(draws[1:], draws[0]))
    assert len(table) == 10
    np.testing.assert_allclose(table["share"], 0.1, atol=0.005)
    np.testing.assert_allclose(table["rmse"] / table["spread"], 1.0, atol=0.05)
    assert table["spread"].iloc[-1] > 100 * table["spread"].iloc[0]


def test_spread_that_is_independent_of_the_error():
    rng = np.random.default_rng(3)
    width = rng.uniform(0.5, 2, 100_000)
    error = rng.normal(size=width.size)
    table = spread_error(matched(width * rng.normal(size=(20, width.size)), error), bins=4)
    assert table["spread"].is_monotonic_increasing
    # Variance of the truth plus that of the mean of 20 members.
    mean = np.sqrt(1 + (table["spread"] / np.sqrt(21 / 20)) ** 2 / 20)
    np.testing.assert_allclose(table["rmse"], mean, rtol=0.03)


def test_bins_of_spread_by_hand():
    """Two faces without spread and one with spread fill two bins, however many were requested."""
    members = np.array([[1.0, 2.0, 0.0], [1.0, 2.0, 2.0]])
    table = spread_error(matched(members, np.array([1.0, 3.0, 0.0]), areas=np.array([1.0, 1.0, 2.0])))
    assert table["share"].tolist() == [0.5, 0.5]
    assert table["spread"].tolist() == pytest.approx([0, np.sqrt(1.5 * 2)])
    assert table["rmse"].tolist() == pytest.approx([np.sqrt(0.5), 1])


def sic_of(members: np.ndarray, truth: np.ndarray, areas: np.ndarray) -> tuple[pd.DataFrame, pd.DataFrame]:
    return reliability(matched(members, truth, "sic", areas))


def test_brier_score_is_that_of_another_library():
    rng = np.random.default_rng(4)
    members, truth, areas = rng.uniform(0, 0.4, (7, 400)), rng.uniform(0, 0.4, 400), rng.uniform(1, 3, 400)
    _, brier = sic_of(members, truth, areas)
    for fair, name in ((False, "brier"), (True, "fair_brier")):
        expected = brier_score_for_ensemble(
            xr.DataArray(members, dims=("member", "face")),
            xr.DataArray(truth, dims="face"),
            "member",
            0.15,
            fair_correction=fair,
            weights=xr.DataArray(areas, dims="face"),
        )
        assert brier[name].item() == pytest.approx(float(expected.squeeze()))


def test_parts_of_the_brier_score_add_up():
    rng = np.random.default_rng(5)
    weight = rng.uniform(size=(20, 9))
    parts = brier_parts(weight, weight * rng.uniform(size=(20, 9)))
    np.testing.assert_allclose(parts["brier"], parts["reliability"] - parts["resolution"] + parts["uncertainty"])
    assert (parts["resolution"] <= parts["uncertainty"]).all()


def test_reliability_by_hand():
    """Two members on four faces: p is 0, 1/2, 1/2 and 1; the truth has ice on the second and the last face."""
    members = np.array([[0.0, 0.9, 0.1, 0.5], [0.1, 0.0, 0.9, 0.5]])
    diagram, brier = sic_of(members, np.array([0.0, 1.0, 0.0, 0.2]), np.array([1.0, 3.0, 1.0, 1.0]))
    assert diagram["probability"].tolist() == [0, 0.5, 1]
    assert diagram["observed"].tolist() == [0, 0.75, 1]
    assert diagram["share"].tolist() == pytest.approx([1 / 6, 4 / 6, 1 / 6])
    assert brier["brier"].item() == pytest.approx(4 / 6 / 4)
    assert brier["reliability"].item() == pytest.approx(4 / 6 / 16)
    assert brier["uncertainty"].item() == pytest.approx(4 / 6 * 2 / 6)


def test_calibrated_probabilities_lie_on_the_diagonal():
    """Members and truth are draws from the same distribution; its probability of ice varies from face to face."""
    mesh, held = jittered_box(60), []
    topology, table = mesh_to_dataset(mesh), default_variables()
    for seed in range(10):
        rng = np.random.default_rng(seed)
        draws = (rng.uniform(size=(11, mesh.n_faces)) < rng.uniform(size=mesh.n_faces)).astype(float)
        forecast = topology.merge(forecast_of(draws[None, 1:, None], "sic"))
        diagram, brier = reliability(match(forecast, truth_of(np.stack([draws[0]] * 2), "sic"), table))
        expected = (10 * diagram["probability"] + 1) / 12  # rule of succession (Laplace)
        deviation = np.sqrt(expected * (1 - expected) / (diagram["share"] * mesh.n_faces))
        assert (np.abs(diagram["observed"] - expected) < norm.ppf(0.9999) * deviation).all()
        held += ((diagram["low"] < expected) & (expected < diagram["high"])).tolist()
        assert brier["brier_low"].item() < brier["brier"].item() < brier["brier_high"].item()
    assert 0.8 < np.mean(held) < 0.97  # intervals of 90 %


def test_without_concentration_there_is_no_reliability():
    diagram, brier = reliability(matched(np.zeros((2, 3)), np.zeros(3)))
    assert diagram.empty
    assert brier.empty

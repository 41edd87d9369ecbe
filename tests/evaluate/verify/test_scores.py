"""Scores against values by hand, closed forms, double sums and another library."""

import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from scipy.stats import norm, pearsonr
from scores.probability import crps_for_ensemble
from support.verification import START, STEP, forecast_of, truth_of

from gensim_graph.errors import InputError
from gensim_graph.evaluate.verify import evaluate, skill_table, write_scores
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh


def test_rmse_bias_and_mae_by_hand_with_unequal_areas():
    areas = np.array([1.0, 3.0])
    forecast = forecast_of(np.array([[[[1.0, 2.0]], [[3.0, 4.0]]]]))  # mean 2, 3
    truth = truth_of(np.array([[9.0, 9.0], [1.0, 5.0]]))  # errors 1, -2
    row = evaluate(forecast, truth, areas).iloc[0]
    assert row["rmse"] == pytest.approx(np.sqrt((1 * 1 + 3 * 4) / 4))
    assert row["bias"] == pytest.approx((1 * 1 - 3 * 2) / 4)
    assert row["mae"] == pytest.approx((1 * 1 + 3 * 2) / 4)
    assert row["spread"] == pytest.approx(np.sqrt(2.0))  # on both faces the members are 1 from their mean
    assert (row["model"], row["lead_hours"], row["n"]) == ("forecast", 12.0, 2)


def test_starts_are_averaged_as_squares():
    truth = truth_of(np.zeros((4, 1)))
    forecast = forecast_of(np.array([3.0, 4.0]).reshape(2, 1, 1, 1))
    row = evaluate(forecast, truth, np.ones(1)).iloc[0]
    assert row["rmse"] == pytest.approx(np.sqrt((9 + 16) / 2))
    assert row["n"] == 2


def test_fair_crps_equals_the_double_sum():
    rng = np.random.default_rng(1)
    members, truth, areas = rng.normal(size=(5, 7)), rng.normal(size=7), rng.uniform(1, 4, 7)
    differences = np.abs(members[:, None] - members[None]).sum(axis=(0, 1))
    expected = np.abs(members - truth).mean(axis=0) - differences / (2 * 5 * 4)
    row = evaluate(forecast_of(members[None, :, None], "siu"), truth_of(np.stack([truth, truth]), "siu"), areas).iloc[0]
    assert row["crps"] == pytest.approx(np.average(expected, weights=areas))


def test_crps_of_a_large_gaussian_ensemble_is_the_closed_form():
    """CRPS(N(m, s), y) = s (w (2 Phi(w) - 1) + 2 phi(w) - 1 / sqrt(pi)), w = (y - m) / s (Gneiting et al. 2005)."""
    mean, deviation, truth = np.array([0.3, -1.0]), np.array([0.5, 2.0]), np.array([0.9, 0.2])
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    members = mean + deviation * quantiles[:, None]
    w = (truth - mean) / deviation
    expected = deviation * (w * (2 * norm.cdf(w) - 1) + 2 * norm.pdf(w) - 1 / np.sqrt(np.pi))
    forecast, reality = forecast_of(members[None, :, None], "siu"), truth_of(np.stack([truth, truth]), "siu")
    assert evaluate(forecast, reality, np.ones(2)).iloc[0]["crps"] == pytest.approx(expected.mean(), rel=1e-3)


@pytest.mark.parametrize("members", [2, 5, 20])
def test_spread_skill_is_one_for_draws_from_the_same_distribution(members: int):
    rng = np.random.default_rng(members)
    centre = rng.normal(size=40_000)
    draws = centre + rng.normal(size=(members + 1, centre.size))
    forecast, truth = forecast_of(draws[None, 1:, None], "siu"), truth_of(np.stack([draws[0], draws[0]]), "siu")
    assert evaluate(forecast, truth, np.ones(centre.size)).iloc[0]["spread_skill"] == pytest.approx(1.0, abs=0.02)


def test_one_member_has_its_absolute_error_as_crps_and_no_spread():
    forecast = forecast_of(np.array([[[[1.0, 4.0]]]])).isel(start=0, member=0, drop=True)
    row = evaluate(forecast, truth_of(np.array([[0.0, 0.0], [2.0, 2.0]])), np.ones(2)).iloc[0]
    assert row["crps"] == row["mae"] == pytest.approx(1.5)
    assert np.isnan(row["spread"])
    assert np.isnan(row["spread_skill"])


def test_share_out_of_bounds_is_exact():
    values = np.zeros((1, 2, 1, 4), dtype=np.float32)
    values[0, 0, 0] = [0.0, 1.0, np.nextafter(np.float32(1), np.float32(2)), -1e-30]
    row = evaluate(forecast_of(values, "sic"), truth_of(np.zeros((2, 4)), "sic"), np.ones(4)).iloc[0]
    assert row["out_of_bounds"] == 2 / 8
    unbounded = evaluate(forecast_of(1e6 + values, "siu"), truth_of(np.zeros((2, 4)), "siu"), np.ones(4)).iloc[0]
    assert unbounded["out_of_bounds"] == 0


def test_areas_come_from_the_mesh_and_node_velocities_go_to_faces(small_mesh: Mesh):
    rng = np.random.default_rng(0)
    at_nodes = rng.normal(size=small_mesh.n_nodes)
    members = rng.normal(size=(3, small_mesh.n_faces))
    topology = mesh_to_dataset(small_mesh)
    truth = topology.assign(siu=(("time", "node"), np.stack([at_nodes, at_nodes]))).assign_coords(
        time=[START, START + STEP]
    )
    row = evaluate(topology.merge(forecast_of(members[None, :, None], "siu")), truth).iloc[0]
    error = members.mean(axis=0) - small_mesh.to_faces(at_nodes)
    assert row["rmse"] == pytest.approx(np.sqrt(np.average(error**2, weights=small_mesh.areas)))


def test_baselines_and_their_ratios():
    truth = truth_of(np.array([[0.0], [1.0], [1.0]]))
    forecast = forecast_of(np.array([1.5, 2.0]).reshape(1, 1, 2, 1))
    still = forecast_of(np.zeros((1, 1, 2, 1)))
    scores = evaluate(forecast, truth, np.ones(1), {"persistence": still, "exact": forecast_of(np.ones((1, 1, 2, 1)))})
    ratios = skill_table(scores).set_index(["model", "lead_hours"])["rmse_ratio"]
    assert ratios["forecast"].tolist() == [0.5, 1.0]
    assert ratios["exact"].tolist() == [0.0, 0.0]
    assert "persistence" not in ratios.index.get_level_values("model")
    with pytest.raises(InputError, match="persistence"):
        skill_table(scores[scores["model"] == "forecast"])


def test_ratio_is_not_a_number_where_the_truth_does_not_change():
    constant = truth_of(np.ones((2, 1)))
    scores = evaluate(
        forecast_of(np.full((1, 1, 1, 1), 2.0)),
        constant,
        np.ones(1),
        {"persistence": forecast_of(np.ones((1, 1, 1, 1)))},
    )
    assert np.isnan(skill_table(scores)["rmse_ratio"]).all()


def test_written_scores_read_back(tmp_path):
    scores = evaluate(forecast_of(np.ones((1, 1, 2, 3))), truth_of(np.zeros((3, 3))), np.ones(3))
    as_json, as_csv = write_scores(scores, tmp_path / "out")
    pd.testing.assert_frame_equal(pd.read_csv(as_csv), scores, check_dtype=False)
    rows = json.loads(as_json.read_text(), parse_constant=pytest.fail)  # JSON has no NaN
    assert rows[0]["spread"] is None
    assert [row["lead_hours"] for row in rows] == [12.0, 24.0]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["scores.csv", "scores.json"]


def test_fair_crps_is_that_of_another_library():
    rng = np.random.default_rng(6)
    members, truth, areas = rng.normal(size=(16, 50)), rng.normal(size=50), rng.uniform(1, 4, 50)
    expected = crps_for_ensemble(
        xr.DataArray(members, dims=("member", "face")),
        xr.DataArray(truth, dims="face"),
        "member",
        method="fair",
        weights=xr.DataArray(areas / areas.sum(), dims="face"),
    )
    row = evaluate(forecast_of(members[None, :, None], "siu"), truth_of(np.stack([truth] * 2), "siu"), areas).iloc[0]
    assert row["crps"] == pytest.approx(float(expected))


def test_scores_over_ice_leave_open_water_out():
    """Two of four faces have ice; the third has just too little."""
    areas, errors = np.array([1.0, 3.0, 2.0, 2.0]), np.array([1.0, 2.0, 50.0, 60.0])
    truth = truth_of(np.zeros((2, 4)), "siu").merge(truth_of(np.tile([1.0, 0.2, 0.15, 0.0], (2, 1)), "sic"))
    forecast = forecast_of(errors[None, None, None], "siu").merge(forecast_of(np.ones((1, 1, 1, 4)), "sic"))
    row = evaluate(forecast, truth, areas).set_index("variable").loc["siu"]
    assert row["rmse_ice"] == pytest.approx(np.sqrt((1 + 3 * 4) / 4))
    assert row["bias_ice"] == pytest.approx(7 / 4)
    assert row["crps_ice"] == pytest.approx(7 / 4)
    assert row["bias"] == pytest.approx((7 + 220) / 8)


def test_ice_of_several_starts_counts_by_its_area():
    """One face with ice at the first start and three at the second count as four faces."""
    sic = np.zeros((4, 3))
    sic[1], sic[3] = [1, 0, 0], [1, 1, 1]
    truth = truth_of(np.zeros((4, 3)), "siu").merge(truth_of(sic, "sic"))
    errors = np.array([[2.0, 9, 9], [1, 1, 1]]).reshape(2, 1, 1, 3)
    forecast = forecast_of(errors, "siu").merge(forecast_of(np.ones((2, 1, 1, 3)), "sic"))
    row = evaluate(forecast, truth, np.ones(3)).set_index("variable").loc["siu"]
    assert row["rmse_ice"] == pytest.approx(np.sqrt((4 + 3) / 4))


def test_anomaly_correlation_is_that_of_numpy():
    """Uncentred correlation about a given climate; about the mean of the truth it is close to that of Pearson."""
    rng = np.random.default_rng(7)
    truth, climate = rng.normal(size=(2, 300)), rng.normal(size=300)
    members = truth[1] + rng.normal(size=(4, 300))
    forecast, reality = forecast_of(members[None, :, None], "siu"), truth_of(truth, "siu")
    given = xr.Dataset({"siu": ("face", climate)})
    x, y = members.mean(axis=0) - climate, truth[1] - climate
    row = evaluate(forecast, reality, np.ones(300), climatology=given).iloc[0]
    assert row["acc"] == pytest.approx(x @ y / np.sqrt(x @ x * (y @ y)))
    # A climate by month: all times are in January.
    months = xr.Dataset({"siu": (("month", "face"), np.stack([climate, *np.zeros((11, 300))]))})
    assert evaluate(forecast, reality, np.ones(300), climatology=months).iloc[0]["acc"] == pytest.approx(row["acc"])
    own = evaluate(forecast, reality, np.ones(300)).iloc[0]["acc"]
    mean = truth.mean(axis=0)
    assert own == pytest.approx(pearsonr(members.mean(axis=0) - mean, truth[1] - mean)[0], abs=0.02)


def test_wrong_climatology():
    forecast, truth = forecast_of(np.ones((1, 1, 1, 3))), truth_of(np.ones((2, 3)))
    with pytest.raises(InputError, match="'sit' is missing"):
        evaluate(forecast, truth, np.ones(3), climatology=xr.Dataset())
    with pytest.raises(InputError, match="expected \\(face\\) or \\(month, face\\)"):
        evaluate(forecast, truth, np.ones(3), climatology=xr.Dataset({"sit": (("month", "face"), np.ones((4, 3)))}))

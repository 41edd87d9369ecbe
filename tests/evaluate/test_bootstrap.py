"""Bootstrap intervals against closed forms and another library, and how often they contain the truth."""

import numpy as np
import pytest
import xarray as xr
from scipy.stats import norm
from scores.processing import block_bootstrap
from support.meshes import jittered_box
from support.verification import START, forecast_of, truth_of

from gensim_graph.evaluate import match
from gensim_graph.evaluate.bootstrap import BLOCKS, blocks_of, choose_sampling, draw_weights, interval, overlapping
from gensim_graph.evaluate.verify import evaluate, score_table
from gensim_graph.evaluate.verify.moments import score_moments
from gensim_graph.io import mesh_to_dataset
from gensim_graph.variables import default_variables

HOUR = np.timedelta64(1, "h")


def replicates_of(cases: np.ndarray, groups: np.ndarray) -> xr.DataArray:
    weights = draw_weights(groups)
    return xr.dot(weights, xr.DataArray(cases, dims="case"), dim="case") / weights.sum("case")


def test_interval_of_a_mean_is_that_of_the_normal_distribution():
    cases = np.random.default_rng(0).normal(size=400)
    low, high = interval(replicates_of(cases, np.arange(400))).values
    half = norm.ppf(0.95) * cases.std() / 20
    assert (low, high) == pytest.approx((cases.mean() - half, cases.mean() + half), abs=0.1 * half)


def test_blocks_are_drawn_as_another_library_draws_them():
    """Blocks of four equal cases: their mean varies like the mean of a quarter as many cases."""
    cases = np.repeat(np.random.default_rng(1).normal(size=50), 4)
    ours = replicates_of(cases, np.arange(200) // 4)
    theirs = block_bootstrap(xr.DataArray(cases, dims="case"), blocks={"case": 4}, n_iteration=1000).mean("case")
    assert float(ours.std()) == pytest.approx(cases[::4].std() / np.sqrt(50), rel=0.1)
    # Blocks of the other library may begin inside one of the fours, so that their means are less extreme.
    assert float(theirs.std()) == pytest.approx(float(ours.std()), rel=0.25)
    assert float(replicates_of(cases, np.arange(200)).std()) == pytest.approx(cases.std() / np.sqrt(200), rel=0.1)


def test_an_interval_of_90_percent_misses_one_time_in_ten():
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(300):
        low, high = interval(replicates_of(rng.normal(size=60), np.arange(60))).values
        missed += not low <= 0 <= high
    assert 15 <= missed <= 50  # 30 expected


def test_starts_that_overlap_are_one_group():
    starts = START + np.array([0, 12, 24, 48, 60, 96]) * HOUR
    assert overlapping(starts, 48 * HOUR).tolist() == [0, 0, 0, 1, 1, 2]
    assert overlapping(starts[::-1], 48 * HOUR).tolist() == [2, 1, 1, 0, 0, 0]
    assert overlapping(starts, 12 * HOUR).tolist() == [0, 1, 2, 3, 4, 5]


def test_blocks_of_the_domain_are_compact_and_of_equal_size():
    mesh = jittered_box(32)
    block = blocks_of(mesh.centres)
    assert np.bincount(block).tolist() == [mesh.n_faces // BLOCKS] * BLOCKS
    for number in range(BLOCKS):
        width, height = np.ptp(mesh.centres[block == number], axis=0)
        assert max(width, height) < 0.3 * 100e3


def test_choice_of_the_cases():
    """Many starts; few starts on a mesh; few starts without a mesh."""
    mesh = jittered_box(12)
    values = np.zeros((9, 1, 1, mesh.n_faces))
    truth = truth_of(np.zeros((19, mesh.n_faces)))
    topology, table = mesh_to_dataset(mesh), default_variables()
    many = match(topology.merge(forecast_of(values)), truth, table)
    assert choose_sampling(many).over == "starts"
    few = match(topology.merge(forecast_of(values[:2])), truth, table)
    assert choose_sampling(few).over == "space"
    assert choose_sampling(few).weights.sum() == pytest.approx(1)
    assert choose_sampling(match(forecast_of(values[:2]), truth, table, mesh.areas)).over == "not sampled"


def test_scores_do_not_depend_on_the_choice_of_the_cases():
    mesh = jittered_box(12)
    rng = np.random.default_rng(3)
    forecast = mesh_to_dataset(mesh).merge(forecast_of(rng.normal(size=(3, 4, 2, mesh.n_faces)), "siu"))
    truth = truth_of(rng.normal(size=(7, mesh.n_faces)), "siu")
    models = {"forecast": match(forecast, truth, default_variables())}
    tables = [score_table(score_moments(models, over=over)) for over in ("starts", "space")]
    for name in ("rmse", "bias", "mae", "crps", "spread", "spread_skill", "acc", "out_of_bounds", "n", "rmse_ice"):
        np.testing.assert_allclose(tables[0][name], tables[1][name], rtol=1e-12)
    for table in tables:
        for name in ("rmse", "bias", "mae", "crps", "spread_skill", "acc"):
            assert (table[f"{name}_low"] <= table[name]).all()
            assert (table[name] <= table[f"{name}_high"]).all()


def test_trajectories_are_pooled_by_their_moments():
    """Scores of two trajectories on meshes of different sizes, and the interval over all their starts."""
    rng = np.random.default_rng(4)
    errors = [rng.normal(size=(5, 1, 1, faces)) for faces in (3, 7)]
    moments = []
    for number, error in enumerate(errors):
        truth = truth_of(np.zeros((11, error.shape[-1])), "siu")
        models = {"forecast": match(forecast_of(error, "siu"), truth, default_variables(), np.ones(error.shape[-1]))}
        found = score_moments(models, over="starts")
        moments.append(found.assign_coords(group=found["group"] + 5 * number))
    row = score_table(xr.concat(moments, "case", data_vars="minimal")).iloc[0]
    squares = np.concatenate([(error**2).mean(axis=-1).ravel() for error in errors])
    assert row["rmse"] == pytest.approx(np.sqrt(squares.mean()))
    spread = norm.ppf(0.95) * squares.std() / np.sqrt(10)
    assert row["rmse_high"] ** 2 - row["rmse_low"] ** 2 == pytest.approx(2 * spread, rel=0.25)


def test_a_ratio_is_drawn_in_pairs():
    """Forecast and persistence share the draws: a constant ratio of their errors has an interval of zero width."""
    rng = np.random.default_rng(5)
    error = rng.normal(size=(10, 1, 1, 6))
    truth = truth_of(np.zeros((21, 6)), "siu")
    scores = evaluate(
        forecast_of(0.9 * error, "siu"), truth, np.ones(6), {"persistence": forecast_of(error, "siu")}
    ).set_index("model")
    row = scores.loc["forecast"]
    assert row[["rmse_ratio", "rmse_ratio_low", "rmse_ratio_high"]].tolist() == pytest.approx([0.9] * 3)
    assert row["rmse_high"] > 1.05 * row["rmse_low"]
    assert row["interval_over"] == "starts"

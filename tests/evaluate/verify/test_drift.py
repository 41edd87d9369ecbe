"""Drift scores of turned and scaled drifts, and against the complex numbers of numpy."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from support.verification import forecast_of, truth_of

from gensim_graph.evaluate import match
from gensim_graph.evaluate.verify import drift_scores
from gensim_graph.variables import default_variables

RNG = np.random.default_rng(0)


def table_of(members: np.ndarray, truth: np.ndarray, areas: np.ndarray, sic: np.ndarray | None = None) -> pd.DataFrame:
    """Drift scores by model and region, from complex drifts (M, F) and (F)."""
    fields = {"siu": np.real, "siv": np.imag}
    forecast = xr.merge([forecast_of(part(members)[None, :, None], name) for name, part in fields.items()])
    reality = xr.merge([truth_of(np.stack([part(truth)] * 2), name) for name, part in fields.items()])
    if sic is not None:
        forecast = forecast.merge(forecast_of(np.ones((1, len(members), 1, len(truth))), "sic"))
        reality = reality.merge(truth_of(np.stack([sic] * 2), "sic"))
    found = drift_scores({"forecast": match(forecast, reality, default_variables(), areas)})
    return found.set_index(["model", "where"])


def some_drift(faces: int) -> np.ndarray:
    return 0.1 * (RNG.normal(size=faces) + 1j * RNG.normal(size=faces) + 2)


def test_a_drift_that_is_turned_and_scaled():
    truth = some_drift(500)
    row = table_of(1.2 * truth[None] * np.exp(1j * np.radians(25)), truth, RNG.uniform(1, 2, 500)).loc[
        ("forecast", "all")
    ]
    assert row["angle_bias"] == pytest.approx(25)
    assert row["angle_mae"] == pytest.approx(25)
    assert row["veering"] == pytest.approx(25)
    assert row["correlation"] == pytest.approx(1)
    assert row["speed"] == pytest.approx(1.2 * row["truth_speed"])
    assert row["speed_mae"] == pytest.approx(row["speed_bias"])


def test_scores_in_complex_numbers():
    truth, areas = some_drift(300), RNG.uniform(1, 2, 300)
    members = truth + some_drift(900).reshape(3, 300) - 0.2
    row = table_of(members, truth, areas).loc[("forecast", "all")]
    weights = areas / areas.sum()
    assert row["vector_rmse"] == pytest.approx(np.sqrt((weights * np.abs(members - truth) ** 2).sum() / 3))
    assert row["speed_bias"] == pytest.approx((weights * (np.abs(members) - np.abs(truth))).sum() / 3)
    moves = (np.abs(members) > 0.01) & (np.abs(truth) > 0.01)
    angle = np.degrees(np.angle(members / truth))
    assert row["angle_mae"] == pytest.approx((weights * np.abs(angle) * moves).sum() / (weights * moves).sum())
    product = (weights * members * truth.conj()).sum()
    norm = (weights * np.abs(members) ** 2).sum() * 3 * (weights * np.abs(truth) ** 2).sum()
    assert row["correlation"] == pytest.approx(np.abs(product) / np.sqrt(norm))
    assert row["veering"] == pytest.approx(np.degrees(np.angle(product)))


def test_the_ensemble_mean_is_slower_than_its_members():
    """Four members in four directions: their mean is at rest, and ice at rest has no direction."""
    members = 0.2 * np.array([1, 1j, -1, -1j])[:, None] * np.ones(3)
    table = table_of(members, np.full(3, 0.2 + 0j), np.ones(3))
    assert table.loc[("forecast", "all"), "speed"] == pytest.approx(0.2)
    assert table.loc[("forecast", "all"), "angle_mae"] == pytest.approx((0 + 90 + 180 + 90) / 4)
    assert table.loc[("forecast, ensemble mean", "all"), "speed"] == pytest.approx(0)
    assert np.isnan(table.loc[("forecast, ensemble mean", "all"), "angle_mae"])


def test_only_ice_counts():
    truth = np.array([0.1, 0.1, 0.1 + 0j])
    members = np.array([[0.1, 0.3, 9.0 + 0j]])
    table = table_of(members, truth, np.array([1.0, 3.0, 5.0]), np.array([1.0, 0.16, 0.0]))
    assert table.loc[("forecast", "ice"), "vector_rmse"] == pytest.approx(np.sqrt(3 * 0.04 / 4))
    assert table.loc[("forecast", "all"), "vector_rmse"] > 5


def test_no_drift_no_table():
    reality = truth_of(np.ones((2, 3)))
    models = {"forecast": match(forecast_of(np.ones((1, 1, 1, 3))), reality, default_variables(), np.ones(3))}
    assert drift_scores(models).empty

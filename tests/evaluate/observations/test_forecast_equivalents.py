"""Means of a forecast over periods, and averages over footprints, against integrals and brute force."""

import numpy as np
import pytest
from support.products import START, hours

from gensim_graph.evaluate.observations.footprint import Footprint
from gensim_graph.evaluate.observations.forecast_fields import weigh_leads
from gensim_graph.evaluate.observations.observation_sums import ScoreSums
from gensim_graph.mesh import Mesh


def weighed(leads, begin: float, end: float, is_mean: bool = True):
    lead_times = (np.asarray(leads) * 3600.0).astype("timedelta64[s]").astype("timedelta64[ns]")
    return weigh_leads(START + lead_times, lead_times, np.array([hours(begin), hours(end)]), is_mean)


@pytest.mark.parametrize("leads", [np.arange(0, 73, 12), np.arange(80), [0, 6, 24, 30, 48, 72]])
@pytest.mark.parametrize("period", [(0, 24), (24, 48), (12, 60), (0, 48)])
def test_mean_over_a_period(leads, period):
    """Each moment of the period belongs to the nearest lead time: brute force over 10,000 moments."""
    leads = np.asarray(leads, dtype=float)
    chosen = weighed(leads, *period)
    moments = np.linspace(*period, 10_001)[:-1] + (period[1] - period[0]) / 20_000
    nearest = np.abs(moments[:, None] - leads).argmin(axis=1)
    expected = np.bincount(nearest, minlength=len(leads)) / len(moments)
    found = np.zeros(len(leads))
    found[chosen.leads] = chosen.weights * chosen.cover
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_regular_leads_are_exact_for_linear_changes():
    chosen = weighed([0, 12, 24, 36], 0, 24)
    assert chosen.weights @ np.array([0.0, 12.0, 24.0]) == pytest.approx(12.0)
    assert chosen.nearest == 1


def test_instant_takes_the_nearest_lead():
    assert weighed([0, 6, 12], 1, 9, is_mean=False).leads.tolist() == [1]
    assert weighed([0, 24, 48], 6, 14, is_mean=False) is None  # nothing within 4 h of 10 h
    assert weighed([0, 12], -6, 6, is_mean=False) is None  # the initial state is no forecast


def test_periods_that_a_forecast_does_not_reach():
    assert weighed([0, 12, 24], 48, 72) is None
    assert weighed([0, 12, 24], 24, 48) is None  # only its first instant
    assert weighed([0, 12, 24], -18, 6) is None  # mostly before the start
    assert weighed([0, 12, 24], -48, 144) is not None  # longer than the forecast, which lies inside


def test_footprints_of_both_kinds():
    """Cells of 2 x 2 faces and the reverse, with gaps: means by hand."""
    fine = Mesh.from_grid((np.arange(4) + 0.5) * 1e3, (np.arange(2) + 0.5) * 1e3)
    coarse = Mesh.from_grid(np.array([1e3, 3e3, 5e3]), np.array([1e3, 3e3]))
    values = np.arange(8.0)

    averaged = Footprint(fine, coarse)
    assert averaged.on_cells
    assert averaged.of_forecast(values[None])[0, :2].tolist() == [2.5, 4.5]
    assert np.isnan(averaged.of_forecast(values[None])[0, 2:]).all()  # outside the mesh

    onto_faces = Footprint(coarse, fine)
    assert not onto_faces.on_cells
    observed = values.copy()
    observed[[0, 2, 3, 7]] = np.nan  # one of four, and three of four, are missing
    assert onto_faces.of_product(observed)[0] == pytest.approx((1 + 4 + 5) / 3)
    assert np.isnan(onto_faces.of_product(observed)[1:]).all()
    assert onto_faces.reached(np.isfinite(observed)) == 3


def test_same_mesh_is_not_averaged(small_mesh: Mesh):
    footprint = Footprint(small_mesh, small_mesh)
    values = np.random.default_rng(0).random((2, small_mesh.n_faces))
    np.testing.assert_array_equal(footprint.of_forecast(values), values)
    assert footprint.text == "on the faces of the mesh"


def test_reliable_ensemble_with_errors_of_the_product():
    """Truth and members from one distribution, observations with an error of 0.5: the spread-error ratio is one."""
    rng = np.random.default_rng(1)
    centre = rng.normal(size=20_000)
    members = centre + rng.normal(size=(8, 20_000))
    observed = centre + rng.normal(size=20_000) + 0.5 * rng.normal(size=20_000)
    known, unknown = ScoreSums(8), ScoreSums(8)
    known.add(members - observed, np.full(20_000, 0.5), np.ones(20_000))
    unknown.add(members - observed, None, np.ones(20_000))
    assert known.scores()["spread_error"] == pytest.approx(1.0, abs=0.02)
    assert unknown.scores()["spread_error"] == pytest.approx(np.sqrt(1.125 / 1.375), abs=0.02)

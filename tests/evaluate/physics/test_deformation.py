"""Deformation of drifts with a known gradient, and its statistics computed by hand."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate import match
from gensim_graph.evaluate.physics import area_quantile, deformation, deformation_scores, log_distance
from gensim_graph.evaluate.physics.area_statistics import AreaDistribution
from gensim_graph.evaluate.physics.deformation_statistics import deformation_summary
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables

DAY = 86_400.0
RATE = 1e-6  # 1/s


def drift_on(mesh: Mesh, location: str, gradient: list[list[float]]) -> xr.Dataset:
    """Drift with the gradient [[du/dx, du/dy], [dv/dx, dv/dy]], as a dataset with its mesh."""
    points = mesh.nodes if location == "node" else mesh.centres
    u, v = np.array(gradient) @ points.T + 0.1
    return mesh_to_dataset(mesh).assign(siu=(("time", location), u[None]), siv=(("time", location), v[None]))


@pytest.mark.parametrize("location", ["node", "face"])
@pytest.mark.parametrize(
    ("gradient", "divergence", "shear"),
    [
        ([[0, RATE], [RATE, 0]], 0.0, 2 * RATE),  # pure shear
        ([[0, -RATE], [RATE, 0]], 0.0, 0.0),  # solid rotation
        ([[RATE, 0], [0, RATE]], 2 * RATE, 0.0),  # opening
        ([[RATE, 0], [0, -RATE]], 0.0, 2 * RATE),  # pure shear along the axes
        ([[RATE, 3 * RATE], [RATE, 0]], RATE, np.sqrt(17) * RATE),
    ],
)
def test_linear_drift(small_mesh: Mesh, location: str, gradient: list, divergence: float, shear: float):
    rates = deformation(drift_on(small_mesh, location, gradient))
    total = np.hypot(divergence, shear)
    for name, expected in {"divergence": divergence, "shear": shear, "total_deformation": total}.items():
        assert rates[name].dims == ("time", "face")
        assert rates[name].attrs["units"] == "day-1"
        np.testing.assert_allclose(rates[name], expected * DAY, atol=1e-9)


def test_missing_component(small_mesh: Mesh):
    with pytest.raises(InputError, match="'siv' is missing"):
        deformation(drift_on(small_mesh, "face", [[0, 0], [0, 0]]).drop_vars("siv"))


def test_localisation():
    areas = np.array([1.0, 1.0, 8.0])
    assert AreaDistribution(np.ones(3), areas).localisation_share() == pytest.approx(0.1)
    assert AreaDistribution(np.array([5.0, 0.0, 0.0]), areas).localisation_share() == 1.0
    # The tenth of the area that deforms most is the first cell: 10 of 10 + 2 + 8, weighted by area.
    assert AreaDistribution(np.array([10.0, 2.0, 1.0]), areas).localisation_share() == pytest.approx(0.5)
    # A fifth of the area ends inside the last cell, which then counts for a quarter.
    assert AreaDistribution(np.array([1.0, 1.0, 3.0]), areas).localisation_share(0.2) == pytest.approx(2 * 3 / 26)
    assert np.isnan(AreaDistribution(np.zeros(3), areas).localisation_share())


def test_quantiles_go_by_area():
    values, areas = np.array([4.0, 1.0, 2.0]), np.array([1.0, 6.0, 3.0])
    assert [area_quantile(values, areas, level) for level in (0.5, 0.7, 0.95, 1.0)] == [1.0, 2.0, 4.0, 4.0]
    summary = deformation_summary(values, areas)
    assert summary["mean"] == pytest.approx((4 + 6 + 6) / 10)
    assert summary["q99"] == 4.0


def test_distance_of_scaled_deformation_is_the_scale_in_decades():
    rng = np.random.default_rng(0)
    truth, areas = rng.lognormal(size=200), rng.uniform(1, 3, 200)
    assert log_distance(truth, truth, areas) == 0.0
    assert log_distance(2 * truth, truth, areas) == pytest.approx(np.log10(2))
    assert log_distance(np.stack([10 * truth, truth]), truth, areas) <= 0.5 + 1e-12


def test_ensemble_mean_of_misplaced_leads_is_less_localised(square_grid: Mesh):
    """Each member opens in another band: the members have the statistics of the truth, their mean does not."""
    x = square_grid.centres[:, 0]
    bands = [np.where(x > position * 1e3, 0.1, 0.0) for position in (25, 40, 55, 70)]
    times = np.datetime64("2000-01-01", "ns") + np.arange(2) * np.timedelta64(12, "h")
    still = np.zeros(square_grid.n_faces)
    truth = xr.Dataset(
        {"siu": (("time", "face"), [still, bands[1]]), "siv": (("time", "face"), [still, still])}, {"time": times}
    )
    members = np.stack(bands)[:, None]
    forecast = mesh_to_dataset(square_grid).assign(
        siu=(("member", "lead_time", "face"), members), siv=(("member", "lead_time", "face"), 0 * members)
    )
    forecast = forecast.assign_coords(lead_time=times[1:] - times[0], valid_time=("lead_time", times[1:]))
    table = deformation_scores({"forecast": match(forecast, truth, default_variables())})
    assert table["model"].tolist() == ["truth", "forecast", "forecast, ensemble mean"]
    rows = table.set_index("model")
    assert isinstance(rows, pd.DataFrame)
    assert rows.loc["forecast", "mean"] == pytest.approx(rows.loc["truth", "mean"])
    assert rows.loc["forecast", "localisation_share"] == pytest.approx(rows.loc["truth", "localisation_share"])
    assert rows.loc["forecast", "log_distance"] == pytest.approx(0.0, abs=1e-6)
    assert rows.loc["forecast, ensemble mean", "localisation_share"] < 0.6 * rows.loc["truth", "localisation_share"]
    assert rows.loc["forecast, ensemble mean", "log_distance"] > 1.0

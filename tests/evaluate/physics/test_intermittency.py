"""Scaling in time: cascades of known exponents, noise, and a deformation that is constant in time."""

import numpy as np
import pytest
import xarray as xr
from support.examples import regular_grid
from support.meshes import jittered_box
from support.verification import START, forecast_of, truth_of

from gensim_graph.errors import InputError
from gensim_graph.evaluate import match
from gensim_graph.evaluate.physics import SCALING_ORDERS, temporal_scaling
from gensim_graph.evaluate.physics.intermittency import IntermittencyTally, Windows
from gensim_graph.evaluate.tally import tabulate
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh
from gensim_graph.mesh.operators import velocity_gradient
from gensim_graph.variables import default_variables

DAY = 86_400.0


def cascade(levels: int, weights: tuple[float, float], rng: np.random.Generator, places: int) -> np.ndarray:
    """Cascade (time, place): each time interval is halved again and again; its halves get one weight each."""
    field = np.ones((1, places))
    for _ in range(levels):
        first = np.where(rng.uniform(size=field.shape) < 0.5, *weights)
        field = np.stack([field * first, field * (sum(weights) - first)], axis=1).reshape(-1, places)
    return field


@pytest.mark.parametrize("weights", [(0.4, 1.6), (0.9, 1.1)])
def test_cascade_in_time(weights):
    """alpha(q) = log2 mean(w^q) exactly: the means over windows are the coarser levels of the cascade."""
    windows = Windows(np.ones(50))
    for now in cascade(8, weights, np.random.default_rng(0), 50):
        gradient = np.zeros((2, 2, 1, 50))
        gradient[0, 0] = now
        windows.add(gradient)
    found = windows.scaling(3600.0)
    np.testing.assert_allclose(found.lengths, 3600 * 2.0 ** np.arange(8))
    np.testing.assert_allclose(
        found.exponents, [np.log2(np.mean(np.array(weights) ** q)) for q in SCALING_ORDERS], atol=1e-9
    )
    assert found.curvature > 0


def test_noise_averages_out():
    rng, windows = np.random.default_rng(1), Windows(np.ones(2000))
    for _ in range(64):
        windows.add(rng.normal(size=(2, 2, 4, 2000)))
    np.testing.assert_allclose(windows.scaling(1.0).exponents, np.array(SCALING_ORDERS) / 2, atol=0.02)


def drift_of(mesh: Mesh, strength: np.ndarray) -> xr.Dataset:
    """Pure shear v_x = s(t), (time)."""
    v = 1e-6 * strength[:, None] * mesh.centres[:, 0]
    times = START + np.arange(len(v)) * np.timedelta64(3, "h")
    return (
        mesh_to_dataset(mesh).assign(siu=(("time", "face"), 0 * v), siv=(("time", "face"), v)).assign_coords(time=times)
    )


def test_a_steady_shear_has_no_scale_and_one_that_reverses_is_gone_after_two_steps():
    mesh = jittered_box(6)
    steady = temporal_scaling(drift_of(mesh, np.ones(8)))
    np.testing.assert_allclose(steady.lengths, [10_800, 21_600, 43_200])
    np.testing.assert_allclose(steady.moments[1], 1e-6 * DAY)
    np.testing.assert_allclose(steady.exponents, 0, atol=1e-9)
    reversing = temporal_scaling(drift_of(mesh, np.array([1.0, -1] * 4)))
    np.testing.assert_allclose(reversing.moments[1], [1e-6 * DAY, 0, 0], atol=1e-12)


def test_too_few_or_uneven_times():
    ds = drift_of(regular_grid(4), np.ones(5))
    for wrong in (ds.isel(time=[0, 1, 2]), ds.isel(time=[0, 1, 2, 4])):
        with pytest.raises(InputError, match="evenly spaced"):
            temporal_scaling(wrong)


def test_table_is_that_of_the_dataset():
    """Members are averaged; only faces with ice are used."""
    mesh, leads = regular_grid(6), 4
    rng = np.random.default_rng(2)
    u, v = rng.normal(size=(2, 1, 3, leads, mesh.n_faces))
    ice = (mesh.centres[:, 1] < 50e3).astype(float)
    forecast = forecast_of(u, "siu").merge(forecast_of(v, "siv")).merge(forecast_of(0 * u, "sic"))
    still = np.zeros((leads + 1, mesh.n_faces))
    truth = truth_of(still, "siu").merge(truth_of(still, "siv")).merge(truth_of(still + ice, "sic"))
    matched = match(forecast, mesh_to_dataset(mesh).merge(truth), default_variables())
    table = tabulate({"forecast": matched}, IntermittencyTally())
    table = table.query("model == 'forecast' and order == 2")
    assert table["duration_hours"].tolist() == [12, 24]
    windows = Windows(mesh.areas * ice)
    for at in range(leads):
        windows.add(velocity_gradient(mesh, u[0, :, at], v[0, :, at]) * DAY)
    np.testing.assert_allclose(table["moment"], windows.scaling(43_200.0).moments[3])

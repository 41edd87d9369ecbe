"""Persistence is the truth at the start, at every lead time, with the times and the mesh of a forecast."""

import numpy as np
import pytest
import xarray as xr

from gensim_graph.errors import InputError
from gensim_graph.evaluate import evaluate, persistence, persistence_beside
from gensim_graph.io import mesh_from_dataset, mesh_to_dataset
from gensim_graph.mesh import Mesh

HOURS = np.timedelta64(12, "h")
TIMES = np.datetime64("2000-01-01", "ns") + np.arange(5) * HOURS


def dataset() -> xr.Dataset:
    """A state variable and a forcing variable at five times on six faces."""
    rng = np.random.default_rng(0)
    names = {"sit": 1.0, "tus": 250.0}
    fields = {name: (("time", "face"), rng.uniform(0.5, 1, (5, 6)) * size) for name, size in names.items()}
    return xr.Dataset(fields, {"time": TIMES})


@pytest.mark.parametrize("time", [1, [1], [0, 1]])
def test_persistence_is_the_initial_state(time: int | list[int]):
    data = dataset()
    forecast = persistence(data.isel(time=time), [HOURS, 2 * HOURS])
    assert "tus" not in forecast
    assert forecast["sit"].dims[-3:] == ("member", "lead_time", "face")
    expected = np.broadcast_to(data["sit"].values[time].reshape(-1, 1, 1, 6), (np.size(time), 1, 2, 6))
    np.testing.assert_array_equal(forecast["sit"].values.reshape(-1, 1, 2, 6), expected)
    np.testing.assert_array_equal(forecast["valid_time"].values.ravel()[-2:], TIMES[2:4])


def test_mesh_rides_along(small_mesh: Mesh):
    data = xr.Dataset({"sit": ("face", np.ones(small_mesh.n_faces))}, {"time": TIMES[0]})
    forecast = persistence(mesh_to_dataset(small_mesh).merge(data), [HOURS])
    assert mesh_from_dataset(forecast).hash == small_mesh.hash


def test_persistence_beside_a_forecast_has_its_times():
    data = dataset()[["sit"]]
    forecast = persistence(data.isel(time=[0, 2]), [HOURS, 2 * HOURS]) + 0.0
    again = persistence_beside(forecast, data)
    scores = evaluate(forecast, data, np.ones(6), {"persistence": again}).set_index("model")
    np.testing.assert_array_equal(scores.loc["forecast", "rmse"], scores.loc["persistence", "rmse"])
    with pytest.raises(InputError, match="lacks 1 starts"):
        persistence_beside(forecast, data.isel(time=slice(1, None)))


def test_an_initial_state_without_time_is_an_error():
    with pytest.raises(InputError, match="coordinate 'time'"):
        persistence(dataset().isel(time=0, drop=True), [HOURS])

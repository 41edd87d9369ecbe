"""Degree days of training data with a temperature of their own."""

import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.data import with_own_degree_days
from gensim_graph.io import open_store
from gensim_graph.mesh import Mesh

TABLE = gg.default_variables()
N_DAYS = 400


@pytest.fixture(scope="module")
def store() -> xr.Dataset:
    """Temperature that rises by a tenth of a kelvin each day, from 20 K below the melting point on."""
    mesh = Mesh.from_grid(np.arange(4) * 10e3, np.arange(3) * 10e3)
    times = np.datetime64("2001-01-01", "ns") + np.arange(2 * N_DAYS) * np.timedelta64(12, "h")
    days = np.arange(2 * N_DAYS) / 2
    shape = (len(times), mesh.n_faces)
    fields = {
        "sit": np.ones(shape),
        "tus": np.broadcast_to(253.15 + 0.1 * days[:, None], shape),
    }
    dataset = xr.Dataset({name: (("time", "face"), values) for name, values in fields.items()}, {"time": times})
    return open_store(dataset, mesh)


def test_the_sum_of_a_linear_temperature(store):
    """Integral of a straight line over the last 30 days, from both sides of the melting point."""
    found = with_own_degree_days(store, TABLE).isel(time=slice(60, None), face=0)
    days = np.arange(60, 2 * N_DAYS) / 2
    excess = -20 + 0.1 * days
    mean = excess - 0.1 * 15
    cold, warm = excess < -0.2, mean > 1.6  # the whole month on one side
    assert np.allclose(found["fdd_month"].values[cold], -30 * mean[cold], rtol=1e-4)
    assert np.allclose(found["pdd_month"].values[warm], 30 * mean[warm], rtol=1e-4)
    assert not found["pdd_month"].values[cold].any()


def test_a_past_that_the_record_does_not_cover_is_left_out(store):
    assert "fdd_year" not in with_own_degree_days(store, TABLE)
    short = store.isel(time=slice(0, 200))
    assert with_own_degree_days(short, TABLE) is short


def test_degree_days_of_the_data_are_kept(store):
    own = store.assign(fdd_month=store["tus"] * 0 + 7, pdd_month=store["tus"] * 0)
    assert with_own_degree_days(own, TABLE) is own


def test_each_trajectory_has_its_own(store):
    warmer = store.assign(tus=store["tus"] + 5)
    both = store.drop_vars(["sit", "tus"]).assign(
        {name: xr.concat([store[name], warmer[name]], "trajectory") for name in ("sit", "tus")}
    )
    found = with_own_degree_days(both, TABLE)
    for index, single in enumerate((store, warmer)):
        alone = with_own_degree_days(single, TABLE)
        assert np.array_equal(found["fdd_month"].isel(trajectory=index), alone["fdd_month"])

"""What a forecast says about itself, and what a model says: coordinates, origin, ten lines, a progress bar."""

import io

import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer
from rich.console import Console
from support.examples import small_trajectory
from support.surrogates import DATA, MESH, random_surrogate

from gensim_graph import evaluate
from gensim_graph.io import open_store
from gensim_graph.mesh import Mesh
from gensim_graph.surrogate import Surrogate, model_hash, step_bar

MODEL = random_surrogate()
POLAR = Mesh.from_faces(MESH.nodes + 1e6, MESH.faces, "EPSG:3413")


@pytest.fixture(scope="module")
def polar() -> xr.Dataset:
    return open_store(small_trajectory(POLAR, hours=12))


@pytest.fixture(scope="module")
def forecast(polar) -> xr.Dataset:
    return MODEL.forecast(polar.isel(time=0), polar, steps=1, members=2, seed=3, progress=False)


def test_longitude_and_latitude_of_the_faces(forecast):
    lon, lat = Transformer.from_crs("EPSG:3413", "EPSG:4326", always_xy=True).transform(*POLAR.centres.T)
    np.testing.assert_allclose(forecast["lon"], lon, atol=1e-9)
    np.testing.assert_allclose(forecast["lat"], lat, atol=1e-9)
    assert forecast["sic"].coords["lat"].attrs["standard_name"] == "latitude"
    assert forecast["lon"].attrs["units"] == "degrees_east"
    assert forecast["mesh"].attrs["face_coordinates"] == "lon lat"


def test_an_idealised_plane_has_no_longitude():
    plane = MODEL.forecast(DATA.isel(time=0), DATA, steps=0, members=1, progress=False)
    assert not {"lon", "lat"} & set(plane.variables)


def test_the_origin_of_a_forecast(forecast):
    attrs = forecast.attrs
    assert attrs["source"] == "gensim-graph forecast"
    assert (attrs["seed"], attrs["members"]) == (3, 2)
    assert attrs["model_hash"] == model_hash(MODEL)
    assert attrs["initial_state"].endswith("at 2000-01-01T00:00")
    assert attrs["date_created"] == "2001-01-01T00:00:00Z"  # SOURCE_DATE_EPOCH of the tests
    assert attrs["history"].startswith("2001-01-01T00:00:00Z: ")
    assert attrs["software"].startswith("gensim-graph ")


def test_other_weights_have_another_hash():
    other = random_surrogate(size=0.4)
    assert model_hash(other) != model_hash(MODEL)
    assert model_hash(random_surrogate()) == model_hash(MODEL)


def test_a_forecast_with_coordinates_survives_a_file_and_is_scored(tmp_path, forecast, polar):
    forecast.to_netcdf(tmp_path / "forecast.nc")
    with xr.open_dataset(tmp_path / "forecast.nc") as stored:
        assert "lat" in stored["sic"].coords
        np.testing.assert_array_equal(evaluate(stored.load(), polar)["rmse"], evaluate(forecast, polar)["rmse"])


# Printing


def test_a_model_prints_ten_lines():
    text = str(Surrogate.load("small"))
    assert len(text.splitlines()) == 10
    for words in ("small", "sit (m)", "uas (m s-1), vas (m s-1)", "12 h", "6 steps of heun", "988,056", "north", "cpu"):
        assert words in text
    assert max(map(len, text.splitlines())) <= 130


def test_a_twin_says_that_it_is_one():
    assert "deterministic twin" in repr(random_surrogate(deterministic=True))


# Progress


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("show", [True, False])
def test_the_bar_is_drawn_on_a_terminal_only(monkeypatch, terminal, show):
    drawn = io.StringIO()
    monkeypatch.setattr(step_bar, "Console", lambda **_: Console(file=drawn, force_terminal=terminal, width=80))
    MODEL.forecast(DATA.isel(time=[0, 1]), DATA, steps=2, members=1, progress=show)
    assert ("4/4" in drawn.getvalue()) == (terminal and show)
    assert bool(drawn.getvalue()) == (terminal and show)

"""Observations that cannot be compared: the message says what was expected, what came and what to do."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS
from support.products import arctic_mesh, forecast_on, hours, write_drift, write_osisaf

from gensim_graph.errors import InputError
from gensim_graph.evaluate import open_observations, score_observations
from gensim_graph.io import mesh_to_dataset
from gensim_graph.mesh import Mesh

DAY = [hours(0), hours(24)]
SOUTH = CRS.from_proj4("+proj=stere +a=6378273 +b=6356889.44891 +lat_0=-90 +lat_ts=-70 +lon_0=0 +type=crs")


def half(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.full(np.shape(x), 50.0)


def nowhere(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.full(np.shape(x), np.nan)


@pytest.fixture(scope="module")
def forecast() -> xr.Dataset:
    return forecast_on(arctic_mesh(10, 40e3), sic=0.5)


def refused(forecast: xr.Dataset, source) -> str:
    with pytest.raises(InputError) as caught:
        score_observations(forecast, open_observations(source, forecast))
    return str(caught.value)


def test_other_times(forecast: xr.Dataset, tmp_path: Path):
    path = write_osisaf(tmp_path / "late.nc", half, [hours(480), hours(504)])
    message = refused(forecast, path)
    for part in (
        "late.nc",
        "2020-03-01T00:00 to 2020-03-03T00:00",
        "2020-03-21T12:00",
        "observations of the same days",
    ):
        assert part in message


def test_other_hemisphere(forecast: xr.Dataset, tmp_path: Path):
    path = write_osisaf(tmp_path / "south.nc", half, DAY, 50e3, crs=SOUTH)
    message = refused(forecast, path)
    assert "south.nc: its cells (latitude -90 to" in message
    assert "other hemisphere" in message


def test_everything_masked(forecast: xr.Dataset, tmp_path: Path):
    path = write_osisaf(tmp_path / "hole.nc", nowhere, DAY)
    assert "hole.nc: no value near the mesh of the forecast is left: 'sic'" in refused(forecast, path)
    land = write_osisaf(tmp_path / "land.nc", half, DAY, flag=lambda x, y: np.ones(x.shape))
    assert "flagged (land)" in refused(forecast, land)


def test_gap_where_the_mesh_lies(forecast: xr.Dataset, tmp_path: Path):
    """Values near the mesh, none over it."""
    path = write_osisaf(tmp_path / "gap.nc", lambda x, y: np.where((x > -60e3) & (x < 600e3), np.nan, 50.0), DAY, 50e3)
    assert "gap.nc: 'sic' has no value that can be compared" in refused(forecast, path)


def test_variable_that_the_forecast_lacks(forecast: xr.Dataset, tmp_path: Path):
    thick = forecast.rename(sic="sit")
    path = write_osisaf(tmp_path / "conc.nc", half, DAY)
    message = refused(thick, path)
    assert "the forecast, which has sit; it has ice_conc" in message


def test_unknown_variable(forecast: xr.Dataset, tmp_path: Path):
    path = write_osisaf(tmp_path / "conc.nc", half, DAY)
    with xr.open_dataset(path) as raw:
        strange = raw.rename(ice_conc="abc").load()
    strange["abc"].attrs.pop("standard_name")
    assert "known names are" in refused(forecast, strange)


def test_drift_without_a_direction(forecast: xr.Dataset, tmp_path: Path):
    """Components along axes that nobody knows are refused, not guessed."""
    path = write_drift(tmp_path / "drift.nc", lambda lon, lat: (lon + 0.1, lat), [hours(0), hours(48)], with_ends=False)
    with xr.open_dataset(path) as raw:
        nowhere_on_earth = raw.drop_vars(["Polar_Stereographic_Grid", "xc", "yc"]).load()
    moving = forecast.assign(siu=forecast["sic"], siv=forecast["sic"])
    assert "their direction is unknown" in refused(moving, nowhere_on_earth)


def test_displacement_in_an_unknown_unit(forecast: xr.Dataset, tmp_path: Path):
    path = write_drift(tmp_path / "drift.nc", lambda lon, lat: (lon + 0.1, lat), [hours(0), hours(48)])
    with xr.open_dataset(path) as raw:
        wrong = raw.load()
    wrong["dX"].attrs["units"] = "pixels"
    moving = forecast.assign(siu=forecast["sic"], siv=forecast["sic"])
    assert "'pixels'; expected a length" in refused(moving, wrong)


def test_drift_that_the_forecast_hardly_covers(forecast: xr.Dataset, tmp_path: Path):
    """A displacement over four days says nothing about a forecast of two."""
    path = write_drift(tmp_path / "drift.nc", lambda lon, lat: (lon + 0.1, lat), [hours(0), hours(96)])
    moving = forecast.assign(siu=forecast["sic"], siv=forecast["sic"])
    assert "at times without a lead time" in refused(moving, path)


def test_mesh_that_is_nowhere(tmp_path: Path):
    axis = np.arange(4) * 50e3
    ideal = forecast_on(Mesh.from_grid(axis, axis), sic=0.5)
    path = write_osisaf(tmp_path / "conc.nc", half, DAY)
    assert "mesh of the forecast has no crs" in refused(ideal, path)
    bare = ideal.drop_vars(list(mesh_to_dataset(Mesh.from_grid(axis, axis)).variables))
    assert "does not carry its mesh" in refused(bare, path)


def test_other_kinds_of_files(forecast: xr.Dataset, tmp_path: Path):
    (tmp_path / "conc.hdf").write_bytes(b"HDF")
    assert "must be netCDF or zarr" in refused(forecast, tmp_path / "conc.hdf")
    assert "there is no such file" in refused(forecast, tmp_path / "nothing_*.nc")

"""Observations in the form of real products against forecasts whose scores are known in closed form."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pyproj import Geod, Transformer
from support.products import (
    EASE2,
    MESH_PLANE,
    OSI_SAF,
    arctic_mesh,
    forecast_on,
    hours,
    write_cs2smos,
    write_drift,
    write_nsidc,
    write_osisaf,
)

from gensim_graph.evaluate import open_observations, score_observations
from gensim_graph.mesh import Mesh
from gensim_graph.units import SECONDS_PER_DAY

SPREAD = np.array([-0.1, 0.0, 0.1])[:, None]
"""Members around their mean; their unbiased variance is 0.01."""


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return arctic_mesh()


def constant(value: float):
    return lambda x, y: np.full(np.shape(x), value)


def scores_of(forecast: xr.Dataset, source, table: str = "observations", model: str = "forecast"):
    found = score_observations(forecast, open_observations(source, forecast))[table]
    return found[found["model"] == model].reset_index(drop=True)


def test_daily_mean_with_gaps_and_flags(mesh: Mesh, tmp_path: Path):
    """A concentration that rises by 0.2 a day, with a mean of 0.6 over the first day; every number by hand."""
    rising = np.linspace(0.5, 0.9, 5)[:, None, None] + SPREAD
    forecast = forecast_on(mesh, sic=rising)
    seen = lambda x, y: np.where(y > 100e3, 50.0, np.nan)  # noqa: E731
    # 32 is spatial interpolation, which is no observation; 8 is the correction of a spill over from land, which is one.
    flag = lambda x, y: 32 * (x > 200e3) + 8 * (x < 100e3)  # noqa: E731
    path = write_osisaf(tmp_path / "ice_conc.nc", seen, [hours(0), hours(24)], flag=flag)

    row = scores_of(forecast, path).iloc[0]
    assert (row["variable"], row["lead_hours"]) == ("sic", 12.0)
    np.testing.assert_allclose([row["rmse"], row["bias"], row["mae"]], 0.1, atol=1e-6)
    np.testing.assert_allclose(row["spread"], 0.1, atol=1e-6)
    np.testing.assert_allclose(row["observation_error"], 0.03, atol=1e-6)
    np.testing.assert_allclose(row["spread_error"], np.sqrt(4 / 3 * 0.01 + 0.0009) / 0.1, rtol=1e-4)
    # members at -0, 0.1, 0.2 from the observation: mean 0.1, minus half the mean distance of two members, 2/15
    np.testing.assert_allclose(row["crps"], 0.1 - 0.5 * 0.4 / 3, atol=1e-6)

    # the number of cells: those of the product whose centre lies in the mesh, by brute force
    tables = score_observations(forecast, open_observations(path, forecast))
    source = tables["observed_sources"].iloc[0]
    assert row["n"] == source["used"] == cells_inside(lambda x, y: (y > 100e3) & (x < 200e3))
    assert "flagged (spatial_interp)" in source["left_out"]
    assert "missing" in source["left_out"]
    assert "averaged over 24 h (bounds of its times)" in source["done"]

    still = scores_of(forecast, path, model="persistence").iloc[0]
    np.testing.assert_allclose([still["bias"], still["spread"]], [-0.1, np.nan], atol=1e-6)


def cells_inside(chosen) -> int:
    """Number of cells of 25 km of OSI SAF that are at least half inside the mesh, with 30 x 30 points in each."""
    axis = np.arange(-1000e3 + 12.5e3, 1000e3, 25e3)
    x, y = (part.ravel() for part in np.meshgrid(axis, axis))
    keep = chosen(x, y)
    offsets = (np.arange(30) + 0.5) / 30 * 25e3 - 12.5e3
    dx, dy = (part.ravel() for part in np.meshgrid(offsets, offsets))
    to_plane = Transformer.from_crs(OSI_SAF, MESH_PLANE, always_xy=True)
    px, py = to_plane.transform(x[keep, None] + dx, y[keep, None] + dy)
    inside = (px > 100e3) & (px < 500e3) & (py > -300e3) & (py < 100e3)

    return int((inside.mean(axis=1) >= 0.5).sum())


@pytest.mark.parametrize("size", [25e3, 4e3])
def test_linear_field_on_coarser_and_finer_cells(mesh: Mesh, tmp_path: Path, size: float):
    """The mean of a linear field over a cell is its value at the centre, whichever side is averaged."""
    forecast = forecast_on(mesh, steps=1, sic=0.5 + 1e-6 * (mesh.centres @ [0.5, -0.3]))
    to_plane = Transformer.from_crs(OSI_SAF, MESH_PLANE, always_xy=True)

    def percent(x, y):
        px, py = to_plane.transform(x, y)
        return np.clip(100 * (0.4 + 1e-6 * (0.5 * px - 0.3 * py)), -100, 100)

    path = write_osisaf(tmp_path / "ice_conc.nc", percent, [hours(0), hours(24)], size)
    row = scores_of(forecast, path).iloc[0]
    np.testing.assert_allclose(row["bias"], 0.1, atol=3e-5)
    np.testing.assert_allclose(row["rmse"] ** 2 - row["bias"] ** 2, 0, atol=(2e-3) ** 2)
    done = score_observations(forecast, open_observations(path, forecast))["observed_sources"]["done"][0]
    assert ("observations averaged to faces of 10 km" in done) == (size < 10e3)


def test_fractions_with_flags_as_numbers(mesh: Mesh, tmp_path: Path):
    """NSIDC: 251 to 255 are no concentrations; without bounds, P1D says that a record is the mean of its day."""
    rising = np.linspace(0.2, 1.0, 5)[:, None, None]
    forecast = forecast_on(mesh, sic=rising)
    as_flags = lambda x, y: np.where(x > 250e3, 251, np.where(y < 150e3, 254, 0))  # noqa: E731
    path = write_nsidc(tmp_path / "nsidc.nc", constant(0.3), [hours(0), hours(24), hours(240)], as_flags)

    rows = scores_of(forecast, path)
    assert rows["lead_hours"].tolist() == [12.0, 36.0]
    np.testing.assert_allclose(rows["bias"], [0.1, 0.5], atol=1e-5)
    source = score_observations(forecast, open_observations(path, forecast))["observed_sources"].iloc[0]
    assert "flagged (pole_hole, land_mask)" in source["left_out"]
    assert "time_coverage_duration" in source["done"]

    # the same after another program has removed the attributes: the numbers are known
    plain = xr.open_dataset(path, decode_times=True).load()
    plain["cdr_seaice_conc"].attrs = {"units": "1", "standard_name": "sea_ice_area_fraction"}
    plain["cdr_seaice_conc"].encoding = {}
    np.testing.assert_allclose(scores_of(forecast, plain)["bias"], [0.1, 0.5], atol=1e-5)


def test_weekly_thickness_of_the_ice(mesh: Mesh, tmp_path: Path):
    """Thickness over the ice times concentration is the volume per area; gaps of the thickness stay gaps."""
    forecast = forecast_on(mesh, steps=14, sit=1.5, sic=0.75)
    thick = lambda x, y: np.where(x > 200e3, 2.4, np.nan)  # noqa: E731
    week = [hours(0), hours(168)]
    path = write_cs2smos(tmp_path / "cs2smos.nc", thick, constant(50.0), week)

    rows = scores_of(forecast, path).set_index("variable")
    np.testing.assert_allclose(rows.loc["sit", "bias"], 1.5 - 2.4 * 0.5, atol=1e-3)
    np.testing.assert_allclose(rows.loc["sic", "bias"], 0.25, atol=1e-3)
    np.testing.assert_allclose(rows.loc["sit", "observation_error"], 0.2 * 0.5, atol=1e-3)
    assert 0 < rows.loc["sit", "n"] < rows.loc["sic", "n"]
    assert rows.loc["sit", "lead_hours"] == 84.0

    # without a concentration the thickness of the forecast's ice, sit / sic, is compared
    alone = write_cs2smos(tmp_path / "alone.nc", thick, None, week)
    row = scores_of(forecast, alone).iloc[0]
    np.testing.assert_allclose(row["bias"], 1.5 / 0.75 - 2.4, atol=1e-3)
    assert mesh.crs != EASE2


def test_period_longer_than_the_forecast(mesh: Mesh, tmp_path: Path):
    """A week is compared with the mean over the two days that are forecast, and this is said."""
    rising = np.linspace(1.0, 1.4, 5)[:, None, None]
    forecast = forecast_on(mesh, steps=4, sit=rising, sic=1.0)
    path = write_cs2smos(tmp_path / "week.nc", constant(1.0), constant(100.0), [hours(0), hours(168)])
    found = score_observations(forecast, open_observations(path, forecast))
    scores = found["observations"].query("model == 'forecast' and variable == 'sit'").iloc[0]
    # of the last lead time, which stands for 42 to 54 h, all of 12 h lies in the week; of the first, 6 h
    weights = np.array([6, 12, 12, 12, 12])
    np.testing.assert_allclose(scores["bias"], weights @ rising.ravel() / weights.sum() - 1.0, atol=1e-5)
    assert "covers 32 % on average" in found["observed_sources"]["done"][0]


def uniform_ends(lon: np.ndarray, lat: np.ndarray, metres: float = 30e3):
    """Ends of a drift along the x axis of the mesh's plane, by geodesics: independent of frames and Jacobians."""
    to_plane = Transformer.from_crs(OSI_SAF.geodetic_crs, MESH_PLANE, always_xy=True)
    geod = Geod(ellps="WGS84")
    x, y = to_plane.transform(lon, lat)
    ahead = to_plane.transform(x + 1e3, y, direction="INVERSE")
    azimuth = geod.inv(lon, lat, *ahead)[0]
    return geod.fwd(lon, lat, azimuth, np.full(lon.shape, metres))[:2]


@pytest.mark.parametrize("with_ends", [True, False])
def test_uniform_drift_over_two_days(mesh: Mesh, tmp_path: Path, with_ends: bool):
    """30 km in two days along x, forecast 0.2 m/s along x: components of another plane are turned, in km."""
    forecast = forecast_on(mesh, siu=0.2 + 0.1 * SPREAD, siv=0.0)
    flag = lambda x, y: np.where(x > 100e3, 30, np.where(x > 0, 22, 2))  # noqa: E731
    path = write_drift(tmp_path / "ice_drift.nc", uniform_ends, [hours(0), hours(48)], flag=flag, with_ends=with_ends)

    found = score_observations(forecast, open_observations(path, forecast))
    rows = found["observations"].query("model == 'forecast'").set_index("variable")
    expected = 0.2 * 2 * SECONDS_PER_DAY / 1e3 - 30.0
    np.testing.assert_allclose(rows.loc["drift_x", "bias"], expected, atol=0.02)
    np.testing.assert_allclose(rows.loc["drift_y", ["bias", "rmse"]].astype(float), 0.0, atol=0.05)
    np.testing.assert_allclose(rows.loc["drift_x", "observation_error"], 2.0, atol=1e-4)
    np.testing.assert_allclose(rows.loc["drift_x", "spread"], 0.01 * 172.8, rtol=1e-4)
    assert set(rows["lead_hours"]) == {24.0}

    vector = found["observed_drift"].query("model == 'forecast'").iloc[0]
    np.testing.assert_allclose([vector["observed_length"], vector["veering"]], [30.0, 0.0], atol=0.1)
    left = found["observed_sources"]["left_out"][0]
    assert "no_ice" in left
    assert "interpolated" in left


@pytest.mark.parametrize("degrees", [0.5, 10.0])
def test_solid_rotation_about_the_pole(mesh: Mesh, tmp_path: Path, degrees: float):
    """Rotation in a day about the axis of the Earth; at 10 degrees the paths are arcs, 5 degrees left of the start."""
    x, y = mesh.centres.T
    lon, lat = Transformer.from_crs(MESH_PLANE, MESH_PLANE.geodetic_crs, always_xy=True).transform(x, y)
    east = Geod(ellps="WGS84").inv(lon, lat, lon + 0.01, lat)[2] * 100 * degrees / SECONDS_PER_DAY
    radius = np.hypot(x, y)
    forecast = forecast_on(mesh, siu=-east * y / radius, siv=east * x / radius)

    path = write_drift(tmp_path / "drift.nc", lambda lon, lat: (lon + degrees, lat), [hours(12), hours(36)])
    found = score_observations(forecast, open_observations(path, forecast))
    rows = found["observations"].query("model == 'forecast'")
    lengths = found["observed_drift"].query("model == 'forecast'").iloc[0]
    assert lengths["observed_length"] > 2.0
    # Cells on the rim are covered in part. The velocity at the begin of a path would be wrong by 9 % at 10 degrees.
    assert (rows["rmse"] < 0.03 * lengths["observed_length"]).all()
    assert lengths["correlation"] > 0.999
    assert abs(lengths["veering"]) < 0.5


def test_velocities_of_a_product(mesh: Mesh, tmp_path: Path):
    """Mean velocities in cm/s with bounds of time, along the axes of the product."""
    forecast = forecast_on(mesh, siu=0.1, siv=0.0)
    path = write_drift(tmp_path / "drift.nc", uniform_ends, [hours(0), hours(24)])
    with xr.open_dataset(path) as raw:
        speed = {"units": "cm s-1", "grid_mapping": "Polar_Stereographic_Grid"}
        fields = {
            name: (raw[one] * 1e5 / SECONDS_PER_DAY).assign_attrs(speed | {"standard_name": f"sea_ice_{axis}_velocity"})
            for name, one, axis in (("u", "dX", "x"), ("v", "dY", "y"))
        }
        product = raw.drop_vars(["dX", "dY", "lon1", "lat1", "status_flag", "uncert_dX_and_dY"]).assign(fields).load()

    rows = scores_of(forecast, product).set_index("variable")
    np.testing.assert_allclose(rows.loc["siu", "bias"], 0.1 - 30e3 / SECONDS_PER_DAY, atol=0.012)  # scale of the plane
    np.testing.assert_allclose(rows.loc["siv", "bias"], 0.0, atol=2e-3)


def test_ice_edge_where_the_product_sees(mesh: Mesh, tmp_path: Path):
    """Ice in the forecast for x below 300 km, in the product below 350 km: half of the strip is not observed."""
    forecast = forecast_on(mesh, steps=1, sic=np.where(mesh.centres[:, 0] < 300e3, 0.9, 0.0))
    to_plane = Transformer.from_crs(OSI_SAF, MESH_PLANE, always_xy=True)

    def percent(x, y):
        px, py = to_plane.transform(x, y)
        return np.where(py < -100e3, np.where(px < 350e3, 90.0, 0.0), np.nan)

    path = write_osisaf(tmp_path / "conc.nc", percent, [hours(0), hours(24)], 4e3)
    row = scores_of(forecast, path, "observed_edge").iloc[0]
    np.testing.assert_allclose(row["extent"], 200 * 200, rtol=0.01)
    np.testing.assert_allclose(row["observed_extent"], 250 * 200, rtol=0.02)
    np.testing.assert_allclose([row["underestimate"], row["overestimate"]], [50 * 200, 0], rtol=0.06, atol=1)
    np.testing.assert_allclose(row["iiee"], row["underestimate"] + row["overestimate"])


def test_files_of_a_product_and_several_starts(mesh: Mesh, tmp_path: Path):
    """One file a day becomes one product; a record counts for every start that reaches it."""
    for day in range(-2, 3):
        bounds = [hours(24 * day), hours(24 * day + 24)]
        write_osisaf(tmp_path / f"ice_conc_{day + 2}.nc", constant(40.0 + 10 * day), bounds)

    one = forecast_on(mesh, sic=0.5)
    later = one.assign_coords(valid_time=one["valid_time"] + np.timedelta64(24, "h"))
    forecast = xr.concat([one, later], "start", data_vars="minimal")
    forecast["sic"] = xr.concat([one["sic"], one["sic"]], "start")
    products = open_observations(str(tmp_path / "ice_conc_*.nc"), forecast)
    assert len(products) == 1
    assert len(products[0].periods.bounds) == 3

    rows = score_observations(forecast, products)["observations"].query("model == 'forecast'")
    assert rows["lead_hours"].tolist() == [12.0, 36.0]
    # day 0 from the first start, day 1 from both, day 2 from the second: means of 0.5 - 0.4 and 0.5 - 0.5, ...
    np.testing.assert_allclose(rows["bias"], [0.05, -0.05], atol=1e-5)

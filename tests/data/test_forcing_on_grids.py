"""Winds and temperatures on longitudes and latitudes: analytic fields, pyproj, and every order of the axes."""

import numpy as np
import pytest
import xarray as xr
from support.lonlat_grids import arctic_mesh, degrees_of, east_north_of, forcing_on_grid
from support.meshes import jittered_box

from gensim_graph.data import Forcing, open_forcing
from gensim_graph.errors import InputError
from gensim_graph.variables import default_variables

TABLE = default_variables()
MESH = arctic_mesh()  # 50 km
LON, LAT = np.arange(-180.0, 180.0, 2.0), np.arange(60.0, 90.5, 1.0)
START = np.datetime64("2000-01-01", "ns")
HOUR = np.timedelta64(1, "h")


def plane(hours, lat, lon):
    """A temperature that is linear in time, latitude and longitude."""
    return 230.0 + 0.5 * lat + 0.1 * lon + 0.3 * hours


def warm(lon=LON, lat=LAT, **options) -> xr.Dataset:
    return forcing_on_grid(lon, lat, np.arange(0, 13, 6), t2m=plane, **options)


def temperature(forcing: Forcing, hours: float) -> np.ndarray:
    return forcing.values_at(START + np.timedelta64(round(60 * hours), "m"))["tus"]


def open_one(data: xr.Dataset, mesh=MESH, **options) -> Forcing:
    return open_forcing(data, mesh, TABLE, interpolate=True, **options)


# Interpolation


@pytest.mark.parametrize("hours", [0, 2.5, 6, 11])
def test_linear_fields_are_exact(hours):
    lon, lat = degrees_of(MESH)
    np.testing.assert_allclose(temperature(open_one(warm()), hours), plane(hours, lat, lon), atol=2e-3)


def test_some_faces_only():
    forcing = open_one(warm())
    faces = np.array([3, 17, 40])
    some = forcing.values_at(START + 2 * HOUR, faces)["tus"]
    np.testing.assert_array_equal(some, temperature(forcing, 2)[faces])


@pytest.mark.parametrize("change", [
    lambda ds: ds.isel(latitude=slice(None, None, -1)),
    lambda ds: ds.isel(longitude=slice(None, None, -1)),
    lambda ds: ds.assign_coords(longitude=ds["longitude"] % 360).sortby("longitude"),
    lambda ds: ds.roll(longitude=71, roll_coords=True),
    lambda ds: ds.transpose("valid_time", "longitude", "latitude"),
    lambda ds: ds.sel(longitude=slice(-60, 30), latitude=slice(70, 88)),
    lambda ds: ds.expand_dims(number=[0]),
    lambda ds: ds.assign(t2m=(ds["t2m"] - 273.15).assign_attrs(units="degC")),
], ids=["descending", "westward", "0..360", "seam", "transposed", "cut out", "member", "Celsius"])  # fmt: skip
def test_every_order_of_the_axes(change):
    expected = temperature(open_one(warm()), 6)
    np.testing.assert_allclose(temperature(open_one(change(warm())), 6), expected, atol=1e-3)


@pytest.mark.parametrize("last", [90.0, 89.5])
def test_a_scalar_over_the_pole(last):
    """A field that is smooth at the pole, on grids with and without a row there."""
    mesh = arctic_mesh(8, side=200e3, centre=(0.0, 90.0))
    lat = np.arange(last, 60, -1.0)
    data = forcing_on_grid(LON, lat, [0.0], t2m=lambda h, lat, lon: 250 + (90 - lat) * np.cos(np.radians(lon)))
    lon, north = degrees_of(mesh)
    expected = 250 + (90 - north) * np.cos(np.radians(lon))
    np.testing.assert_allclose(open_one(data, mesh).values_at(START)["tus"], expected, atol=2e-3)


def test_large_faces_take_the_mean():
    """A wave of four grid steps: faces of ten steps see its mean, not the value at their centre."""
    mesh = arctic_mesh(3, side=1500e3, centre=(0.0, 75.0))
    lat = np.arange(55.0, 90.1, 0.25)
    data = forcing_on_grid(LON, lat, [0.0], t2m=lambda h, lat, lon: 260 + 10 * np.sin(np.pi * lat / 0.5) + 0 * lon)
    came = open_one(data, mesh).values_at(START)["tus"]
    assert np.abs(came - 260).max() < 5
    assert abs(came.mean() - 260) < 1


# Vectors


@pytest.mark.parametrize("centre", [(-20.0, 80.0), (100.0, 89.0), (0.0, 90.0)])
def test_winds_are_turned_as_pyproj_says(centre):
    """An eastward and a northward wind; around the pole their directions change by any angle."""
    mesh = arctic_mesh(6, side=150e3, centre=centre)
    data = forcing_on_grid(LON, LAT, [0.0], u10=lambda h, lat, lon: 5 * np.cos(np.radians(lon)) + 0 * lat,
                           v10=lambda h, lat, lon: -5 * np.sin(np.radians(lon)) + 0 * lat)  # fmt: skip
    came = open_one(data, mesh).values_at(START)
    east, north = east_north_of(mesh)
    lon = np.radians(degrees_of(mesh)[0])
    expected = 5 * np.cos(lon) * east - 5 * np.sin(lon) * north
    np.testing.assert_allclose([came["uas"], came["vas"]], expected, atol=5e-3)


def test_a_uniform_wind_across_the_pole_stays_uniform():
    """Vectors are turned before they are interpolated: no whirl at the pole."""
    mesh = arctic_mesh(10, side=100e3, centre=(0.0, 90.0))
    # In EPSG:3413, x points to 45 E at the pole: towards lon + 45 from there.
    data = forcing_on_grid(LON, LAT, [0.0], u10=lambda h, lat, lon: -8 * np.sin(np.radians(lon - 45)) + 0 * lat,
                           v10=lambda h, lat, lon: -8 * np.cos(np.radians(lon - 45)) + 0 * lat)  # fmt: skip
    came = open_one(data, mesh).values_at(START)
    speed, angle = np.hypot(came["uas"], came["vas"]), np.arctan2(came["vas"], came["uas"])
    np.testing.assert_allclose(speed, 8, atol=1e-2)
    assert np.ptp(np.unwrap(angle)) < 1e-2


# Several sets of files


def test_winds_and_temperatures_with_times_and_grids_of_their_own():
    wind = forcing_on_grid(LON, LAT, np.arange(13), u10=lambda h, lat, lon: h + 0 * lat * lon,
                           v10=lambda h, lat, lon: 0 * h * lat * lon)  # fmt: skip
    forcing = open_one([warm(np.arange(0.0, 360.0, 3.0)), wind])
    values = forcing.values_at(START + 90 * np.timedelta64(1, "m"))
    np.testing.assert_allclose(np.hypot(values["uas"], values["vas"]), 1.5, rtol=1e-3)
    lon, lat = degrees_of(MESH)
    np.testing.assert_allclose(values["tus"], plane(1.5, lat, lon % 360), atol=2e-3)
    assert forcing.names == {"uas", "vas", "tus"}


def test_months_in_files_of_their_own(tmp_path):
    for number, hours in enumerate((range(0, 12, 3), range(12, 24, 3))):
        forcing_on_grid(LON, LAT, np.array(hours), t2m=plane).to_netcdf(tmp_path / f"{1 - number}.nc")
    lon, lat = degrees_of(MESH)
    forcing = open_forcing(str(tmp_path / "*.nc"), MESH, TABLE, interpolate=True)
    np.testing.assert_allclose(temperature(forcing, 10.5), plane(10.5, lat, lon), atol=2e-3)  # between the two files
    forcing.close()
    np.testing.assert_allclose(temperature(forcing, 13), plane(13, lat, lon), atol=2e-3)  # opens the file again


# Wrong or missing


def test_values_that_are_missing_over_land():
    """A few grid points without values are left out; faces of which most is missing are named."""
    data = warm()
    holes = data.where((data["latitude"] != 80) | (data["longitude"] != -20))
    lon, lat = degrees_of(MESH)
    np.testing.assert_allclose(temperature(open_one(holes), 0), plane(0, lat, lon), atol=0.6)
    with pytest.raises(InputError, match=r"'tus' is missing \(NaN\) on \d+ faces"):
        open_one(data.where(data["longitude"] < -20))


@pytest.mark.parametrize(("change", "message"), [
    (lambda ds: ds.assign_coords(latitude=-ds["latitude"]), "latitudes -90 to -60.*faces of the mesh lie outside"),
    (lambda ds: ds.sel(longitude=slice(20, 90)), r"longitudes 20 to 90.*lie outside.*\(first at -"),
    (lambda ds: ds.sel(latitude=slice(60, 80)), "latitudes 60 to 80, .* of 72 faces"),
    (lambda ds: ds - 273.15, "'tus' runs from .* is it in another unit"),
    (lambda ds: ds.assign(t2m=ds["t2m"].assign_attrs(units="m")), "'tus' is in 'm', expected 'K'"),
    (lambda ds: ds.rename(t2m="something"), r"none of.*it has something"),
    (lambda ds: ds.assign(u10=(0 * ds["t2m"]).assign_attrs(units="m/s")), "'uas' is here but its other component"),
], ids=["hemisphere", "longitudes", "latitudes", "unlabelled", "unit", "names", "one component"])  # fmt: skip
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(InputError, match=message):
        open_one(change(warm()))


def test_a_mesh_that_does_not_say_where_it_is():
    with pytest.raises(InputError, match="does not say where on the Earth it is"):
        open_one(warm(), jittered_box(4))


def test_another_calendar():
    data = warm().drop_vars("valid_time")
    attrs = {"units": "days since 2000-01-01", "calendar": "360_day"}
    data = data.assign_coords(valid_time=("valid_time", [29.0, 59.0, 89.0], attrs))
    with pytest.raises(InputError, match="360_day"):
        open_one(data)


def test_a_missing_month_is_a_gap():
    hours = np.array([*range(0, 48, 6), *range(24 * 60, 24 * 62, 6)])
    forcing = open_one(forcing_on_grid(LON, LAT, hours, t2m=lambda h, lat, lon: 250 + 0 * h * lat * lon))
    forcing.check(START + np.array([0, 40]) * HOUR)
    with pytest.raises(InputError, match="gap from 2000-01-02T18:00 to 2000-03-01T00:00: a file may be missing"):
        forcing.check(np.array([START + 24 * 30 * HOUR]))


def test_the_same_variable_twice(tmp_path):
    warm().to_netcdf(tmp_path / "a.nc")
    warm().to_netcdf(tmp_path / "b.nc")
    with pytest.raises(InputError, match=r"a\.nc and .*b\.nc overlap in time, and both have tus"):
        open_forcing(str(tmp_path / "*.nc"), MESH, TABLE)

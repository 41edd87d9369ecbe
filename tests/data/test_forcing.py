"""Forcing in time: against xarray's interpolation, the calendar of Python, pyproj, and forcing in memory."""

from datetime import datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import Forcing, as_forcing, open_forcing
from gensim_graph.data.cycle import cycle_of
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables

TABLE = default_variables()
MESH = jittered_box(6)
DATA = small_trajectory(MESH, hours=24)
WINDS = ("uas", "vas")
HOUR = np.timedelta64(1, "h")


def winds(forcing: Forcing, time: np.datetime64) -> np.ndarray:
    """(2, F) winds at a time."""
    columns = [variable.name for variable in TABLE.forcing]
    return forcing.at(time).forcing.T[[columns.index(name) for name in WINDS]]


def expected(data: xr.Dataset, time: np.datetime64) -> np.ndarray:
    """(2, F) winds as xarray interpolates them."""
    return np.stack([data[name].interp(time=time).values for name in WINDS])


def yearly(first: str, last: str, step: str) -> xr.Dataset:
    """Winds that hold their own time: ``uas`` is month + day / 100, ``vas`` the hour."""
    times = np.arange(np.datetime64(first, "ns"), np.datetime64(last, "ns"), np.timedelta64(int(step), "h"))
    dates = xr.DataArray(times, dims="time").dt
    day = (100 * dates.month + dates.day).values / 100.0
    fields = {name: (("time", "face"), np.repeat(v[:, None], MESH.n_faces, 1), {"units": "m s-1"})
              for name, v in (("uas", day), ("vas", dates.hour.values.astype(float)))}  # fmt: skip
    return small_trajectory(MESH).drop_dims("time").assign_coords(time=times).assign(fields)


# At its times and between them


def test_at_its_own_times():
    forcing = as_forcing(DATA, MESH, TABLE)
    for time in DATA["time"].values:
        np.testing.assert_array_equal(winds(forcing, time), [DATA[name].sel(time=time) for name in WINDS])


@pytest.mark.parametrize("minutes", [1, 90, 179, 200, 1439])
def test_between_its_times_as_xarray_has_it(minutes):
    time = DATA["time"].values[0] + np.timedelta64(minutes, "m")
    np.testing.assert_allclose(
        winds(open_forcing(DATA, MESH, TABLE, interpolate=True), time), expected(DATA, time), rtol=1e-5, atol=1e-5
    )


def test_what_is_absent_is_zero():
    drivers = as_forcing(DATA, MESH, TABLE).at(DATA["time"].values[0])
    names = [variable.name for variable in TABLE.forcing]
    for name in set(names) - set(WINDS):
        assert (drivers.forcing[:, names.index(name)] == 0).all()
    assert drivers.slow.shape == (MESH.n_faces, len(TABLE.slow))


def test_between_times_only_if_asked_for():
    time = DATA["time"].values[0] + HOUR
    with pytest.raises(InputError, match=r"no values at 2000-01-01T01:00.*--interpolate"):
        as_forcing(DATA, MESH, TABLE).at(time)


@pytest.mark.parametrize("interpolate", [False, True])
@pytest.mark.parametrize("hours", [-3, 27])
def test_beyond_its_times(interpolate, hours):
    time = DATA["time"].values[0] + hours * HOUR
    with pytest.raises(InputError, match=r"it runs from 2000-01-01T00:00 to 2000-01-02T00:00.*--repeat-forcing"):
        open_forcing(DATA, MESH, TABLE, interpolate=interpolate).at(time)


# Again and again


def test_a_short_record_repeats_from_its_beginning():
    """Nine records of three hours: a period of 27 h."""
    forcing = open_forcing(DATA, MESH, TABLE, repeat=True)
    for hours in (0, 3, 24, 27, 51, 270):
        there = DATA["time"].values[hours % 27 // 3]
        np.testing.assert_array_equal(
            winds(forcing, DATA["time"].values[0] + hours * HOUR), winds(forcing, there), err_msg=str(hours)
        )


def test_from_the_last_record_to_the_first():
    forcing = open_forcing(DATA, MESH, TABLE, repeat=True, interpolate=True)
    last, first = (winds(forcing, DATA["time"].values[index]) for index in (-1, 0))
    came = winds(forcing, DATA["time"].values[-1] + HOUR)
    np.testing.assert_allclose(came, last + (first - last) / 3, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", ["2001-01-01", "2001-08-15", "2004-01-01"])
@pytest.mark.parametrize("date", ["2010-01-01T00", "2010-07-04T12", "2011-08-14T18", "2012-03-01T00", "1995-12-31T06"])
def test_a_year_repeats_by_the_calendar(first, date):
    """The values have the same month, day and hour in any year."""
    year = int(first[:4])
    data = yearly(first, f"{year + 1}{first[4:]}", "6")
    time = np.datetime64(date, "ns")
    day, hour = winds(open_forcing(data, MESH, TABLE, repeat=True), time)[:, 0]
    stamp = datetime.fromisoformat(date)
    assert (round(100 * float(day)), float(hour)) == (100 * stamp.month + stamp.day, stamp.hour)


def test_a_29th_of_february_that_is_not_there():
    data = yearly("2001-01-01", "2002-01-01", "6")
    day, hour = winds(open_forcing(data, MESH, TABLE, repeat=True), np.datetime64("2004-02-29T18", "ns"))[:, 0]
    assert (round(100 * float(day)), float(hour)) == (228, 18)


@pytest.mark.parametrize(
    ("begin", "years"), [("2000-01-01", 1), ("2001-03-15T06", 1), ("2000-02-29", 1), ("1999-07-01", 3)]
)
def test_cycles_against_a_search(begin, years):
    """The equivalent instant is inside the period and has the same date, except on 29 February."""
    first = np.datetime64(begin, "ns")
    last = np.datetime64(f"{int(begin[:4]) + years}{begin[4:].replace('02-29', '02-28')}", "ns")
    cycle = cycle_of(np.arange(first, last, np.timedelta64(6, "h")))
    assert (cycle.begin, cycle.end, cycle.years) == (first, last, years)
    stamp = datetime(1987, 1, 1)
    for _ in range(400):
        stamp += timedelta(days=37, hours=5)
        came = cycle.equivalent(np.datetime64(stamp, "ns"))
        assert cycle.begin <= came < cycle.end, stamp
        found = came.astype("datetime64[s]").item()
        if begin != "2000-02-29" and (stamp.month, stamp.day) != (2, 29):
            assert (found.month, found.day, found.hour) == (stamp.month, stamp.day, stamp.hour)
            assert (stamp.year - found.year) % years == 0 or years == 1


def test_a_single_time_cannot_repeat():
    with pytest.raises(InputError, match="a single time cannot be repeated"):
        open_forcing(DATA.isel(time=[0]), MESH, TABLE, repeat=True)


# Files, meshes


def test_files_follow_each_other(tmp_path):
    """The order of the files does not matter; netCDF and zarr can be mixed."""
    DATA.isel(time=slice(0, 4)).to_netcdf(tmp_path / "b.nc")
    DATA.isel(time=slice(4, None)).to_zarr(tmp_path / "a.zarr", consolidated=False)
    forcing = open_forcing([tmp_path / "a.zarr", tmp_path / "b.nc"], MESH, TABLE, interpolate=True)
    np.testing.assert_array_equal(forcing.times, DATA["time"].values)
    for hours in (0, 8, 10.5, 24):
        time = DATA["time"].values[0] + np.timedelta64(round(60 * hours), "m")
        np.testing.assert_allclose(winds(forcing, time), expected(DATA, time), rtol=1e-5, atol=1e-5)
    forcing.close()


def test_files_that_overlap(tmp_path):
    DATA.isel(time=slice(0, 4)).to_netcdf(tmp_path / "a.nc")
    DATA.isel(time=slice(3, None)).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(InputError, match=r"a\.nc and .*b\.nc overlap"):
        open_forcing(str(tmp_path / "*.nc"), MESH, TABLE)


def test_records_are_read_when_they_are_needed(tmp_path):
    """A gap in the sixth record is an error only when that record is read; the message names the record."""
    broken = DATA.copy(deep=True)
    broken["uas"][5, 3] = np.nan
    broken.to_netcdf(tmp_path / "winds.nc")
    forcing = open_forcing(tmp_path / "winds.nc", MESH, TABLE)
    winds(forcing, DATA["time"].values[0])
    with pytest.raises(InputError, match=r"winds\.nc at 2000-01-01T15:00.*uas"):
        winds(forcing, DATA["time"].values[5])


def test_a_uniform_wind_on_another_mesh():
    """Remapping does not change a uniform wind."""
    there = small_trajectory(regular_grid(15))
    there["uas"][:], there["vas"][:] = 3.0, -4.0
    came = winds(open_forcing(there, MESH, TABLE), there["time"].values[1])
    np.testing.assert_allclose(came, np.array([[3.0], [-4.0]]) * np.ones(MESH.n_faces), rtol=1e-5)


def test_eastward_winds_are_turned():
    """An eastward wind on a longitude-latitude grid points to the east of pyproj in a polar plane."""
    crs = CRS("EPSG:3413")
    project = Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
    centre = np.array(project.transform(-20.0, 80.0))
    box = jittered_box(6)
    mesh = Mesh.from_faces(box.nodes + centre - box.nodes.mean(axis=0), box.faces, crs=crs)
    lon, lat = np.arange(-30, -9.5, 0.5), np.arange(78, 82.1, 0.25)
    shape = (2, len(lat), len(lon))
    attrs = {"units": "m s-1"}
    grid = xr.Dataset(
        {
            "uas": (("time", "lat", "lon"), np.full(shape, 5.0), attrs | {"standard_name": "eastward_wind"}),
            "vas": (("time", "lat", "lon"), np.full(shape, 2.0), attrs | {"standard_name": "northward_wind"}),
        },
        coords={
            "time": DATA["time"].values[:2],
            "lat": ("lat", lat, {"units": "degrees_north", "standard_name": "latitude"}),
            "lon": ("lon", lon, {"units": "degrees_east", "standard_name": "longitude"}),
        },
    )
    came = winds(open_forcing(grid, mesh, TABLE), DATA["time"].values[1])
    places = project.transform(*mesh.centres.T, direction="INVERSE")
    east, north = (
        np.array(project.transform(places[0] + step[0], places[1] + step[1])) - mesh.centres.T
        for step in ((1e-4, 0.0), (0.0, 1e-4))
    )
    wanted = 5.0 * east / np.hypot(*east) + 2.0 * north / np.hypot(*north)
    np.testing.assert_allclose(came, wanted, atol=0.02)

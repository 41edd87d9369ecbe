"""Degree days against sums by hand, a closed form, and the series itself when it repeats."""

import numpy as np
import pytest
import xarray as xr
from support.examples import small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import Forcing, open_forcing
from gensim_graph.errors import InputError
from gensim_graph.mesh import Mesh
from gensim_graph.variables import default_variables

TABLE = default_variables()
MESH = jittered_box(3)
NAMES = ("pdd_month", "fdd_month", "pdd_year", "fdd_year")
DAY = np.timedelta64(1, "D")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GENSIM_GRAPH_CACHE", str(tmp_path / "cache"))


def series(temperature, days: int, step: int = 24, mesh: Mesh = MESH, first: str = "2001-01-01") -> xr.Dataset:
    """Temperature as a function of days since the start, the same for all faces but for a shift of 0.1 K a face."""
    since = np.arange(0, 24 * days + 1, step) / 24
    times = np.datetime64(first, "ns") + (since * 86400).astype("timedelta64[s]")
    values = temperature(since)[:, None] + 0.1 * np.arange(mesh.n_faces)
    frame = small_trajectory(mesh).drop_dims("time").assign_coords(time=times)
    return frame.assign(tus=(("time", "face"), values, {"units": "K"}))


def opened(data: xr.Dataset, names=NAMES, times=None, **options) -> Forcing:
    return open_forcing(data, MESH, TABLE, interpolate=True, **options).with_degree_days(names, times)


def season(days):
    return 270 + 12 * np.sin(2 * np.pi * days / 365) + 2 * np.sin(days)


def by_hand(data: xr.Dataset, time: np.datetime64, length: int, sign: int) -> np.ndarray:
    """Trapezoidal rule over the records of the last ``length`` days."""
    past = data.sel(time=slice(time - length * DAY, time))["tus"].values
    excess = np.maximum(sign * (past - 273.15), 0)
    steps = np.diff(data.sel(time=slice(time - length * DAY, time))["time"].values) / DAY
    return (0.5 * (excess[1:] + excess[:-1]) * steps[:, None]).sum(axis=0)


@pytest.fixture(scope="module")
def days() -> xr.Dataset:
    return series(season, 420)


@pytest.fixture(scope="module")
def added_up(days) -> Forcing:
    return opened(days)


@pytest.mark.parametrize("day", [10, 30, 200, 400, 419])
def test_sums_by_hand(days, added_up, day):
    """At the beginning of a day; before a month and a year have passed, over less."""
    time = days["time"].values[0] + day * DAY
    came = added_up.values_at(time)
    for name, length, sign in zip(NAMES, (30, 30, 365, 365), (1, -1, 1, -1), strict=True):
        np.testing.assert_allclose(came[name], by_hand(days, time, length, sign), rtol=1e-4, atol=1e-2, err_msg=name)


def test_only_the_past_that_is_needed_is_read(days, added_up):
    data, whole = days, added_up
    time = data["time"].values[0] + 400 * DAY
    needed = opened(data, times=np.array([time]))
    np.testing.assert_allclose(needed.values_at(time)["fdd_year"], whole.values_at(time)["fdd_year"], rtol=1e-4)
    month = opened(
        data.assign(tus=data["tus"].where(data["time"] > time - 40 * DAY, 200.0)), NAMES[:2], np.array([time])
    )
    np.testing.assert_allclose(month.values_at(time)["fdd_month"], whole.values_at(time)["fdd_month"], rtol=1e-4)


@pytest.mark.parametrize("hours", [0, 7, 13])
def test_a_longer_forecast_has_the_same_at_first(hours):
    """A store of a forecast is extended only if its forcing has not changed."""
    data = series(season, 45, step=1)
    time = data["time"].values[0] + 40 * DAY + hours * np.timedelta64(1, "h")
    short, long = (opened(data, NAMES[:2], time + np.arange(days) * DAY) for days in (1, 4))
    for name, values in short.values_at(time).items():
        np.testing.assert_array_equal(values, long.values_at(time)[name])


def test_a_constant_cold():
    """10 K below the melting point for 30 days are 300 K d; in between, at any hour."""
    data = series(lambda days: 263.15 + 0 * days, 45, step=6)
    for hours in (24 * 40, 24 * 40 + 7):
        came = opened(data).values_at(data["time"].values[0] + hours * np.timedelta64(1, "h"))
        assert came["fdd_month"][0] == pytest.approx(300, rel=1e-4)
        assert came["pdd_month"][0] == 0
        assert came["fdd_year"][0] == pytest.approx(10 * hours / 24, rel=1e-4)


def test_a_year_that_repeats():
    """The past of the second of January is the end of the year before, which is the same year again."""
    data = series(season, 730)
    twice = opened(data).values_at(np.datetime64("2002-01-20", "ns"))
    once = opened(data.isel(time=slice(0, 365)), repeat=True).values_at(np.datetime64("2040-01-20", "ns"))
    for name in NAMES:
        np.testing.assert_allclose(once[name], twice[name], rtol=2e-2, atol=1.0, err_msg=name)


def test_files_are_added_up_once(tmp_path, caplog):
    data = series(season, 60, step=6)
    data.to_netcdf(tmp_path / "winter.nc")
    time = data["time"].values[0] + 50 * DAY
    first, again = (opened(tmp_path / "winter.nc").values_at(time)["fdd_month"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_allclose(first, by_hand(data, time, 30, -1), rtol=1e-4, atol=1e-2)
    assert sum("adding up" in line for line in caplog.messages) == 1

    colder = (data["tus"] - 5).assign_attrs(units="K")
    data.assign(tus=colder).to_netcdf(tmp_path / "other.nc")
    (tmp_path / "other.nc").rename(tmp_path / "winter.nc")  # another content under the same name
    assert (opened(tmp_path / "winter.nc").values_at(time)["fdd_month"] > first + 10).all()


def test_a_gap_in_the_past():
    data = series(season, 100, step=6)
    holes = data.isel(time=[*range(100), *range(200, 401)])
    with pytest.raises(InputError, match=r"no temperature .tus. from 2001-01-25T18:00 to 2001-02-20T00:00"):
        opened(holes)


def test_without_temperature():
    forcing = opened(small_trajectory(MESH))
    assert forcing.names == {"uas", "vas"}

"""The two parts of FILE@TIME: paths and addresses with @, several times, time zones, wrong times."""

import os
from pathlib import Path

import numpy as np
import pytest
from support.examples import small_trajectory

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.forecast import read_initial, split_initial
from gensim_graph.mesh import Mesh

TABLE = gg.default_variables()


@pytest.mark.parametrize(
    ("source", "path", "times"),
    [
        ("state.nc", "state.nc", []),
        ("state.nc@2000-01-02T00", "state.nc", ["2000-01-02T00"]),
        ("a@b/state.nc", "a@b/state.nc", []),
        ("a@b/state.nc@2000-01-02T00", "a@b/state.nc", ["2000-01-02T00"]),
        ("/home/me@institute.no/run@2/state.nc@2000-01-02", "/home/me@institute.no/run@2/state.nc", ["2000-01-02"]),
        ("run@2000-01-01/state.nc", "run@2000-01-01/state.nc", []),
        ("run@2000-01-01/state.nc@2000-01-02", "run@2000-01-01/state.nc", ["2000-01-02"]),
        ("state@2000-01-01.nc", "state@2000-01-01.nc", []),
        ("state@2000-01-01.nc@2000-01-02", "state@2000-01-01.nc", ["2000-01-02"]),
        ("s3://key@bucket/run.zarr@2000-01-02", "s3://key@bucket/run.zarr", ["2000-01-02"]),
        ("https://user:word@host.org/run.zarr", "https://user:word@host.org/run.zarr", []),
        ("a.nc@2000-01-02T00:00Z", "a.nc", ["2000-01-02T00"]),
        ("a.nc@2000-01-02T00:00+01:00", "a.nc", ["2000-01-01T23"]),
        ("a.nc@2000-01-02T00:00-0200,2000-01-03", "a.nc", ["2000-01-02T02", "2000-01-03"]),
        ("a.nc@2000-01-02 06:00, 2000-01-02T12", "a.nc", ["2000-01-02T06", "2000-01-02T12"]),
        ("runs/*.nc@20000102T06", "runs/*.nc", ["2000-01-02T06"]),
    ],
)
def test_the_last_at_before_a_time_separates(source, path, times):
    file, wanted = split_initial(source)
    assert file == path
    np.testing.assert_array_equal(wanted, np.array(times, dtype="datetime64[ns]"))


@pytest.mark.parametrize(
    "times", ["noon", "", "2000-02-30", "2000-01-01,", "2000-01-01T25", "200001", "12:00", "first"]
)
def test_wrong_times_are_named(times):
    with pytest.raises(InputError, match=rf"--initial \.\.\.@{times}: expected times such as 2000-01-02T00:00"):
        split_initial(f"a@b/state.nc@{times}")


@pytest.fixture(scope="module")
def mesh() -> Mesh:
    return Mesh.from_grid(np.arange(6) * 1e4, np.arange(5) * 1e4)


@pytest.fixture
def folder(tmp_path, mesh) -> Path:
    """A folder with @ in its name, with files of two days in three layouts."""
    place = tmp_path / "me@home"
    place.mkdir()
    data = small_trajectory(mesh, hours=24)
    data.to_netcdf(place / "run.nc")
    data.to_netcdf(place / "run@2000-01-01")
    data.to_netcdf(place / "run@2000-01-01.nc")
    data.to_zarr(place / "run@home.zarr", consolidated=False)
    return place


@pytest.mark.parametrize("name", ["run.nc", "run@2000-01-01.nc", "run@home.zarr"])
@pytest.mark.parametrize("time", ["2000-01-01T06:00", "2000-01-01T06:00Z", "2000-01-01T07:00+01:00", "20000101T06"])
def test_files_with_at_in_their_path(folder, name, time):
    state = read_initial(f"{folder}/{name}@{time}", None, TABLE)
    assert state["time"].values == np.datetime64("2000-01-01T06", "ns")


def test_relative_paths(folder):
    here = Path.cwd()
    os.chdir(folder.parent)
    try:
        assert read_initial("me@home/run.nc@2000-01-01T06", None, TABLE)["time"].values == np.datetime64(
            "2000-01-01T06"
        )
    finally:
        os.chdir(here)


def test_a_file_that_is_not_there(folder):
    with pytest.raises(InputError, match=r"me@home/other\.nc: there is no such file"):
        read_initial(f"{folder}/other.nc@2000-01-01", None, TABLE)
    with pytest.raises(InputError, match=r"you@home/run\.nc: there is no such file"):
        read_initial(f"{folder.parent}/you@home/run.nc", None, TABLE)


def test_the_advice_can_be_copied(folder):
    """The message for a file with several times names the file as it was given, with its first time."""
    with pytest.raises(InputError, match="name one, --initial ") as caught:
        read_initial(f"{folder}/run.nc", None, TABLE)
    advice = str(caught.value).split("--initial ")[1]
    assert read_initial(advice, None, TABLE)["time"].values == np.datetime64("2000-01-01")


def test_times_of_another_calendar(tmp_path, mesh):
    """A model of 365 days, in the layout of this package: the dates are those that the user types."""
    data = small_trajectory(mesh, hours=24)
    hours = np.arange(data.sizes["time"]) * 3
    data["time"] = ("time", hours, {"units": "hours since 2000-01-01", "calendar": "NOLEAP"})
    data.to_netcdf(tmp_path / "run.nc")
    state = read_initial(f"{tmp_path}/run.nc@2000-01-01T06", None, TABLE)
    assert state["time"].values == np.datetime64("2000-01-01T06")


def test_a_file_of_ice_without_wind_says_what_is_missing(tmp_path, mesh):
    """The wind is taken from the file of the initial state unless another one is given."""
    data = small_trajectory(mesh, hours=24)
    data.drop_vars([one.name for one in TABLE.forcing if one.name in data]).to_netcdf(tmp_path / "ice.nc")
    with pytest.raises(InputError, match=r"ice\.nc.*: none of tus, huss, uas, vas.*it has s.*--forcing"):
        gg.open_forcing(tmp_path / "ice.nc", mesh)

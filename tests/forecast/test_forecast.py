"""Forecasts on disk: the same numbers as in memory, selected output, batches, errors of the user."""

import logging

import numpy as np
import pytest
import torch
import xarray as xr
from support.examples import small_trajectory
from support.forecasts import DATA, FORECAST, MESH, TABLE, small_model, write

from gensim_graph.data import open_forcing
from gensim_graph.errors import InputError
from gensim_graph.forecast import Ranks, read_initial, steps_of, write_forecast
from gensim_graph.forecast.batches import WorkUnit, bytes_per_cell, choose_batch, split_units, units_of_rank
from gensim_graph.io import mesh_from_dataset
from gensim_graph.nn import PRESETS
from gensim_graph.system import choose_device

MODEL = small_model()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> xr.Dataset:
    """Four members, three steps, in batches of two."""
    return write(MODEL, tmp_path_factory.mktemp("forecast") / "fc.zarr", batch=2)


# What is written


def test_the_store_holds_what_a_forecast_in_memory_gives(whole):
    inside = MODEL.forecast(DATA.isel(time=0), DATA, steps=3, members=4, batch=2)
    for name in FORECAST:
        np.testing.assert_array_equal(whole[name].values, inside[name].values)
        assert whole[name].attrs["units"] == TABLE[name].units
    for name in ("member", "lead_time", "valid_time", "initial_time"):
        np.testing.assert_array_equal(whole[name].values, inside[name].values)
    assert mesh_from_dataset(whole).hash == MESH.hash


def test_several_starts(tmp_path):
    came = write(MODEL, tmp_path / "fc.zarr", initial=DATA.isel(time=[0, 2]), steps=2, members=3, batch=2)
    inside = MODEL.forecast(DATA.isel(time=[0, 2]), DATA, steps=2, members=3, batch=2)
    assert came["sic"].dims == ("start", "member", "lead_time", "face")
    np.testing.assert_array_equal(came["siu"].values, inside["siu"].values)
    np.testing.assert_array_equal(came["valid_time"].values, inside["valid_time"].values)


def test_every_second_state_and_two_variables(tmp_path, whole):
    """The values are those of the complete forecast; the third step is computed, but not written."""
    came = write(MODEL, tmp_path / "fc.zarr", every=2, variables=["sic", "siv"], batch=2, guard=False)
    assert {str(name) for name in came.data_vars if "lead_time" in came[name].dims} == {"sic", "siv"}
    assert (came["lead_time"].values / np.timedelta64(1, "h")).tolist() == [0, 12]
    for name in ("sic", "siv"):
        np.testing.assert_array_equal(came[name].values, whole[name].isel(lead_time=[0, 2]).values)


@pytest.mark.parametrize("batch", [1, 3, "auto"])
def test_members_do_not_depend_on_batches(tmp_path, whole, batch):
    came = write(MODEL, tmp_path / "fc.zarr", batch=batch)
    for name in FORECAST:
        np.testing.assert_allclose(came[name].values, whole[name].values, atol=2e-4)


def test_fewer_members_are_the_first(tmp_path, whole):
    came = write(MODEL, tmp_path / "fc.zarr", members=2, batch=2)
    np.testing.assert_array_equal(came["siu"].values, whole["siu"].values[:2])


def test_long_forecasts_have_few_files(tmp_path):
    """A chunk holds lead times up to a megabyte: one file for a variable, a batch and hundreds of steps."""
    write(MODEL, tmp_path / "fc.zarr", steps=8, members=1)
    assert len([path for path in (tmp_path / "fc.zarr" / "sic" / "c").rglob("*") if path.is_file()]) == 1


def test_a_winter_from_a_day_of_winds(tmp_path):
    """Winds every nine hours, interpolated to steps of six hours and repeated after their last time."""
    sparse = DATA.isel(time=[0, 3, 6, 9])
    forcing = open_forcing(sparse, MESH, TABLE, interpolate=True, repeat=True)
    came = write(MODEL, tmp_path / "fc.zarr", forcing=forcing, steps=20, members=1)
    assert came["valid_time"].values[-1] == np.datetime64("2000-01-06")
    assert np.isfinite(came["siu"].values).all()


def test_low_precision(tmp_path, whole):
    """bfloat16 changes the numbers by no more than its eight bits explain; states stay within their bounds."""
    came = write(small_model().to("cpu", "bf16"), tmp_path / "fc.zarr", steps=1, batch=2)
    difference = (came["siu"] - whole["siu"].isel(lead_time=slice(0, 2))).isel(lead_time=1)
    assert 0 < float(np.abs(difference).max()) < 0.1 * float(whole["siu"].isel(lead_time=1).std())
    assert 0 <= float(came["sic"].min()) <= float(came["sic"].max()) <= 1


# What is refused


@pytest.fixture
def begun(tmp_path):
    """A forecast of two members and two steps."""
    write(MODEL, tmp_path / "fc.zarr", steps=2, members=2)
    return tmp_path / "fc.zarr"


CALM = DATA.assign(uas=0 * DATA["uas"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"members": 3}, "members 2, not 3"),
        ({"every": 2}, "every 1, not 2"),
        ({"variables": ["sic"]}, "variables sit, sic, sid, siu, siv, not sic"),
        ({"initial": DATA.isel(time=1)}, "start 2000-01-01T00:00, not 2000-01-01T03:00"),
        ({"initial": CALM.isel(time=0).assign(sic=0.5 * DATA["sic"][0])}, "another initial state"),
        ({"forcing": CALM}, "another forcing"),
        ({"steps": 1}, "holds 2 steps of this forecast, more than the 1 asked for"),
    ],
)
def test_another_forecast_is_refused_and_not_changed(begun, options, words):
    before = {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"fc\.zarr: ") as error:
        write(MODEL, begun, **({"steps": 2, "members": 2} | options))
    assert words in str(error.value)
    assert before == {path: path.read_bytes() for path in begun.rglob("*") if path.is_file()}


def test_another_model_is_refused(begun):
    with pytest.raises(InputError, match="another model"):
        write(small_model(seed=1), begun, steps=2, members=2)
    with pytest.raises(InputError, match="precision float32, not bf16"):
        write(small_model().to("cpu", "bf16"), begun, steps=2, members=2)


def test_forcing_that_changed_since_the_last_run(begun):
    """The first record is the same, the record of the last step is another."""
    changed = DATA.copy(deep=True)
    changed["uas"][4] += 1
    with pytest.raises(InputError, match="forcing at 2000-01-01T12:00 is not the one that drove this forecast"):
        write(MODEL, begun, forcing=changed, steps=3, members=2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, r"forecast\.steps: expected a number of 1 or more; came 0"),
        ({"members": 0}, r"forecast\.members"),
        ({"every": 0}, r"forecast\.every"),
        ({"seed": -1}, r"forecast\.seed"),
        ({"batch": 0}, r"forecast\.batch"),
        ({"variables": ["sic", "snt"]}, "'snt': this model forecasts sit, sic, sid, siu, siv"),
        ({"steps": 9}, r"forcing: no values at 2000-01-03T06:00.*--repeat-forcing"),
    ],
)
def test_wrong_arguments_leave_nothing_behind(tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        write(MODEL, tmp_path / "fc.zarr", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["fc.nc", "absent/fc.zarr", "mine.zarr"])
def test_paths_that_cannot_be_a_store(tmp_path, name):
    (tmp_path / "mine.zarr").mkdir()
    (tmp_path / "mine.zarr" / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match=name):
        write_forecast(MODEL, DATA.isel(time=0), DATA, tmp_path / name)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine.zarr", "thesis.tex"]


# Continuing a forecast


def test_a_complete_forecast_is_not_touched(begun, monkeypatch):
    monkeypatch.setattr(MODEL, "advance", None)  # nothing is computed
    before = {path: path.stat().st_mtime_ns for path in begun.rglob("*") if path.is_file()}
    write(MODEL, begun, steps=2, members=2)
    assert before == {path: path.stat().st_mtime_ns for path in begun.rglob("*") if path.is_file()}


def test_a_forecast_continues_with_its_first_batch_size(begun, caplog):
    with caplog.at_level(logging.WARNING):
        came = write(MODEL, begun, steps=3, members=2, batch=1)
    assert "batches of 2 members, as it began, not of 1" in caplog.text
    assert came["sic"].encoding["chunks"][0] == 2


# Batches, ranks, devices


@pytest.mark.parametrize(
    ("members", "starts", "cells", "memory", "world", "expected"),
    [
        (64, 1, 10_000, 1e12, 1, 22),  # 26 keep the device busy: three batches of 22
        (64, 1, 10_000, 2 * 4.1 * 10_000 * bytes_per_cell(PRESETS["tiny"]), 1, 4),  # half of the memory fits four
        (64, 1, 10_000, 0, 1, 1),  # no memory is left: one member is tried all the same
        (16, 1, 10_000, 1e12, 4, 4),  # every process gets work
        (16, 4, 10_000, 1e12, 4, 16),  # a start for each
        (5, 1, 10**6, 1e12, 1, 1),
        (1, 1, 100, 1e12, 8, 1),
    ],
)
def test_batches_fit(monkeypatch, members, starts, cells, memory, world, expected):
    monkeypatch.setattr("gensim_graph.forecast.batches.free_memory", lambda device: int(memory))
    assert choose_batch(members, starts, cells, PRESETS["tiny"], CPU, Ranks(0, world)) == expected


@pytest.mark.parametrize("world", [1, 2, 3, 7])
def test_every_member_is_computed_once(world):
    units = split_units(2, 10, 4)
    shares = [units_of_rank(units, Ranks(rank, world)) for rank in range(world)]
    found = sorted((unit.start, member) for share in shares for unit in share for member in unit.members)
    assert found == [(start, member) for start in range(2) for member in range(10)]
    assert WorkUnit(1, range(8, 10)) in units


@pytest.mark.parametrize("name", ["gpu", "cpu:1", "cuda:x", "cuda"])
def test_missing_devices_are_refused(name):
    if name == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(InputError, match=f"--device {name}"):
        choose_device(name)


def test_ten_years_are_7305_half_days():
    assert steps_of(10, np.timedelta64(12, "h")) == 7305
    assert steps_of(1e-6, np.timedelta64(12, "h")) == 1


# The initial state


def test_only_the_requested_times_are_read(tmp_path):
    """Damaged data at other times do no harm."""
    data = small_trajectory(MESH, hours=24)
    data["sic"][5:] = np.nan
    data.to_netcdf(tmp_path / "run.nc")
    one = read_initial(f"{tmp_path}/run.nc@2000-01-01T06", None, TABLE)
    np.testing.assert_array_equal(one["sic"].values, data["sic"].values[2])
    several = read_initial(f"{tmp_path}/run.nc@2000-01-01T06,2000-01-01T00", None, TABLE)
    np.testing.assert_array_equal(several["sic"].values, data["sic"].values[[2, 0]])
    with pytest.raises(InputError, match="sic"):
        read_initial(f"{tmp_path}/run.nc@2000-01-01T15", None, TABLE)


@pytest.mark.parametrize(
    ("times", "words"),
    [
        ("", r"9 times from 2000-01-01T00:00 to 2000-01-02T00:00; name one"),
        ("@2000-02-01", "no state at 2000-02-01T00:00"),
        ("@noon", "expected times such as 2000-01-02T00:00"),
    ],
)
def test_wrong_times_are_refused(tmp_path, times, words):
    small_trajectory(MESH, hours=24).to_netcdf(tmp_path / "run.nc")
    with pytest.raises(InputError, match=words):
        read_initial(f"{tmp_path}/run.nc{times}", None, TABLE)

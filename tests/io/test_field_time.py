"""Times of fields in the forms that programs write: names of dimensions and variables, calendars, units, texts.

Expected dates are written out, or come from cftime.
"""

import contextlib
import re
from pathlib import Path

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, parse_date

NY, NX = 4, 5
N_FACES = NY * NX
FIRST = "2000-01-01T00:00"


def write_grid(path: Path, dims: dict[str, int | None], extra: tuple[str, ...] = ()) -> netCDF4.Dataset:
    """A file with ice and wind on a grid in degrees, on ``dims`` before latitude and longitude, open for writing."""
    content = netCDF4.Dataset(path, "w")
    for name, size in dims.items():
        content.createDimension(name, size)
    for name, values in {"latitude": 70.0 + np.arange(NY), "longitude": 5.0 * np.arange(NX)}.items():
        content.createDimension(name, len(values))
        variable = content.createVariable(name, "f8", (name,))
        variable.units = "degrees_north" if name == "latitude" else "degrees_east"
        variable[:] = values

    rng = np.random.default_rng(0)
    for name, unit in {"sic": "1", "sit": "m", "u10": "m s**-1", "v10": "m s**-1"}.items():
        variable = content.createVariable(name, "f4", (*dims, *extra, "latitude", "longitude"))
        variable.units = unit
        variable[:] = rng.uniform(0.0, 1.0, variable.shape)

    return content


def numbers(content: netCDF4.Dataset, name: str, dims: tuple[str, ...], values: object, **attrs: str) -> None:
    variable = content.createVariable(name, "f8", dims)
    variable.setncatts(attrs)
    variable[:] = values


def characters(
    content: netCDF4.Dataset, name: str, dim: str, texts: list[str], length: int, dim_of_length: str
) -> None:
    content.createDimension(dim_of_length, length)
    variable = content.createVariable(name, "S1", (dim, dim_of_length))
    variable[:] = netCDF4.stringtochar(np.array([text.ljust(length) for text in texts], dtype=f"S{length}"))


def dates(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


# Names: what a program calls the dimension and the variable of its times

DAYS = {"units": "days since 2000-01-01", "calendar": "standard"}
TWO_DAYS = dates("2000-01-01", "2000-01-02")


def climate_data_store(path):
    """ERA5 of the Climate Data Store since September 2024."""
    with write_grid(path, {"valid_time": 2}) as content:
        variable = content.createVariable("valid_time", "i8", ("valid_time",))
        variable.setncatts({"standard_name": "time", "units": "seconds since 1970-01-01"})
        variable[:] = TWO_DAYS.astype("datetime64[s]").astype(int)
        content.createVariable("number", "i8", ())[:] = 0
        content.createVariable("expver", str, ("valid_time",))[:] = np.array(["0001", "0001"], dtype=object)
        for name in ("u10", "v10"):
            content[name].coordinates = "expver number"


def one_member(path):
    """cfgrib with a dimension of one member in front of the times."""
    with write_grid(path, {"number": 1, "time": 2}) as content:
        numbers(content, "time", ("time",), [0, 1], **DAYS, standard_name="time")
        numbers(content, "number", ("number",), [0], standard_name="realization")


def member_between(path):
    """ERA5 with one version, after the times."""
    with write_grid(path, {"time": 2}, extra=()) as content:
        numbers(content, "time", ("time",), [0, 1], **DAYS)
    with xr.open_dataset(path) as ds:
        wider = ds.load()
    for name in ("sic", "sit", "u10", "v10"):
        wider[name] = wider[name].expand_dims("expver", 1)
    wider.assign_coords(expver=[1]).to_netcdf(path)


def forecast_steps(path):
    """A forecast of the Climate Data Store: one start, several steps, the times on both dimensions."""
    with write_grid(path, {"forecast_reference_time": 1, "forecast_period": 2}) as content:
        numbers(content, "forecast_reference_time", ("forecast_reference_time",), [-1], **DAYS,
                standard_name="forecast_reference_time")  # fmt: skip
        numbers(content, "forecast_period", ("forecast_period",), [24, 48], units="hours")
        numbers(content, "valid_time", ("forecast_reference_time", "forecast_period"), [[0, 1]], **DAYS)


def cfgrib_steps(path):
    """The same from cfgrib, with a start that is no dimension."""
    with write_grid(path, {"step": 2}) as content:
        numbers(content, "time", (), -1, **DAYS, standard_name="forecast_reference_time")
        numbers(content, "step", ("step",), [24, 48], units="hours", standard_name="forecast_period")
        numbers(content, "valid_time", ("step",), [0, 1], **DAYS, standard_name="time")


def cfgrib_starts(path):
    """Starts of forecasts along 'time', with one step of a day."""
    with write_grid(path, {"time": 2}) as content:
        numbers(content, "time", ("time",), [-1, 0], **DAYS, standard_name="forecast_reference_time")
        numbers(content, "step", (), 24, units="hours")
        numbers(content, "valid_time", ("time",), [0, 1], **DAYS, standard_name="time")


def nemo(path):
    """NEMO with XIOS: time_counter, with the centre and the bounds of each mean."""
    with write_grid(path, {"time_counter": 2}) as content:
        content.createDimension("axis_nbounds", 2)
        numbers(content, "time_counter", ("time_counter",), [0, 86400], axis="T", standard_name="time",
                units="seconds since 2000-01-01 00:00:00", calendar="gregorian", bounds="time_counter_bounds",
                time_origin="2000-01-01 00:00:00")  # fmt: skip
        numbers(content, "time_counter_bounds", ("time_counter", "axis_nbounds"), [[-43200, 43200], [43200, 129600]])
        numbers(content, "time_centered", ("time_counter",), [43200, 129600], units="seconds since 2000-01-01")


def mpas(path):
    """MPAS: texts with an underscore in 'xtime', and days since year 1 beside them."""
    with write_grid(path, {"Time": None}) as content:
        content["sic"][:2] = content["sit"][:2] = content["u10"][:2] = content["v10"][:2] = 0.5
        characters(content, "xtime", "Time", ["2000-01-01_00:00:00", "2000-01-02_00:00:00"], 64, "StrLen")
        numbers(content, "daysSinceStartOfSim", ("Time",), [0.0, 1.0], units="days since 0000-00-00")


def wrf(path):
    """WRF: texts in 'Times', and minutes in 'XTIME'."""
    with write_grid(path, {"Time": 2}) as content:
        characters(content, "Times", "Time", ["2000-01-01_00:00:00", "2000-01-02_00:00:00"], 19, "DateStrLen")
        numbers(content, "XTIME", ("Time",), [0, 1440], units="minutes since 2000-01-01 00:00:00")


def roms(path):
    """A name of its own, recognised by its units."""
    with write_grid(path, {"ocean_time": 2}) as content:
        numbers(
            content, "ocean_time", ("ocean_time",), [0, 86400], units="seconds since 2000-01-01", field="time, scalar"
        )


def own_name(path):
    """A dimension and a variable with names of their own, recognised by the standard name."""
    with write_grid(path, {"record": 2}) as content:
        numbers(content, "when", ("record",), [0, 1], **DAYS, standard_name="time")


def icon(path):
    """ICON and CDO: the date as a number."""
    with write_grid(path, {"time": 2}) as content:
        numbers(
            content,
            "time",
            ("time",),
            [20000101.0, 20000102.0],
            units="day as %Y%m%d.%f",
            calendar="proleptic_gregorian",
        )


def strings(path):
    """Strings of netCDF-4 with a time zone."""
    with write_grid(path, {"time": 2}) as content:
        values = np.array(["2000-01-01T01:00:00+01:00", "2000-01-02T00:00:00Z"], dtype=object)
        content.createVariable("time", str, ("time",))[:] = values


def capitals(path):
    """Units and calendar in capitals."""
    with write_grid(path, {"TIME": 2}) as content:
        numbers(content, "TIME", ("TIME",), [0, 24], units="HOURS since 2000-01-01 00:00", calendar="GREGORIAN")


PROGRAMS = [climate_data_store, one_member, member_between, forecast_steps, cfgrib_steps, cfgrib_starts, nemo, mpas,
            wrf, roms, own_name, icon, strings, capitals]  # fmt: skip


@pytest.mark.parametrize("write", PROGRAMS, ids=lambda write: write.__name__)
def test_times_under_the_names_of_programs(tmp_path, write):
    write(tmp_path / "field.nc")
    assert gg.load_mesh(tmp_path / "field.nc").n_faces == N_FACES
    store = gg.open_store(tmp_path / "field.nc")
    np.testing.assert_array_equal(store["time"].values, TWO_DAYS)
    with contextlib.closing(gg.open_forcing(tmp_path / "field.nc", mesh_from_dataset(store))) as forcing:
        np.testing.assert_array_equal(forcing.times, TWO_DAYS)
        assert {"uas", "vas"} <= forcing.names


@pytest.mark.parametrize("name", ["time", "valid_time", "time_counter"])
def test_one_record_without_a_dimension(tmp_path, name):
    with write_grid(tmp_path / "field.nc", {}) as content:
        numbers(content, name, (), 1, **DAYS)
    np.testing.assert_array_equal(gg.open_store(tmp_path / "field.nc")["time"].values, TWO_DAYS[1:])


@pytest.mark.parametrize(
    ("dims", "words"),
    [
        ({"expver": 2, "time": 2}, r"'expver'.*combine_first"),
        ({"time": 2, "valid_time": 3}, r"'time' \(2\) and 'valid_time' \(3\)"),
    ],
)
def test_parts_of_one_trajectory_are_named(tmp_path, dims, words):
    with write_grid(tmp_path / "field.nc", dims) as content:
        for name in {"time", "valid_time"} & set(dims):
            numbers(content, name, (name,), np.arange(dims[name]), **DAYS)
    with pytest.raises(InputError, match=words):
        gg.open_store(tmp_path / "field.nc")


def test_steps_without_times_are_refused(tmp_path):
    with write_grid(tmp_path / "field.nc", {"step": 2}) as content:
        numbers(content, "time", (), 0, **DAYS, standard_name="forecast_reference_time")
        numbers(content, "step", ("step",), [24, 48], units="hours")
    with pytest.raises(InputError, match=r"along 'step' \(2\).*valid_time"):
        gg.open_store(tmp_path / "field.nc")


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ([[0, 1], [1, 2]], "means over 24 h; their times, kept as in the file, are the beginning"),
        ([[-1, 0], [0, 1]], "means over 24 h; their times, kept as in the file, are the end"),
        ([[-0.5, 0.5], [0.5, 1.5]], "means over 24 h; their times, kept as in the file, lie inside"),
    ],
)
def test_the_times_of_means_stay_and_are_said(tmp_path, caplog, bounds, words):
    with write_grid(tmp_path / "field.nc", {"time": 2}) as content:
        content.createDimension("nv", 2)
        numbers(content, "time", ("time",), [0, 1], **DAYS, bounds="time_bnds")
        numbers(content, "time_bnds", ("time", "nv"), bounds)
    caplog.set_level("INFO")
    np.testing.assert_array_equal(gg.open_store(tmp_path / "field.nc")["time"].values, TWO_DAYS)
    assert words in caplog.text


# Calendars and units


def with_times(path: Path, values: list[float], **attrs: str) -> Path:
    with write_grid(path, {"time": len(values)}) as content:
        numbers(content, "time", ("time",), values, **attrs)
    return path


EXACT = [
    ([0, 1], {"units": "days since 2000-01-01", "calendar": "noleap"}, ["2000-01-01", "2000-01-02"]),
    ([58, 59], {"units": "days since 2000-01-01", "calendar": "365_day"}, ["2000-02-28", "2000-03-01"]),
    ([0, 1], {"units": "days since 2000-02-29", "calendar": "all_leap"}, ["2000-02-29", "2000-03-01"]),
    ([0, 366], {"units": "days since 2000-01-01", "calendar": "366_day"}, ["2000-01-01", "2001-01-01"]),
    ([14.5, 44.5], {"units": "days since 2000-01-01", "calendar": "360_day"}, ["2000-01-15T12", "2000-02-15T12"]),
    ([0, 86400], {"units": "seconds since 2000-06-01", "calendar": "THIRTY_DAY_MONTHS"}, ["2000-06-01", "2000-06-02"]),
    ([0.25, 1.25], {"units": "days since 1950-01-01", "calendar": "NOLEAP"}, ["1950-01-01T06", "1950-01-02T06"]),
    ([0, 24], {"units": "hours since 2000-01-01", "calendar": "julian"}, ["2000-01-01", "2000-01-02"]),
    ([0, 24], {"units": "hours since 2000-01-01", "calendar": "JULIAN"}, ["2000-01-01", "2000-01-02"]),
    ([0, 1], {"units": "days since 2000-01-01", "calendar": ""}, ["2000-01-01", "2000-01-02"]),
    ([730500, 730501], {"units": "days since 0001-01-01", "calendar": "noleap"}, ["2002-05-16", "2002-05-17"]),
    ([0, 1], {"units": "days since 2000-01-01", "calendar": "proleptic_gregorian"}, ["2000-01-01", "2000-01-02"]),
    ([0, 1, 14], {"units": "months since 1979-01-01"}, ["1979-01-01", "1979-02-01", "1980-03-01"]),
    ([1, 2], {"units": "month since 2000-01-15 12:00:00"}, ["2000-02-15T12", "2000-03-15T12"]),
    ([-1, 0], {"units": "months since 2000-01-01", "calendar": "noleap"}, ["1999-12-01", "2000-01-01"]),
    ([0.5, 1.5], {"units": "months since 2000-01-01", "calendar": "360_day"}, ["2000-01-16", "2000-02-16"]),
    ([10, 11], {"units": "years since 1990-07-01"}, ["2000-07-01", "2001-07-01"]),
    ([0, 0.5], {"units": "years since 2000-01-01"}, ["2000-01-01", "2000-07-01"]),
    ([1, 2], {"units": "years since 2000-01-01", "calendar": "360_day"}, ["2001-01-01", "2002-01-01"]),
    ([20000131.25, 20000201.5], {"units": "day as %Y%m%d.%f"}, ["2000-01-31T06", "2000-02-01T12"]),
    ([876576, 876600], {"units": "hours since 1900-01-01 00:00:0.0"}, ["2000-01-01", "2000-01-02"]),
    ([1 / 24, 5 / 24], {"units": "days since 2000-01-01"}, ["2000-01-01T01", "2000-01-01T05"]),
    ([0, 1], {"units": "d since 2000-01-01T00:00:00Z"}, ["2000-01-01", "2000-01-02"]),
]  # fmt: skip


@pytest.mark.parametrize(("values", "attrs", "expected"), EXACT)
def test_calendars_that_are_converted(tmp_path, values, attrs, expected):
    """The mesh needs no dates; fields and winds get them."""
    path = with_times(tmp_path / "field.nc", values, **attrs)
    assert gg.load_mesh(path).n_faces == N_FACES
    store = gg.open_store(path)
    np.testing.assert_array_equal(store["time"].values, dates(*expected))
    with contextlib.closing(gg.open_forcing(path, mesh_from_dataset(store))) as forcing:
        np.testing.assert_array_equal(forcing.times, dates(*expected))


REFUSED = [
    ([58, 59], {"units": "days since 2000-01-01", "calendar": "360_day"}, "whose 2000-02-30 .*convert_calendar"),
    ([58, 59], {"units": "days since 2000-01-01", "calendar": "THIRTY_DAY_MONTHS"}, "'360_day', whose 2000-02-30"),
    ([59, 60], {"units": "days since 1999-01-01", "calendar": "all_leap"}, "'all_leap', whose 1999-02-29"),
    ([0, 1], {"units": "days since 1900-02-29", "calendar": "julian"}, "'julian', whose 1900-02-29"),
    ([0, 1], {"units": "days since 0001-01-01", "calendar": "noleap"}, "date 0001-01-01.*cdo shifttime"),
    ([0, 1], {"units": "days since 2500-01-01", "calendar": "standard"}, "2500-01-01.*1678 to 2261"),
    ([0.5, 1.5], {"units": "months since 2000-01-01"}, "counts 0.5 months since .*no fixed length"),
    ([0, 1.3], {"units": "years since 2000-01-01"}, "no fixed length"),
    ([0, 1], {"units": "months since 2000-01-31"}, "not every month has a day 31"),
    ([0, 1], {"units": "days since 0000-00-00"}, "no dates in 'days since 0000-00-00'"),
    ([0, 1], {"units": "months since 0000-00-00"}, "counts from '0000-00-00'"),
    ([0, 1], {"units": "days since 2000-01-01", "calendar": "martian"}, "calendar 'martian'; known are standard"),
    ([0, 1], {"units": "days since 2000-01-01", "calendar": "none"}, "calendar 'none'"),
    ([0, 1], {"units": "fortnights since 2000-01-01"}, "no dates in 'fortnights since"),
    ([20000230.0, 20000301.0], {"units": "day as %Y%m%d.%f"}, "no time: the calendar has no 2000-02-30"),
    ([0, 1], {"units": "days"}, "no calendar dates"),
    ([0, 1], {}, "no calendar dates"),
    ([0, np.nan], {"units": "days since 2000-01-01"}, "without a time"),
]  # fmt: skip


@pytest.mark.parametrize(("values", "attrs", "words"), REFUSED)
def test_times_that_are_refused_by_name(tmp_path, values, attrs, words):
    """The mesh is read all the same, and nothing is called damaged."""
    path = with_times(tmp_path / "field.nc", values, **attrs)
    mesh = gg.load_mesh(path)
    assert mesh.n_faces == N_FACES
    for read in (gg.open_store, lambda file: gg.open_forcing(file, mesh)):
        with pytest.raises(InputError, match=f"'time' .*{words}") as caught:
            read(path)
        assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("calendar", ["noleap", "all_leap", "360_day", "julian", "standard"])
def test_every_calendar_of_cftime_in_memory(tmp_path, calendar):
    """Datasets whose times are objects of cftime, and files of the same times, agree."""
    path = with_times(tmp_path / "field.nc", [0, 1.5], units="days since 2001-05-01", calendar=calendar)
    with xr.open_dataset(path, decode_times=xr.coders.CFDatetimeCoder(use_cftime=True)) as ds:
        assert isinstance(ds["time"].values[0], cftime.datetime)
        np.testing.assert_array_equal(gg.open_store(ds)["time"].values, gg.open_store(path)["time"].values)


@pytest.mark.parametrize(
    ("calendar", "said"),
    [("noleap", "noleap"), ("THIRTY_DAY_MONTHS", "360_day"), ("JULIAN", "julian"), ("360_day", "360_day")],
)
def test_another_calendar_is_said(tmp_path, caplog, calendar, said):
    gg.open_store(with_times(tmp_path / "field.nc", [0, 1], units="days since 2000-01-01", calendar=calendar))
    assert f"'time' is in the calendar '{said}'" in caplog.text


def test_variables_that_nobody_needs_may_have_any_times(tmp_path):
    path = with_times(tmp_path / "field.nc", [0, 1], **DAYS)
    with netCDF4.Dataset(path, "a") as content:
        numbers(content, "start_of_run", (), 0, units="days since 0000-00-00")
        numbers(content, "age", ("time", "latitude", "longitude"), 1.0, units="months since formation")
        numbers(content, "average_DT", ("time",), [1, 1], units="days")
    np.testing.assert_array_equal(gg.open_store(path)["time"].values, TWO_DAYS)


def test_fields_on_a_mesh_with_times_of_another_name(tmp_path):
    """The layout of this package, with the times of a model of 365 days."""
    store = gg.open_store(with_times(tmp_path / "field.nc", [0, 1], **DAYS))
    store = store.rename_dims(time="valid_time").drop_vars("time")
    store["valid_time"] = ("valid_time", [0, 1], {"units": "days since 2000-01-01", "calendar": "noleap"})
    store.to_netcdf(tmp_path / "own.nc")
    np.testing.assert_array_equal(gg.open_store(tmp_path / "own.nc")["time"].values, TWO_DAYS)
    with contextlib.closing(gg.open_forcing(tmp_path / "own.nc", gg.load_mesh(tmp_path / "own.nc"))) as forcing:
        np.testing.assert_array_equal(forcing.times, TWO_DAYS)


# Texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2000-01-02T00:00", "2000-01-02"),
        ("2000-01-02T06", "2000-01-02T06"),
        ("2000-01-02 06:30:15.5", "2000-01-02T06:30:15.5"),
        ("2000-01-02_06:00:00", "2000-01-02T06"),
        ("2000-01-02T06:00Z", "2000-01-02T06"),
        ("2000-01-02t06:00z", "2000-01-02T06"),
        ("2000-01-02T00:30+01:00", "2000-01-01T23:30"),
        ("2000-01-02T00:30-0330", "2000-01-02T04"),
        ("2000-01-02 06:00:00 UTC", "2000-01-02T06"),
        ("20000102", "2000-01-02"),
        ("20000102T0630", "2000-01-02T06:30"),
        ("2000010206", "2000-01-02T06"),
        ("2000-01", "2000-01-01"),
        ("2000", "2000-01-01"),
    ],
)
def test_texts_of_times(text, expected):
    assert parse_date(text) == np.datetime64(expected, "ns")


@pytest.mark.parametrize(
    "text", ["", "noon", "2000-02-30", "2000-13-01", "200001", "0000-01-01", "2000-01-01T25", "2000-01-01T00:00+1", "1"]
)
def test_texts_that_are_no_times(text):
    with pytest.raises(InputError, match=f"'{re.escape(text)}'"):
        parse_date(text)

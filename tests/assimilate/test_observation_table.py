"""Tables of observations: units, periods, windows, thinning, super-observations, files, wrong input."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from pyproj import Geod
from support.products import arctic_mesh, hours, write_cs2smos, write_drift, write_nsidc, write_osisaf

import gensim_graph as gg

NOON = "2020-03-01T12:00"


def table(**columns: object) -> pd.DataFrame:
    """Two observations of concentration, with some columns changed."""
    start = {"variable": ["sic", "sic"], "x": [1e3, 9e3], "y": [2e3, 2e3], "time": NOON, "value": [0.9, 0.8]}
    return pd.DataFrame(start | {"error": 0.05} | columns)


def test_units_become_those_of_the_variable_table():
    """Per cent, cm/s and feet by hand; errors are scaled, and not shifted."""
    mixed = table(
        variable=["sic", "siu", "sit"], x=[0.0, 1.0, 2.0], y=0.0, value=[85.0, -30.0, 10.0], error=[5.0, 2.0, 1.0],
        units=["%", "cm/s", "ft"],
    )  # fmt: skip
    rows = gg.Observations.from_table(mixed).rows
    np.testing.assert_allclose(rows["value"], [0.85, -0.3, 3.048])
    np.testing.assert_allclose(rows["error"], [0.05, 0.02, 0.3048])


def test_masked_values_are_left_out_and_times_read():
    observed = gg.Observations.from_table(table(value=[np.nan, 0.8], time=["2020-03-01", "20200301T12"]))
    assert len(observed) == 1
    assert observed.moments[0] == np.datetime64(NOON)
    zoned = table(time=pd.to_datetime([f"{NOON}+01:00"] * 2))
    assert gg.Observations.from_table(zoned).moments[0] == np.datetime64("2020-03-01T11")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"variable": ["sic", "ice"]}, "unknown variable 'ice'.*sit, sic"),
        ({"variable": ["sic", "uas"]}, "unknown variable 'uas'"),
        ({"error": [0.05, 0.0]}, "observation 1: the error is 0; expected a standard deviation above 0"),
        ({"error": [-0.05, 0.1]}, "observation 0: the error is -0.05"),
        ({"error": [np.nan, 0.1]}, "observation 0: the error is nan"),
        ({"units": "kg"}, "'sic' are in 'kg'; expected a unit that converts to '1'"),
        ({"value": [90.0, 80.0], "error": 5.0}, "run from 80 to 90; expected.*column 'units'"),
        ({"time": [NOON, None]}, "observation 1: no time"),
        ({"time": [0.5, 1.0]}, "holds numbers such as 0.5; expected times"),
        ({"time": [NOON, "noon"]}, "noon"),
        ({"start": "2020-03-02"}, "the period starts after its end"),
        ({"value": np.nan}, "all 2 values are missing"),
        ({"value": "much"}, "column 'value' of the observations: expected numbers"),
        ({"x": np.nan}, "no place"),
        ({"footprint": -1.0}, "footprint"),
    ],
)
def test_wrong_input_is_told_in_words(columns: dict, message: str):
    with pytest.raises(gg.InputError, match=message):
        gg.Observations.from_table(table(**columns))


def test_missing_columns():
    with pytest.raises(gg.InputError, match=r"needs columns error; it has.*error=\{'sic': 0.05\}"):
        gg.Observations.from_table(table().drop(columns="error"))
    with pytest.raises(gg.InputError, match="needs columns time, x and y"):
        gg.Observations.from_table(table().drop(columns=["time", "x"]))


def test_constant_errors_fill_the_gaps():
    gaps = table(error=[np.nan, 0.1])
    assert gg.Observations.from_table(gaps, error={"sic": 0.02}).rows["error"].tolist() == [0.02, 0.1]
    assert gg.Observations.from_table(table().drop(columns="error"), error=0.03).rows["error"].tolist() == [0.03, 0.03]


def test_adjacent_windows_share_nothing():
    """A mean over a period belongs to the window with its middle; every observation is in one of four windows."""
    start = [pd.NaT, pd.Timestamp("2020-02-29T12")]
    observed = gg.Observations.from_table(table(start=start))
    assert observed.moments.tolist() == [pd.Timestamp(NOON).value, pd.Timestamp("2020-03-01").value]

    edges = np.datetime64("2020-02-29T12") + np.arange(5) * np.timedelta64(12, "h")
    counts = [len(observed.window(*edge)) for edge in pairwise(edges)]
    assert counts == [1, 1, 0, 0]
    assert repr(observed.window(edges[3], edges[4])) == "Observations(none)"
    assert repr(observed) == "Observations(2: sic 2; 2020-03-01T00:00 to 2020-03-01T12:00)"


def test_thinning_keeps_the_best_and_no_near_pair():
    generator = np.random.default_rng(0)
    places = generator.uniform(0, 100e3, (2, 300))
    raw = pd.DataFrame({"variable": "sic", "x": places[0], "y": places[1], "time": NOON, "value": 0.5})
    observed = gg.Observations.from_table(raw.assign(error=generator.uniform(0.01, 0.1, 300)))
    kept = observed.thinned(15e3).rows

    everything, few = (rows[["x", "y", "error"]].to_numpy() for rows in (observed.rows, kept))
    among = np.hypot(*(np.subtract.outer(few[:, axis], few[:, axis]) for axis in (0, 1)))
    assert (among + 1e9 * np.eye(len(few))).min() >= 15e3
    to_kept = np.hypot(*(np.subtract.outer(everything[:, axis], few[:, axis]) for axis in (0, 1)))
    better = few[:, 2] <= everything[:, 2:]
    assert ((to_kept < 15e3) & better).any(axis=1).all()  # what was left out has a better one near


def test_thinning_on_the_globe_and_by_variable():
    """At 80 degrees north, 1 degree of longitude is 19 km."""
    raw = pd.DataFrame({"variable": ["siu", "siu", "siv"], "lon": [0.0, 1.0, 0.0], "lat": 80.0, "value": 0.1})
    observed = gg.Observations.from_table(raw.assign(time=NOON, error=0.01))
    assert observed.thinned(18e3).counts == {"siu": 2, "siv": 1}
    assert observed.thinned(20e3).counts == {"siu": 1, "siv": 1}


def test_super_observations_by_hand(square_grid: gg.Mesh):
    """Two observations in a cell: weights 4 : 1 for errors 0.1 and 0.2; one outside stays."""
    raw = table(
        variable=["sic", "sic", "sit", "sic"], x=[1e3, 2e3, 1e3, -9e9], y=1e3, value=[0.5, 1.0, 2.0, 0.1],
        error=[0.1, 0.2, 0.1, 0.1],
    )  # fmt: skip
    observed = gg.Observations.from_table(raw)
    means = observed.averaged(square_grid).rows
    first = means[(means["variable"] == "sic") & (means["x"] > 0)].iloc[0]
    np.testing.assert_allclose([first["value"], first["x"]], [0.6, 1.2e3])
    np.testing.assert_allclose(first["error"], (1 / (1 / 0.01 + 1 / 0.04)) ** 0.5)
    assert len(means) == 3

    common = observed.averaged(square_grid, correlation=1.0).rows
    np.testing.assert_allclose(common.loc[common["variable"] == "sic", "error"].max(), 0.8 * 0.1 + 0.2 * 0.2)
    with pytest.raises(gg.InputError, match="from 0 to 1"):
        observed.averaged(square_grid, correlation=2.0)


def test_super_observations_on_the_globe():
    mesh = arctic_mesh()
    raw = pd.DataFrame({"variable": "siu", "lon": [75.0, 75.1], "lat": 87.0, "value": [0.1, 0.3], "error": 0.1})
    mean = gg.Observations.from_table(raw.assign(time=NOON)).averaged(mesh)
    np.testing.assert_allclose(mean.rows[["lon", "lat", "value"]].to_numpy()[0], [75.05, 87.0, 0.2], rtol=1e-6)


@pytest.mark.parametrize("suffix", ["csv", "nc", "zarr"])
def test_files_keep_everything(tmp_path: Path, suffix: str):
    raw = table(start=[pd.NaT, pd.Timestamp("2020-02-28")], footprint=[0.0, 25e3], variable=["sic", "siu"])
    observed, path = gg.Observations.from_table(raw), tmp_path / f"observed.{suffix}"
    match suffix:
        case "csv":
            observed.rows.to_csv(path, index=False)
        case "nc":
            observed.to_dataset().to_netcdf(path)
        case "zarr":
            observed.to_dataset().to_zarr(path)

    again = gg.Observations.read(str(tmp_path / "observed.*"))
    pd.testing.assert_frame_equal(again.rows, observed.rows, check_dtype=False)
    twice = gg.Observations.read([path, path])
    assert len(twice) == 4


def test_lengths_of_datasets_in_km():
    ds = gg.Observations.from_table(table(footprint=25.0)).to_dataset()
    ds["footprint"].attrs["units"] = "km"
    assert gg.Observations.from_dataset(ds).rows["footprint"].tolist() == [25e3, 25e3]
    with pytest.raises(gg.InputError, match="'x' is in 'kg'; expected a length"):
        gg.Observations.from_dataset(ds.assign(x=ds["x"].assign_attrs(units="kg")))
    with pytest.raises(gg.InputError, match="expected one, such as obs"):
        gg.Observations.from_dataset(ds.expand_dims(two=2))


def test_wrong_files(tmp_path: Path):
    (tmp_path / "text.nc").write_text("no data")
    for name in ("text.nc", "none.csv"):
        with pytest.raises(gg.InputError, match=name):
            gg.Observations.read(tmp_path / name)
    (tmp_path / "bad.csv").write_text('a,b\n1,2,3,4\n"')
    with pytest.raises(gg.InputError, match=r"bad\.csv"):
        gg.Observations.read(tmp_path / "bad.csv")
    with pytest.raises(gg.InputError, match="give the mesh"):
        gg.Observations.from_dataset(xr.Dataset({"sic": (("time", "y", "x"), np.zeros((1, 2, 2)))}))


def test_gridded_concentration(tmp_path: Path):
    """Each cell of the product that has a value and lies near the mesh is an observation, in its unit and error."""
    mesh = arctic_mesh()
    seen = lambda x, y: np.where(y > 100e3, 50.0, np.nan)  # noqa: E731
    path = write_osisaf(tmp_path / "ice_conc.nc", seen, [hours(0), hours(24)])
    observed = gg.Observations.read(path, mesh=mesh)
    rows = observed.rows
    np.testing.assert_allclose(rows["value"], 0.5, atol=1e-6)
    np.testing.assert_allclose(rows["error"], 0.03, atol=1e-6)
    np.testing.assert_allclose(rows["footprint"], 25e3, rtol=0.15)  # between two planes
    assert set(observed.moments) == {hours(12)}
    assert set(rows["start"]) == {pd.Timestamp(hours(0))}


def test_gridded_products_without_errors(tmp_path: Path):
    mesh = arctic_mesh()
    path = write_nsidc(tmp_path / "nsidc.nc", lambda x, y: np.full(np.shape(x), 0.4), [hours(0)])
    with pytest.raises(gg.InputError, match="gives no errors of 'sic'; give one, error="):
        gg.Observations.read(path, mesh=mesh)
    rows = gg.Observations.read(path, mesh=mesh, error={"sic": 0.1}).rows
    assert set(rows["error"]) == {0.1}


def test_thickness_over_the_ice_alone_is_refused(tmp_path: Path):
    mesh = arctic_mesh()
    field = lambda x, y: np.full(np.shape(x), 2.0)  # noqa: E731
    alone = write_cs2smos(tmp_path / "alone.nc", field, None, [hours(0), hours(24)])
    with pytest.raises(gg.InputError, match="ice alone"):
        gg.Observations.read(alone, mesh=mesh, error=0.2)


def test_displacements_become_mean_velocities(tmp_path: Path):
    """A displacement of 0.1 degrees to the north over two days: length by geodesy, direction towards the pole."""
    mesh = arctic_mesh()
    north = lambda lon, lat: (lon, lat + 0.1)  # noqa: E731
    path = write_drift(tmp_path / "drift.nc", north, [hours(0), hours(48)])
    rows = gg.Observations.read(path, mesh=mesh).rows
    assert set(rows["time"] - rows["start"]) == {pd.Timedelta("48h")}
    np.testing.assert_allclose(rows["error"], 2000.0 / (48 * 3600.0), rtol=1e-5)

    u, v = (rows[rows["variable"] == name] for name in ("siu", "siv"))
    speed = np.hypot(u["value"].to_numpy(), v["value"].to_numpy())
    metres = Geod(ellps="WGS84").inv(0.0, 88.0, 0.0, 88.1)[2]
    np.testing.assert_allclose(speed * 48 * 3600.0, metres, rtol=1e-3)
    to_pole = -(u["x"].to_numpy() * u["value"].to_numpy() + v["y"].to_numpy() * v["value"].to_numpy())
    np.testing.assert_allclose(to_pole, speed * np.hypot(u["x"], u["y"]), rtol=1e-4)

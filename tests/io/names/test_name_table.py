"""Names that users give: in a file of their own, and in the rows of their variable table."""

import dataclasses
import json
import logging
import os
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import gensim_graph as gg
from gensim_graph.errors import InputError
from gensim_graph.io import mesh_from_dataset, open_store
from gensim_graph.io.names import known_names, reading, variables_to_read

SHAPE = (3, 6, 8)
DIMS = ("time", "lat", "lon")


def grid(**fields: dict) -> xr.Dataset:
    """Fields from 0.05 to 0.95 on longitudes and latitudes; name -> attributes."""
    rng = np.random.default_rng(0)
    times = np.datetime64("2010-01-01", "ns") + np.arange(3) * np.timedelta64(6, "h")
    lon = ("lon", np.arange(8) * 2.0, {"units": "degrees_east"})
    lat = ("lat", np.arange(6) + 70.5, {"units": "degrees_north"})
    ds = xr.Dataset(coords={"time": times, "lat": lat, "lon": lon})
    return ds.assign({name: (DIMS, rng.uniform(0.05, 0.95, SHAPE), attrs) for name, attrs in fields.items()})


def own_file(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch, name: str = "my_names.yaml") -> Path:
    (folder / name).write_text(text)
    monkeypatch.setenv("GENSIM_GRAPH_NAMES", str(folder / name))
    return folder / name


def read(store: xr.Dataset) -> set[str]:
    return {str(name) for name in store.data_vars if "time" in store[name].dims}


def test_a_file_of_names(tmp_path, monkeypatch):
    """Files that were not readable before are, with names, thickness over the ice and standard names of one's own."""
    ds = grid(
        my_conc={"units": "1"}, my_floes={"units": "cm"}, depth={"units": "m", "standard_name": "my_snow_standard"}
    )
    ds["my_floes"] *= 100.0
    with pytest.raises(InputError, match="GENSIM_GRAPH_NAMES"):
        open_store(ds)
    text = "sic: {names: [my_conc]}\nsit: {over_ice: [my_floes]}\nsnt: {standard_names: [my_snow_standard]}\n"
    own_file(tmp_path, text, monkeypatch)
    # a snow depth of unclear mean is read by its standard name only if it says what its mean is over
    ds["depth"].attrs["cell_methods"] = "area: mean where sea"
    store = open_store(ds)
    assert read(store) == {"sic", "sit", "snt"}
    expected = ds["my_conc"].values * ds["my_floes"].values / 100.0
    np.testing.assert_allclose(store["sit"].values.ravel(), expected.ravel(), rtol=1e-6)


def test_a_name_of_the_user_wins(tmp_path, monkeypatch, caplog):
    """Before a name that ships, and even before that of the other group, with which the file would be refused."""
    ds = grid(aice={"units": "1"}, siconc={"units": "1"}, my_conc={"units": "1"})
    with pytest.raises(InputError, match="are both 'sic'"):
        open_store(ds)
    own_file(tmp_path, "sic: {names: [my_conc]}", monkeypatch)
    with caplog.at_level(logging.WARNING):
        store = open_store(ds)
    np.testing.assert_allclose(store["sic"].values.ravel(), ds["my_conc"].values.ravel(), rtol=1e-6)
    assert "in place of which 'my_conc' is read" in caplog.text


def test_several_files_and_a_change_of_one(tmp_path, monkeypatch):
    """A file that is edited in another window holds at the next call."""
    ds = grid(first={"units": "1"}, second={"units": "m"})
    one = own_file(tmp_path, "sic: {names: [first]}", monkeypatch, "one.yaml")
    two = own_file(tmp_path, "sit: {names: [other]}", monkeypatch, "two.yaml")
    monkeypatch.setenv("GENSIM_GRAPH_NAMES", f"{one}{os.pathsep}{two}")
    assert known_names(ds) == {"first"}
    two.write_text("sit: {names: [second]}")
    os.utime(two, ns=(1, 1))
    assert read(open_store(ds)) == {"sic", "sit"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sic: {name: [a]}", "my_names.yaml, row 'sic': unknown key 'name'; expected names, over_ice, standard_names"),
        ("sic: [a]", "row 'sic': expected the keys"),
        ("sic: {names: a}", "'names' needs a list of names"),
        ("sic: {names: [1]}", "'names' needs a list of names"),
        ("- sic", "expected rows such as 'sic:"),
        ("", "expected rows such as 'sic:"),
        ("sic: {names: [a", "my_names.yaml: cannot be read as YAML"),
    ],
)
def test_a_wrong_file_of_names(text, message, tmp_path, monkeypatch):
    own_file(tmp_path, text, monkeypatch)
    with pytest.raises(InputError, match=message):
        open_store(grid(siconc={"units": "1"}))


def test_a_file_of_names_that_is_not_there(monkeypatch):
    monkeypatch.setenv("GENSIM_GRAPH_NAMES", "absent.yaml")
    with pytest.raises(InputError, match=r"absent\.yaml: cannot be read \(No such file or directory\); GENSIM_GRAPH"):
        open_store(grid(siconc={"units": "1"}))


def test_a_row_without_a_variable_is_said(tmp_path, monkeypatch, caplog):
    own_file(tmp_path, "sci: {names: [my_conc]}", monkeypatch)
    open_store(grid(siconc={"units": "1"}))
    assert "'sci' is no variable of the table" in caplog.text


# Rows of a variable table


def ridges(**more) -> gg.VariableTable:
    ridge = gg.Variable("ridge", "state", "1", lower=0.0, upper=1.0, range=(-0.001, 1.001), **more)
    return gg.VariableTable((*gg.default_variables().variables, ridge))


@pytest.mark.parametrize(
    ("row", "name", "attrs"),
    [
        ({}, "ridge", {"units": "1"}),
        ({"names": ["ridged_share"]}, "ridged_share", {"units": "%"}),
        ({"names": [["best", "ridged_share"]]}, "ridged_share", {"units": "1"}),
        ({"standard_name": "ridged_fraction"}, "x7", {"units": "1", "standard_name": "ridged_fraction"}),
        ({"standard_names": ["ridged_fraction"]}, "x7", {"units": "1", "standard_name": "ridged_fraction"}),
    ],
)
def test_an_own_variable_in_a_file_of_another_program(row, name, attrs, tmp_path):
    """By its own name, by names and standard names in its row; units are converted as for the variables that ship."""
    ds = grid(siconc={"units": "1"}, **{name: attrs})
    ds[name] = ds[name].copy(data=ds[name].values * (100.0 if attrs["units"] == "%" else 1.0))
    ds.to_netcdf(tmp_path / "run.nc")
    store = open_store(tmp_path / "run.nc", variables=ridges(**row))
    factor = 0.01 if attrs["units"] == "%" else 1.0
    np.testing.assert_allclose(store["ridge"].values.ravel(), factor * ds[name].values.ravel(), rtol=1e-6)
    assert read(open_store(tmp_path / "run.nc")) == {"sic"}


def test_an_own_forcing_is_read_record_by_record(tmp_path):
    """Wind and the own variable, on another grid than the mesh of the file."""
    wave = gg.Variable("wave", "forcing", "m", range=(0.0, 30.0), names=("swh",))
    table = gg.VariableTable((*gg.default_variables().variables, wave))
    ds = grid(u10={"units": "m s**-1"}, v10={"units": "m s**-1"}, swh={"units": "cm"})
    mesh = mesh_from_dataset(open_store(ds, needs="forcing"))
    ds.to_netcdf(tmp_path / "waves.nc")
    with closing(gg.open_forcing(tmp_path / "waves.nc", mesh, table)) as forcing:
        values = forcing.values_at(ds["time"].values[1])["wave"]
    np.testing.assert_allclose(np.sort(values), np.sort(ds["swh"].values[1].ravel() / 100.0), rtol=1e-5)


def test_a_name_for_a_variable_that_ships():
    """The row of the table is enough; the names that ship still hold."""
    rows = gg.default_variables().to_dict()
    rows["sic"]["names"] = ["my_conc"]
    table = gg.VariableTable.from_dict(rows)
    assert read(open_store(grid(my_conc={"units": "1"}), variables=table)) == {"sic"}
    assert read(open_store(grid(siconc={"units": "1"}), variables=table)) == {"sic"}


def test_names_survive_saving():
    """A table is saved as JSON with the model."""
    table = ridges(names=("a", ("b", "c")), over_ice=("d",), standard_names=("e",))
    assert gg.VariableTable.from_dict(json.loads(json.dumps(table.to_dict()))) == table
    plain = gg.default_variables().to_dict()
    assert not any({"names", "over_ice", "standard_names"} & set(row) for row in plain.values())


def test_a_copied_row_does_not_take_the_standard_name_of_another():
    """A row made from that of the thickness keeps its standard name, which is that of the thickness."""
    copied = dataclasses.replace(gg.default_variables()["sit"], name="ridge")
    table = gg.VariableTable((*gg.default_variables().variables, copied))
    ds = grid(siconc={"units": "1"}, hi={"units": "m", "standard_name": "sea_ice_thickness"})
    assert read(open_store(ds, variables=table)) == {"sic", "sit"}


def test_names_must_be_lists():
    with pytest.raises(InputError, match=r"'names' needs a list of names, such as \['swh'\]"):
        gg.Variable("wave", "forcing", "m", names="swh")  # type: ignore[arg-type]


def test_a_table_holds_while_it_reads_only():
    with reading(ridges()):
        assert variables_to_read()[-1].name == "ridge"
    assert variables_to_read() == gg.default_variables().variables

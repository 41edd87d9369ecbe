"""Sources of a store: gaps in time and in the values, files that differ, and the command line."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr
from support.examples import small_trajectory
from support.grids import gensim_store
from support.meshes import jittered_box
from support.places import NEXTSIM

from gensim_graph.config import compose_config
from gensim_graph.data import PreparedTrajectories, Trajectories, prepare, statistics_of
from gensim_graph.data.prepared import describe_store, estimate_preparation, record_layout
from gensim_graph.data.prepared.source_runs import SourcePiece, join_runs
from gensim_graph.errors import InputError
from gensim_graph.io import load_mesh, open_store
from gensim_graph.train import plan_training
from gensim_graph.variables import VariableTable, default_variables

MESH = jittered_box(6)
TABLE = default_variables()
LEAD = np.timedelta64(6, "h")
STEP = np.timedelta64(3, "h")
OPTIONS = {"lead_times": [LEAD], "progress": False}


def opened(path: Path) -> PreparedTrajectories:
    return PreparedTrajectories.open(path, TABLE, LEAD)


@pytest.fixture
def whole() -> xr.Dataset:
    return small_trajectory(MESH, hours=48)


# Gaps


def test_missing_values_are_named_by_time_and_variable(whole, tmp_path):
    whole["sic"][7, 3] = np.nan
    whole.to_netcdf(tmp_path / "ice.nc")
    with pytest.raises(InputError, match=r"ice.nc at 2000-01-01T21:00: 'sic' is missing .*--skip-gaps"):
        prepare(tmp_path / "ice.nc", tmp_path / "store.zarr", **OPTIONS)


def test_pairs_with_missing_values_are_left_out(whole, tmp_path):
    """The records 7 and 8 of 17 lack values: pairs from 5, 6, 7 and 8 are left out, in the statistics too."""
    exact = whole.copy(deep=True)
    whole["sic"][7, 3] = np.nan
    whole["uas"][8] = np.nan
    whole.to_netcdf(tmp_path / "ice.nc")
    out = prepare(tmp_path / "ice.nc", tmp_path / "store.zarr", skip_gaps=True, **OPTIONS)
    data, memory = opened(out), Trajectories.from_dataset(open_store(exact), TABLE, LEAD)
    kept = [start for start in range(15) if start not in (5, 6, 7, 8)]
    assert data.n_pairs == len(kept)
    for number, start in enumerate(kept):
        for came, expected in zip(data.read(0, number), memory.read(0, start), strict=True):
            np.testing.assert_array_equal(came, expected)
    found = statistics_of([data], TABLE, 6.0)
    values = np.delete(exact["sit"].values, [7, 8], axis=0).astype(np.float64)
    thickness = exact["sit"].values
    change = np.stack([thickness[start + 2] - thickness[start] for start in kept]).astype(np.float64)
    np.testing.assert_allclose(found.values["sit"], (values.mean(), values.std()), rtol=1e-9)
    np.testing.assert_allclose(found.residuals["sit"], (change.mean(), change.std()), rtol=1e-9)
    assert describe_store(out).missing.tolist() == exact["time"].values[[7, 8]].tolist()


def test_gaps_in_time_are_named(whole, tmp_path):
    gap = whole.isel(time=[0, 1, 2, 3, 4, 8, 9, 10, 11])
    with pytest.raises(InputError, match="none is between 2000-01-01T12:00 and 2000-01-02T00:00"):
        prepare(gap, tmp_path / "store.zarr", **OPTIONS)
    data = opened(prepare(gap, tmp_path / "store.zarr", skip_gaps=True, **OPTIONS))
    assert data.n_pairs == 3 + 2
    assert not (tmp_path / "store.zarr" / "journal").exists()


def test_records_that_a_file_stores_together(whole, tmp_path):
    """Seven records in a chunk of the file, two in a shard."""
    fields = [name for name in whole.data_vars if "time" in whole[name].dims]
    encoding = {name: {"chunksizes": (7, MESH.n_faces)} for name in fields}
    whole.to_netcdf(tmp_path / "ice.nc", encoding=encoding)
    data = opened(prepare(tmp_path / "ice.nc", tmp_path / "store.zarr", **OPTIONS))
    memory = Trajectories.from_dataset(open_store(whole), TABLE, LEAD)
    np.testing.assert_array_equal(data.read(0, 11).next_state, memory.read(0, 11).next_state)


# Files that do not fit together


def test_variables_must_be_the_same(whole, tmp_path):
    whole.to_netcdf(tmp_path / "a.nc")
    small_trajectory(MESH, seed=1).drop_vars("sid").to_netcdf(tmp_path / "b.nc")
    with pytest.raises(InputError, match=r"b.nc: differs from .*a.nc in the variables sid"):
        prepare(tmp_path, tmp_path / "store.zarr", **OPTIONS)


def test_meshes_must_be_the_same(whole, tmp_path):
    whole.to_netcdf(tmp_path / "a.nc")
    small_trajectory(jittered_box(5)).to_netcdf(tmp_path / "b.nc")
    with pytest.raises(InputError, match=r"b.nc: lies on another mesh than .*--mesh"):
        prepare(tmp_path, tmp_path / "store.zarr", **OPTIONS)


def test_steps_must_be_the_same(whole, tmp_path):
    with pytest.raises(InputError, match="6 h apart"):
        prepare([whole, small_trajectory(MESH, hours=24, step=6)], tmp_path / "store.zarr", **OPTIONS)


def test_a_lead_time_between_two_records_is_refused(whole, tmp_path):
    with pytest.raises(InputError, match="lead time 4 h is no multiple of the data's step of 3 h"):
        prepare(whole, tmp_path / "store.zarr", lead_times=[np.timedelta64(4, "h")])


def test_nothing_is_written_for_wrong_input(whole, tmp_path):
    for wrong in ({"precision": "bits:30"}, {"precision": "half"}):
        with pytest.raises(InputError, match="precision"):
            prepare(whole, tmp_path / "store.zarr", **OPTIONS, **wrong)
    assert not list(tmp_path.iterdir())


def test_float16_refuses_values_that_it_cannot_hold(whole, tmp_path):
    endless = {"sit": {"range": (-np.inf, np.inf)}}
    table = VariableTable(tuple(replace(one, **endless.get(one.name, {})) for one in TABLE.variables))
    whole["sit"][3, 3] = 1e5
    with pytest.raises(InputError, match=r"float16: 'sit' reaches 1e\+05"):
        prepare(whole, tmp_path / "store.zarr", variables=table, precision="float16", **OPTIONS)


# Formats with a special reader


def test_gensim_data_are_read_in_parts(tmp_path, monkeypatch):
    """One record at a time, where the memory would not do for two."""
    _, path = gensim_store(tmp_path, packed=True)
    cube = zarr.open_group(path)["datacube"][:]
    zarr.open_group(path).create_array("datacube", data=cube, chunks=(1, *cube.shape[1:]), overwrite=True)
    expected = Trajectories.from_dataset(open_store(path), TABLE, LEAD)
    page = 4 * expected.mesh.n_faces * 4
    monkeypatch.setattr("os.sysconf", lambda name: page if name == "SC_PAGE_SIZE" else 1)
    monkeypatch.setattr(record_layout, "SHARD_BYTES", page)
    data = opened(prepare(path, tmp_path / "store.zarr", **OPTIONS))
    np.testing.assert_array_equal(data.read(0, 1).next_state, expected.read(0, 1).next_state)


def test_a_nextsim_run_is_read_in_parts(tmp_path, monkeypatch):
    """Two outputs with a remeshing in between, on the first mesh of the run."""
    mesh = load_mesh(NEXTSIM / "tiny.msh")
    lead = np.timedelta64(1, "h")
    expected = Trajectories.from_dataset(open_store(NEXTSIM / "box", mesh), TABLE, lead)
    monkeypatch.setattr(record_layout, "SHARD_BYTES", 1)
    out = prepare(NEXTSIM / "box", tmp_path / "store.zarr", mesh, lead_times=[lead], progress=False)
    data = PreparedTrajectories.open(out, TABLE, lead)
    for came, wanted in zip(data.read(0, 0)[:5], expected.read(0, 0)[:5], strict=True):
        np.testing.assert_allclose(came, wanted, atol=1e-6)


# Runs


def piece(name: str, start: int, count: int, trajectory: int | None = None) -> SourcePiece:
    return SourcePiece(name, trajectory, 0, np.datetime64("2000-01-01", "ns") + (start + np.arange(count)) * STEP)


@pytest.mark.parametrize(
    ("pieces", "runs"),
    [
        ([piece("/a/2", 5, 5), piece("/a/1", 0, 5), piece("/a/3", 10, 1)], ["/a/1 /a/2 /a/3"]),
        ([piece("/a/1", 0, 5), piece("/a/2", 6, 5)], ["/a/1", "/a/2"]),
        ([piece("/a/1", 0, 5), piece("/a/2", 0, 5)], ["/a/1", "/a/2"]),
        (
            [piece("/a/1", 0, 5), piece("/a/2", 5, 5), piece("/b/1", 0, 5), piece("/b/2", 5, 5)],
            ["/a/1 /a/2", "/b/1 /b/2"],
        ),
        ([piece("/2000/x", 0, 5), piece("/2001/x", 5, 5)], ["/2000/x /2001/x"]),
        ([piece("/a/1", 0, 5), piece("/a/2", 0, 5), piece("/a/3", 5, 5)], ["/a/1", "/a/2", "/a/3"]),
        ([piece("/a/1", 0, 5), piece("/a/2", 5, 5), piece("/a/3", 5, 5)], ["/a/1", "/a/2", "/a/3"]),
        (
            [piece(name, start, 5, number) for name, start in (("/a/1", 0), ("/a/2", 5)) for number in (0, 1)],
            ["/a/1 /a/2", "/a/1 /a/2"],
        ),
    ],
    ids=["in any order", "gap", "ensemble", "two folders", "folder a year", "two ends", "two begins", "members"],
)
def test_files_are_joined_where_this_is_clear(pieces, runs):
    assert sorted(" ".join(one.name for one in run) for run in join_runs(pieces, STEP)) == runs


# Descriptions and the command line


def test_an_estimate_writes_nothing(whole, tmp_path):
    whole.to_netcdf(tmp_path / "ice.nc")
    estimate = estimate_preparation(tmp_path / "ice.nc", tmp_path / "store.zarr", lead_times=[LEAD])
    assert estimate.records == 17
    assert estimate.values == 17 * MESH.n_faces * 7 * 4
    out = prepare(tmp_path / "ice.nc", tmp_path / "store.zarr", **OPTIONS)
    assert estimate.size == pytest.approx(describe_store(out).size, rel=0.2)
    assert estimate_preparation(tmp_path / "ice.nc", out, lead_times=[LEAD]) is None


def test_commands(run, whole, tmp_path):
    whole.to_netcdf(tmp_path / "ice.nc")
    store = tmp_path / "store.zarr"
    options = ["--out", store, "--lead-time", "6h", "--precision", "bits:10"]
    code, out, _ = run("data", "prepare", tmp_path / "ice.nc", *options, "--dry-run")
    assert code == 0
    assert "17 records of 1 trajectories, 72 cells, 7 variables" in out
    assert not store.exists()
    assert run("data", "prepare", tmp_path / "ice.nc", *options)[0] == 0
    code, out, _ = run("data", "info", store)
    assert code == 0
    assert "2000-01-01T00:00 to 2000-01-03T00:00, 17 records" in out
    assert "lead times of 6 h" in out
    code, _, error = run("data", "info", tmp_path / "ice.nc")
    assert code == 2
    assert "is no prepared store" in error


def test_train_takes_a_store(whole, tmp_path):
    """The plan is that of the same data in memory."""
    out = prepare(whole, tmp_path / "store.zarr", **OPTIONS)
    config = compose_config(overrides=["data.lead_time=6h"])
    one, other = (plan_training(data=data, config=config) for data in (str(out), whole))
    assert not one.data[0].is_in_memory
    assert one.data[0].n_pairs == other.data[0].n_pairs
    for name, moments in other.normaliser.statistics.residuals.items():
        np.testing.assert_allclose(one.normaliser.statistics.residuals[name], moments, rtol=1e-9, atol=1e-12)

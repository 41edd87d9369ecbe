"""A prepared store gives the same as the data in memory: values, samples, statistics, in any order of the files."""

import dataclasses
import multiprocessing
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from support.examples import regular_grid, small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import (
    Normaliser,
    PreparedTrajectories,
    SamplingConfig,
    TrainingData,
    TrainingSamples,
    Trajectories,
    prepare,
    statistics_of,
)
from gensim_graph.data.prepared import describe_store
from gensim_graph.errors import InputError
from gensim_graph.io import open_store, open_stores
from gensim_graph.variables import default_variables

TABLE = default_variables()
LEAD = np.timedelta64(6, "h")
MESH = jittered_box(12)
OPTIONS = {"lead_times": [LEAD], "progress": False}


def opened(path: Path, **options: object) -> PreparedTrajectories:
    return PreparedTrajectories.open(path, TABLE, LEAD, **options)


def in_memory(*sources: object) -> Trajectories:
    return Trajectories.from_dataset(open_store(list(sources)), TABLE, LEAD)


def pairs_of(data: TrainingData) -> np.ndarray:
    """State and forcing of all pairs, in order of their values: a set that does not depend on their numbers."""
    rows = [np.concatenate([pair.state, pair.next_state, pair.forcing], axis=1) for pair in data.pairs()]
    return np.stack(sorted(rows, key=lambda row: row.tobytes()))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three trajectories over the same times."""
    folder = tmp_path_factory.mktemp("runs")
    paths = [folder / f"run{number}.nc" for number in range(3)]
    for number, path in enumerate(paths):
        small_trajectory(MESH, hours=24, seed=number).to_netcdf(path)
    return paths


@pytest.fixture(scope="module")
def stored(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Prepared store of the three runs in a precision, which tests only read: made once."""

    @cache
    def store_of(precision: str = "float32") -> Path:
        return prepare(runs, tmp_path_factory.mktemp("stored") / "store.zarr", precision=precision, **OPTIONS)

    return store_of


@pytest.fixture
def years(tmp_path: Path) -> tuple[xr.Dataset, list[Path]]:
    """One trajectory, whole and in three files."""
    whole = small_trajectory(MESH, hours=72)
    paths = [tmp_path / f"year{number}.nc" for number in range(3)]
    for path, part in zip(paths, (slice(0, 9), slice(9, 10), slice(10, 25)), strict=True):
        whole.isel(time=part).to_netcdf(path)
    return whole, paths


@pytest.mark.parametrize("levels", [[1.0], [0.0, 1.0]])
def test_samples_equal_those_from_memory_bit_for_bit(runs, stored, levels):
    prepared, memory = opened(stored()), in_memory(*runs)
    normaliser = Normaliser(TABLE, statistics_of([memory], TABLE, 6.0))
    config = dataclasses.replace(SamplingConfig(batch=4, clusters=1, core=1, partitions=2), levels=levels)
    for number in (0, 1, 17):
        one, other = (TrainingSamples([data], normaliser, config, 0, 100)[number] for data in (prepared, memory))
        assert all(torch.equal(a, b) for a, b in zip(one[1:], other[1:], strict=True))


def test_statistics_equal_those_of_two_passes(runs, stored):
    found = statistics_of([opened(stored())], TABLE, 6.0)
    data = open_store(runs)
    for name in ("sit", "sic", "sid"):
        values = data[name].values.astype(np.float64)
        change = (data[name].values[:, 2:] - data[name].values[:, :-2]).astype(np.float64)
        np.testing.assert_allclose(found.values[name], (values.mean(), values.std()), rtol=1e-6)
        np.testing.assert_allclose(found.residuals[name], (change.mean(), change.std()), rtol=1e-6, atol=1e-9)
    wind = np.stack([data["uas"].values, data["vas"].values]).astype(np.float64)
    np.testing.assert_allclose(found.values["uas"], (0.0, np.sqrt((wind**2).mean())), rtol=1e-6)


def test_the_array_is_plain_zarr_in_the_order_of_the_clusters(runs, tmp_path):
    """Read with zarr-python, which did not write it."""
    out = prepare(runs[:1], tmp_path / "store.zarr", **OPTIONS)
    values, cell = (zarr.open_array(str(out / name), mode="r")[:] for name in ("values", "cell"))
    assert sorted(cell.tolist()) == list(range(MESH.n_faces))
    expected = open_store(runs[0])
    for channel, name in enumerate(("sit", "sic", "sid", "siu", "siv", "uas", "vas")):
        np.testing.assert_array_equal(values[:, :, channel], expected[name].values[:, cell])


def test_files_that_continue_each_other_are_one_trajectory(years, tmp_path):
    whole, paths = years
    data = opened(prepare(paths[::-1], tmp_path / "store.zarr", **OPTIONS))
    memory = in_memory(whole)
    assert (data.n_trajectories, data.n_starts) == (1, 23)
    np.testing.assert_array_equal(pairs_of(data), pairs_of(memory))
    assert_same_statistics(data, memory)
    np.testing.assert_array_equal(data.times(0), whole["time"].values)


def test_later_years_are_added(years, tmp_path):
    """Pairs across the border count, in the statistics too; the old shards stay as they are."""
    whole, paths = years
    out = prepare(paths[:1], tmp_path / "store.zarr", **OPTIONS)
    before = (out / "values" / "c" / "0" / "0" / "0").read_bytes()
    prepare(paths[:2], out, **OPTIONS)
    prepare(paths[2:], out, **OPTIONS)
    data, memory = opened(out), in_memory(whole)
    assert (out / "values" / "c" / "0" / "0" / "0").read_bytes() == before
    np.testing.assert_array_equal(pairs_of(data), pairs_of(memory))
    assert_same_statistics(data, memory)


def test_a_store_that_has_all_sources_stays_as_it_is(runs, stored):
    out = stored()
    changed = (out / "prepared.json").stat().st_mtime_ns
    prepare(runs[:2], out, **OPTIONS)
    assert (out / "prepared.json").stat().st_mtime_ns == changed


def test_trajectories_of_other_lengths(tmp_path):
    parts = [small_trajectory(MESH, hours=hours, seed=hours) for hours in (24, 9, 3)]
    data = opened(prepare(parts, tmp_path / "store.zarr", **OPTIONS))
    assert data.n_pairs == (9 - 2) + (4 - 2)
    expected = np.concatenate([pairs_of(in_memory(part)) for part in parts[:2]])
    np.testing.assert_array_equal(pairs_of(data), np.stack(sorted(expected, key=lambda row: row.tobytes())))


def test_members_of_a_file_are_trajectories(tmp_path):
    parts = [small_trajectory(MESH, hours=12, seed=seed) for seed in (1, 2)]
    fields = [name for name in parts[0].data_vars if "time" in parts[0][name].dims]
    joined = xr.concat([part[fields] for part in parts], dim="trajectory")
    parts[0].drop_vars(fields).merge(joined).to_netcdf(tmp_path / "members.nc")
    data = opened(prepare(tmp_path / "members.nc", tmp_path / "store.zarr", **OPTIONS))
    memory = in_memory(tmp_path / "members.nc")
    for trajectory in (0, 1):
        np.testing.assert_array_equal(data.read(trajectory, 1).state, memory.read(trajectory, 1).state)


def test_fields_come_to_the_given_mesh(runs, tmp_path):
    """As open_store remaps them: area-weighted."""
    grid = regular_grid(6)
    data = opened(prepare(runs[:1], tmp_path / "store.zarr", grid, **OPTIONS), mesh=grid)
    expected = Trajectories.from_dataset(open_stores([runs[0]], grid)[0], TABLE, LEAD)
    pair, same = data.read(0, 3), expected.read(0, 3)
    for came, wanted in zip(pair[:5], same[:5], strict=True):
        np.testing.assert_allclose(came, wanted, atol=1e-5)


def test_a_part_of_the_beginning_is_left_out(runs, stored):
    out = stored()
    skip = np.timedelta64(9, "h")
    data = opened(out, skip=skip)
    memory = Trajectories.from_dataset(open_store(runs), TABLE, LEAD, skip)
    np.testing.assert_array_equal(data.read(1, 0).state, memory.read(1, 0).state)
    np.testing.assert_array_equal(data.times(1), memory.times(1))
    assert_same_statistics(data, memory)


def test_another_lead_time_reads_its_statistics_from_the_values(runs, stored, caplog):
    out = stored()
    other = np.timedelta64(9, "h")
    data = PreparedTrajectories.open(out, TABLE, other)
    memory = Trajectories.from_dataset(open_store(runs), TABLE, other)
    assert_same_statistics(data, memory)
    assert "--lead-time 9h" in caplog.text


@pytest.mark.parametrize(("precision", "relative"), [("float16", 2.0**-11), ("bits:6", 2.0**-7)])
def test_the_error_of_rounding_is_bounded(runs, stored, precision, relative):
    """Half a unit in the last binary digit, for every value."""
    data = opened(stored(precision))
    memory = in_memory(*runs)
    for start in range(3):
        for came, expected in zip(data.read(2, start)[:4], memory.read(2, start)[:4], strict=True):
            assert (np.abs(came - expected) <= relative * np.abs(expected) + 1e-9).all()
            assert (came[expected == 0] == 0).all()
            assert (came[expected == 1] == 1).all()


def test_the_error_of_rounding_is_stated(runs, stored):
    """Largest and root mean square difference between the sources and the store."""
    out = stored("bits:6")
    data, memory = opened(out), in_memory(*runs)
    pairs = [(data.read(i, j).state, memory.read(i, j).state) for i in range(3) for j in range(data.n_starts)]
    pairs += [(data.read(i, j).next_state, memory.read(i, j).next_state) for i in range(3) for j in range(5, 7)]
    error = np.abs(np.stack([a.astype(np.float64) - b for a, b in pairs]))[..., 0]
    row = next(row for row in describe_store(out).variables if row.name == "sit")
    assert row.largest_error == pytest.approx(error.max(), rel=1e-6)
    assert row.rms_error == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float16", "bits:6"])
def test_another_process_reads_the_same(stored, precision):
    """Workers of a DataLoader get the data by fork or by pickling; this process has read and written before."""
    data = opened(stored(precision))
    expected = data.read(1, 2, np.array([3, 5]))
    copy = pickle.loads(pickle.dumps(data))
    with multiprocessing.get_context("fork").Pool(1) as pool:
        forked = pool.apply_async(data.read, (1, 2, np.array([3, 5]))).get(timeout=60)
    for came in (forked, copy.read(1, 2, np.array([3, 5]))):
        np.testing.assert_array_equal(came.next_state, expected.next_state)


def assert_same_statistics(data: TrainingData, memory: TrainingData) -> None:
    one, other = (statistics_of([part], TABLE, 6.0) for part in (data, memory))
    for name, moments in other.values.items():
        np.testing.assert_allclose(one.values[name], moments, rtol=1e-9, atol=1e-12)
    for name, moments in other.residuals.items():
        np.testing.assert_allclose(one.residuals[name], moments, rtol=1e-9, atol=1e-12)


def test_the_mesh_of_the_training_must_be_that_of_the_store(stored):
    out = stored()
    with pytest.raises(InputError, match="another mesh"):
        opened(out, mesh=regular_grid(5))


def test_samples_do_not_depend_on_the_order_of_the_batches(stored):
    """Batches that come one after the other are fetched ahead; asked for again, or out of order, they are the same."""
    data = opened(stored())
    normaliser = Normaliser(TABLE, statistics_of([data], TABLE, 6.0))
    samples = TrainingSamples([data], normaliser, SamplingConfig(batch=2), seed=0, count=20)
    alone = [samples[number] for number in range(8)]

    for first in (0, 2, 4, 4, 4, 6, 0, 2):
        batch = samples.__getitems__([first, first + 1])
        for came, wanted in zip(batch, alone[first : first + 2], strict=True):
            assert torch.equal(came.noised, wanted.noised)
            assert torch.equal(came.conditions, wanted.conditions)

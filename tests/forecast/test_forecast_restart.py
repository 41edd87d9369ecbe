"""Forecasts that are killed, extended or shared between processes give the same bytes as an uninterrupted one."""

import os
import random
import signal
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from support.forecasts import DATA, MESH, in_a_process, killed_at, same_files, small_model, write

from gensim_graph.errors import InputError
from gensim_graph.forecast import check_complete, forecast_run

MODEL = small_model()

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


@pytest.fixture(autouse=True)
def after_every_step(monkeypatch):
    """Write a restart file after every step, although a step takes milliseconds only."""
    monkeypatch.setattr(forecast_run, "SAVE_SECONDS", 0.0)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Five members in batches of two, four steps."""
    path = tmp_path_factory.mktemp("forecast") / "fc.zarr"
    assert in_a_process(lambda: forecast(path)) == 0
    return path


def forecast(path, **options):
    write(MODEL, path, **({"steps": 4, "members": 5, "batch": 2} | options))


@pytest.mark.slow
def test_killed_whenever_a_file_is_put_in_place(tmp_path, uninterrupted):
    """The first run is killed at its first file, the next at its second, and so on until a run completes."""
    path, kills = tmp_path / "fc.zarr", 0

    def begin():
        killed_at(kills + 1)
        forecast(path)

    while in_a_process(begin) == -signal.SIGKILL:
        kills += 1
    assert kills > 12
    assert same_files(uninterrupted, path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["fc.zarr"]


def test_killed_at_random_moments(tmp_path, uninterrupted):
    """The moments include those between two files and before the first one."""
    path, rng = tmp_path / "fc.zarr", random.Random(0)
    for _ in range(6):
        in_a_process(lambda: forecast(path), kill_after=rng.uniform(0.02, 0.4))
    assert in_a_process(lambda: forecast(path)) == 0
    assert same_files(uninterrupted, path)


def test_the_store_of_a_killed_run_can_be_read(tmp_path, uninterrupted):
    """It holds complete states up to some lead time, and NaN after it."""
    path = tmp_path / "fc.zarr"

    def begin():
        killed_at(14)
        forecast(path)

    assert in_a_process(begin) == -signal.SIGKILL
    with pytest.raises(InputError, match="5 of 5 members have not come to step 4"):
        check_complete(path)
    check_complete(uninterrupted)
    part, whole = xr.open_zarr(path).load(), xr.open_zarr(uninterrupted).load()
    assert part["sit"].shape == whole["sit"].shape
    there = np.isfinite(part["sit"].values)
    assert 0 < there.sum() < there.size
    np.testing.assert_array_equal(part["sit"].values[there], whole["sit"].values[there])


def test_extended(tmp_path, uninterrupted):
    path = tmp_path / "fc.zarr"
    for steps in (1, 2, 4):
        assert in_a_process(lambda steps=steps: forecast(path, steps=steps)) == 0
    assert same_files(uninterrupted, path)


def test_killed_while_it_grows(tmp_path, uninterrupted):
    """Some metadata belong to the longer forecast, some to the shorter one."""
    path = tmp_path / "fc.zarr"
    assert in_a_process(lambda: forecast(path, steps=2)) == 0

    def extend(number):
        killed_at(number)
        forecast(path)

    for number in (1, 3, 5):
        assert in_a_process(lambda number=number: extend(number)) == -signal.SIGKILL
    assert in_a_process(lambda: forecast(path)) == 0
    assert same_files(uninterrupted, path)


def test_a_damaged_restart(tmp_path):
    forecast(tmp_path / "fc.zarr", steps=1)
    file = tmp_path / "fc.zarr" / "restart" / "0-2.safetensors"
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"0-2\.safetensors: cannot be read.*remove it"):
        forecast(tmp_path / "fc.zarr", steps=2)
    file.unlink()
    forecast(tmp_path / "fc.zarr", steps=2)
    assert np.isfinite(xr.open_zarr(tmp_path / "fc.zarr")["sit"].values).all()


@pytest.mark.slow
def test_two_processes_with_torchrun(tmp_path):
    """The command line gives the same store as a single process."""
    MODEL.save(tmp_path / "model")
    DATA.to_netcdf(tmp_path / "run.nc")
    command = ["-m", "gensim_graph", "forecast", "--model", "model", "--initial", "run.nc@2000-01-01", "--members", "5"]
    command += ["--batch", "2", "--steps", "3"]
    one = os.environ | {"OMP_NUM_THREADS": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    for words, out in (([], "one.zarr"), (torchrun, "two.zarr")):
        done = subprocess.run(
            [sys.executable, *words, *command, "--out", out], cwd=tmp_path, env=one, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
    assert same_files(tmp_path / "one.zarr", tmp_path / "two.zarr")
    assert xr.open_zarr(tmp_path / "two.zarr")["sit"].shape == (5, 4, MESH.n_faces)
    assert np.isfinite(xr.open_zarr(tmp_path / "two.zarr")["sit"].values).all()

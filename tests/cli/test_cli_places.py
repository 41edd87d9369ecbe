"""Every command finds a full or read-only place before its work: one message, exit code 2, nothing left behind."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import gensim_graph as gg
from gensim_graph.io import write_mesh

Usage = namedtuple("Usage", "total used free")

COMMANDS = {
    "forecast": "forecast --model small --initial IN/run.nc@2000-01-01T12 --steps 1 --members 2 --out OUT/new.zarr",
    "assimilate": "assimilate --model small --initial IN/run.nc@2000-01-01 --observations IN/o.csv --out OUT/new.zarr",
    "evaluate": "evaluate IN/forecast.zarr --truth IN/run.nc --out OUT/report",
    "convert": "mesh convert IN/run.nc OUT/ice.nc",
    "convert a mesh": "mesh convert IN/mesh.nc OUT/mesh.vtu",
    "convert to a grid": "mesh convert IN/run.nc OUT/ice.zarr --grid 100km",
    "coarsen": "mesh coarsen IN/mesh.nc OUT/coarse.nc",
    "plot": "mesh plot IN/mesh.nc --out OUT/mesh.png",
    "train": "train --data IN/run.nc --out OUT/run",
    "train without data": "train --mesh IN/mesh.nc --out OUT/run",
    "simulate": "simulate --mesh IN/mesh.nc --days 1 --members 1 --out OUT/storms.zarr",
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory) -> Path:
    """A mesh of 36 squares, a simulated day on it, and a forecast of half a day."""
    folder = tmp_path_factory.mktemp("inputs")
    axis = 80e3 * np.arange(6)
    mesh = gg.Mesh.from_grid(axis, axis)
    write_mesh(mesh, folder / "mesh.nc")
    data = gg.simulate_cyclone(mesh, members=1, days=1, every="12h", progress=False).isel(trajectory=0)
    data.to_netcdf(folder / "run.nc")
    model = gg.Surrogate.load("small")
    gg.write_forecast(model, data.isel(time=0), data, folder / "forecast.zarr", steps=1, members=2, progress=False)
    return folder


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["full", "read-only"])
def test_a_place_that_cannot_be_written(run, monkeypatch, tmp_path, inputs, place, command):
    """Also root, whom permissions do not stop, cannot write to a read-only disk: ``os.access`` says so."""
    access = os.access
    if place == "full":
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 10**12 - 4096, 4096))
    else:
        monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path and access(path, mode))

    text = COMMANDS[command].replace("IN/", f"{inputs}/").replace("OUT/", f"{tmp_path}/")
    code, _, error = run(*text.split())
    assert code == 2, error
    assert "Traceback" not in error
    assert ("make room" if place == "full" else "is read-only") in error
    assert not list(tmp_path.iterdir())


def test_a_forecast_larger_than_the_disk(run, monkeypatch, tmp_path, inputs):
    """10,000 members at two times, six variables on 36 faces: 17 MB, at least half of it after compression."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**9, 10**9 - 5 * 10**6, 5 * 10**6))
    text = COMMANDS["forecast"].replace("--members 2", "--members 10000")
    code, _, error = run(*text.replace("IN/", f"{inputs}/").replace("OUT/", f"{tmp_path}/").split())
    assert code == 2, error
    assert "needs at least 8.6 MB, and the disk has 5.0 MB left" in error
    assert not list(tmp_path.iterdir())

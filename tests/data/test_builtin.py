"""The built-in data: complete, small, equal to its source, and its test trajectory kept apart."""

from pathlib import Path

import meshio
import numpy as np
import pytest
import xarray as xr

from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.system import resource

SPLITS = ("train", "test", "zero_shot")


def all_trajectories() -> list[Path]:
    return [path for split in SPLITS for path in cyclone_trajectories(split)]


def test_splits_cover_every_trajectory_once():
    on_disk = sorted(resource("meshes", "cyclone_512km").glob("*.nc"))
    assert sorted(all_trajectories()) == on_disk


def test_test_trajectory_is_not_trained_on():
    assert [path.stem for path in cyclone_trajectories("test")] == ["cyclone_16km_04"]
    assert [path.stem for path in cyclone_trajectories("zero_shot")] == ["cyclone_8km_04"]
    # Neither the file nor the same run under another name: its wind is the fingerprint of a run.
    winds = {path: xr.open_dataset(path).attrs["forcing"] for path in all_trajectories()}
    assert len(set(winds.values())) == len(winds) == 7


def test_data_fit_into_the_package():
    sizes = [path.stat().st_size for path in resource("meshes", "cyclone_512km").iterdir()]
    assert max(sizes) < 4 * 2**20
    assert sum(sizes) < 16e6


@pytest.mark.parametrize("path", all_trajectories(), ids=lambda path: path.stem)
def test_trajectory_is_on_its_mesh(path: Path):
    with xr.open_dataset(path) as dataset:
        mesh = meshio.read(cyclone_meshes()[Path(dataset.attrs["reference_mesh"]).stem])
        np.testing.assert_array_equal(np.sort(dataset.face_nodes), np.sort(mesh.cells_dict["triangle"]))
        assert dataset.sizes["node"] == len(mesh.points)
        assert dataset.sizes["time"] == 33
        for name in ("sit", "sic", "sid", "snt", "uas", "vas", "siu", "siv"):
            assert np.isfinite(dataset[name]).all(), name
        assert float(dataset.sic.min()) >= 0
        assert float(dataset.sic.max()) <= 1


def test_data_equal_their_source(shared_data: Path):
    for path in [*all_trajectories(), *cyclone_meshes().values()]:
        source = shared_data / "cyclone" / path.name
        if path.suffix == ".msh":
            assert path.read_bytes() == source.read_bytes()
        else:
            with xr.open_dataset(path) as ours, xr.open_dataset(source) as theirs:
                xr.testing.assert_identical(ours.load(), theirs.load())

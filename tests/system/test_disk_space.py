"""A full or read-only disk is found before the work, and nothing is created by the check."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from gensim_graph.errors import InputError
from gensim_graph.system import check_space

Usage = namedtuple("Usage", "total used free")


def free(monkeypatch: pytest.MonkeyPatch, count: float) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**15, 10**15 - count, count))


def read_only(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Make a folder read-only, also for root, whom the permissions do not stop."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != folder and access(path, mode))


def test_too_little_space(tmp_path, monkeypatch):
    free(monkeypatch, 2.4e9)
    check_space(tmp_path / "out.zarr", 2.3e9)
    with pytest.raises(InputError, match=r"out\.zarr: needs at least 12 GB, and the disk has 2\.4 GB left; make room"):
        check_space(tmp_path / "out.zarr", 12e9)


def test_a_disk_without_space_is_full_for_anything(tmp_path, monkeypatch):
    free(monkeypatch, 4096)
    with pytest.raises(InputError, match=r"needs at least 1\.0 MB, and the disk has 4\.1 kB left"):
        check_space(tmp_path / "report")


def test_folders_that_do_not_exist_are_not_made(tmp_path):
    check_space(tmp_path / "a" / "b" / "run")
    assert not list(tmp_path.iterdir())


def test_a_read_only_folder(tmp_path, monkeypatch):
    read_only(monkeypatch, tmp_path)
    with pytest.raises(InputError, match="is read-only; choose another place"):
        check_space(tmp_path / "deep" / "run")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not stop root")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(InputError, match="is read-only"):
            check_space(tmp_path / "run")
    finally:
        tmp_path.chmod(0o755)


def test_an_existing_folder_is_filled_or_replaced(tmp_path, monkeypatch):
    """A run is written into its folder; a store is made beside the old one, so the folder above it counts."""
    (tmp_path / "run").mkdir()
    read_only(monkeypatch, tmp_path)
    check_space(tmp_path / "run")
    with pytest.raises(InputError, match="is read-only"):
        check_space(tmp_path / "run", beside=True)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is a file, not a folder"):
        check_space(tmp_path / "file" / "run")

"""Files and folders are written completely or not at all."""

import os
from pathlib import Path

import pytest

from gensim_graph.system import write_atomically


def folder_with(text: str):
    def write(path: Path) -> None:
        path.mkdir()
        (path / "file").write_text(text)

    return write


def test_a_folder_takes_the_place_of_another(tmp_path):
    for text in ("old", "new"):
        write_atomically(tmp_path / "folder", folder_with(text))
    assert (tmp_path / "folder" / "file").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("kind", ["write", "rename"])
def test_what_was_there_survives_a_failure(tmp_path, monkeypatch, kind):
    """The failure is in the writer, or in the last rename."""
    write_atomically(tmp_path / "folder", folder_with("old"))
    rename = Path.rename

    def failing(path, target=None):
        if kind == "write" or path.name.endswith(".part"):
            raise OSError("disk full")
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", failing)
        with pytest.raises(OSError, match="disk full"):
            write_atomically(tmp_path / "folder", failing if kind == "write" else folder_with("new"))
    assert (tmp_path / "folder" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o002, 0o664), (0o077, 0o600)])
def test_files_have_the_permissions_of_the_umask(tmp_path, umask, mode):
    """This holds for writers too that make private files."""

    def private(path: Path) -> None:
        path.touch(mode=0o600)

    before = os.umask(umask)
    try:
        write_atomically(tmp_path / "file", private)
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_link_goes_on_pointing_to_its_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_atomically(tmp_path / "link", lambda path: path.write_text("text"))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "text"

"""The guide to archives runs, with a smaller network and a part of a trajectory that ships."""

import shlex
import sys

import pytest
from support.pages import SMALL, blocks

import gensim_graph as gg
from gensim_graph.cli import main
from gensim_graph.data import cyclone_trajectories

PAGE = "docs/howto/archive.md"


def test_commands_of_the_guide(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(cyclone_trajectories("train")[0].parents[1])
    for block in blocks(PAGE, "sh"):
        text = block.replace("--preset tiny", f"{SMALL} --preset tiny").replace("trainer.max_steps=2000", "")
        for line in text.splitlines():
            monkeypatch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as exit_:
                main()
            assert not exit_.value.code, line
    assert (tmp_path / "run" / "surrogate.json").exists()


def test_python_of_the_guide(monkeypatch, tmp_path):
    """Two files that continue each other."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "archive").mkdir()
    run = gg.open_store(str(cyclone_trajectories("train")[0]))
    for number, part in enumerate((slice(0, 6), slice(6, 12))):
        run.isel(time=part).to_netcdf(tmp_path / "archive" / f"{number}.nc")
    (text,) = blocks(PAGE, "python")
    names: dict = {}
    exec(text.replace("max_steps=2000", f'overrides="{SMALL}".split(), progress=False'), names)
    assert names["pair"].state.shape == (100, 6)
    assert names["data"].n_pairs == 12 - 4

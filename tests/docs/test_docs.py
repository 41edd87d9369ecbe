"""What the README and the guides show runs."""

import shlex
import sys

import pytest
import torch
from support.pages import SMALL, blocks

import gensim_graph as gg
from gensim_graph.cli import main
from gensim_graph.data import cyclone_meshes, cyclone_trajectories


def test_commands_of_the_quickstart(monkeypatch, tmp_path):
    """Mesh info, train, forecast and evaluate as they stand there, with a smaller operator and ensemble."""
    text = next(block for block in blocks("docs/tutorial.md", "sh") if "--initial" in block)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(cyclone_meshes()["box_16km_a"].parents[1])
    text = text.replace("--members 16 --steps 4", "--members 2 --steps 1").replace(
        "--preset tiny", f"{SMALL} --preset tiny"
    )
    for line in text.replace("\\\n", " ").splitlines():
        monkeypatch.setattr(sys, "argv", shlex.split(line))
        with pytest.raises(SystemExit) as exit_:
            main()
        assert not exit_.value.code, line
    assert (tmp_path / "report" / "report.html").exists()


def test_python_of_the_quickstart(monkeypatch, tmp_path):
    """The Python example, on the built-in mesh and data."""
    text = next(block for block in blocks("docs/tutorial.md", "python") if "gg.train" in block)
    truth = gg.open_store(str(cyclone_trajectories("test")[0]))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "a.nc").symlink_to(cyclone_trajectories("train")[0])
    (tmp_path / "nextsim.msh").symlink_to(cyclone_meshes()["box_16km_b"])
    text = text.replace(
        'preset="small", max_steps=1000', f'overrides="{SMALL} sampler.steps=1".split(), progress=False'
    )
    text = text.replace("steps=4, members=16", "steps=1, members=2")
    names = {"initial": truth.isel(time=8), "forcing": truth, "truth": truth}
    exec(text, names)
    assert set(names["table"]["variable"]) == {"sit", "sic", "sid", "siu", "siv", "snt"}
    assert names["forecast"].sit.dims == ("member", "lead_time", "face")


def test_operator_of_the_quickstart(small_mesh):
    """The operator alone."""
    text = next(block for block in blocks("docs/tutorial.md", "python") if "from_preset" in block)
    graph = gg.build_graph(small_mesh)
    faces = small_mesh.n_faces
    names = {
        "gg": gg,
        "graph": graph,
        "noised": torch.randn(2, faces, 6),
        "conditions": torch.randn(2, faces, 18),
        "flow_time": torch.rand(2),
    }
    exec(text, names)
    assert names["velocity"].shape == (2, faces, 6)


def test_public_names_are_documented():
    """Every public name has a docstring."""
    for name in gg.__all__:
        assert getattr(gg, name).__doc__, name

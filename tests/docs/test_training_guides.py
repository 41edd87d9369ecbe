"""The guides to training and to variables run, with a smaller network."""

import shlex
import sys
from pathlib import Path

import pytest
from support.pages import SMALL, blocks

import gensim_graph as gg
from gensim_graph.cli import main
from gensim_graph.data import cyclone_trajectories

RUN = cyclone_trajectories("train")[0]


def test_commands_of_the_guide_to_training(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(RUN.parents[1])
    for block in blocks("docs/howto/train.md", "sh"):
        text = block.replace("--members 8 --steps 4", "--members 2 --steps 1").replace("trainer.max_steps=2000", "")
        for line in text.replace("\\\n", " ").replace("--preset tiny", f"{SMALL} --preset tiny").splitlines():
            monkeypatch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as exit_:
                main()
            assert not exit_.value.code, line
    assert (tmp_path / "report" / "report.html").exists()


def test_commands_of_the_guide_to_students(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "meshes").symlink_to(RUN.parents[1])
    for block in blocks("docs/howto/distil.md", "sh"):
        text = block.replace("--members 8 --steps 4", "--members 2 --steps 1").replace("data.batch=4", "data.batch=1")
        text = text.replace("trainer.max_steps=2000", "trainer.max_steps=1").replace("max_steps=400", "max_steps=1")
        for line in text.replace("\\\n", " ").splitlines():
            monkeypatch.setattr(sys, "argv", shlex.split(line))
            with pytest.raises(SystemExit) as exit_:
                main()
            assert not exit_.value.code, line
    assert "1 evaluation in each step" in (tmp_path / "report" / "report.html").read_text()


def test_a_variable_more(monkeypatch, tmp_path):
    """Forecast, within its bounds, after a training of two steps."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    run = gg.open_store(str(RUN)).isel(time=slice(0, 13))
    ridge = (run["sit"] / 4).clip(0, 1).assign_attrs(units="1", long_name="share of ridged ice")
    run.assign(ridge=ridge).to_netcdf(Path("runs") / "a.nc")
    text = blocks("docs/howto/variable.md", "python")[0]
    text = text.replace('out="ridged"', f'out="ridged", overrides="{SMALL} sampler.steps=1".split(), progress=False')
    names: dict = {}
    exec(text.replace("steps=4, members=8", "steps=1, members=2"), names)
    found = names["forecast"]["ridge"]
    assert found.dims == ("member", "lead_time", "face")
    assert float(found.min()) >= 0
    assert float(found.max()) <= 1
    assert "ridge" in [variable.name for variable in gg.Surrogate.load("ridged").normaliser.table.state]


def test_names_of_another_program(monkeypatch, tmp_path):
    """The example for the rows of a table runs as it stands; the file of names reads all that it lists."""
    own = blocks("docs/howto/variable.md", "python")[1]
    names: dict = {}
    exec(own, names)

    (text,) = blocks("docs/howto/variable.md", "yaml")
    (tmp_path / "my_names.yaml").write_text(text)
    monkeypatch.setenv("GENSIM_GRAPH_NAMES", str(tmp_path / "my_names.yaml"))
    file = names["file"].drop_vars("ridged_percent")
    for name in ("my_floe_thickness", "my_u", "my_v"):
        file[name] = (0.5 * file["my_conc"]).assign_attrs(units="m" if "floe" in name else "m s-1")
    assert {"sic", "sit", "siu", "siv"} <= set(gg.open_store(file).data_vars)

"""Messages: their amount, whole on a narrow terminal, and commands that can be copied."""

import json
import logging
import shlex
from pathlib import Path

import pytest

from gensim_graph.cli.console import console, results
from gensim_graph.cli.main import COMMANDS, expand_home, load_command
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.io import write_mesh


@pytest.fixture(params=[40, 80])
def narrow(request, monkeypatch):
    """Terminals of 40 and 80 columns."""
    monkeypatch.setattr(console, "width", request.param)
    monkeypatch.setattr(results, "width", request.param)


@pytest.fixture
def source(tmp_path, square_grid) -> Path:
    """A mesh in a folder whose name a shell would split and rich would take for markup."""
    folder = tmp_path / "my [red] meshes of a very long name that no line of forty columns holds"
    folder.mkdir()
    return write_mesh(square_grid, folder / "mesh.nc")


# Whole lines


def test_paths_are_whole_and_quoted(run, narrow, source):
    target = source.with_name("copy.nc")
    _, out, _ = run("mesh", "convert", source, target)
    assert shlex.quote(str(target)) in out.splitlines()[-1]


def test_a_command_can_be_copied(run, narrow, monkeypatch, tmp_path):
    """The line after the message is the command, with the folder in quotes."""
    monkeypatch.setattr("gensim_graph.cli.training.fit", lambda *arguments, **keywords: None)
    out = tmp_path / "my run [1] in a folder with a long name"
    data = cyclone_trajectories("train")[0]
    code, said, error = run("train", "--data", data, "--out", out)
    assert code == 0, error
    command = shlex.split(said.splitlines()[-1])
    assert command == ["gensim-graph", "forecast", "--model", str(out), "--initial", "FILE@TIME"]


def test_log_messages_and_errors_are_whole(run, narrow, source):
    missing = source.with_name("missing.nc")
    code, _, error = run("mesh", "info", missing)
    assert code == 2
    assert len(error.splitlines()) == 1
    assert str(missing) in error


def test_a_log_message_is_one_line(run, narrow, monkeypatch, source):
    text = f"{source}: has a property of which the user should know, in a message of more than eighty columns"
    monkeypatch.setattr(
        "gensim_graph.cli.meshes.load_mesh", lambda *_, **__: logging.getLogger("gensim_graph.io").warning(text)
    )
    monkeypatch.setattr("gensim_graph.cli.meshes.quality_report", lambda mesh: type("Report", (), {"render": str})())
    _, _, error = run("mesh", "info", source)
    assert error == f"warning: {text}\n"


# Amount


def speak(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``mesh convert`` log a word at every level."""

    def write(mesh, target):
        for level in ("debug", "info", "warning"):
            getattr(logging.getLogger("gensim_graph.io"), level)(f"a word of {level}")
        return target

    monkeypatch.setattr("gensim_graph.cli.meshes.write_mesh", write)


@pytest.mark.parametrize("place", [0, 2, 99])
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ([], ["info", "warning"]),
        (["--quiet"], ["warning"]),
        (["-q"], ["warning"]),
        (["--verbose"], ["debug", "info", "warning"]),
        (["-v"], ["debug", "info", "warning"]),
    ],
)
def test_the_amount_is_chosen_before_or_after_the_command(run, monkeypatch, source, option, words, place):
    speak(monkeypatch)
    arguments = ["mesh", "convert", source, source.with_name("copy.nc")]
    code, out, error = run(*arguments[:place], *option, *arguments[place:])
    assert code == 0, error
    assert [word for word in ("debug", "info", "warning") if f"a word of {word}" in error] == words
    assert ("the mesh is in" in out) == ("info" in words)


def test_the_amount_belongs_to_one_call(run, monkeypatch, source):
    before = logging.getLogger("gensim_graph").level, list(logging.getLogger().handlers)
    speak(monkeypatch)
    assert run("-q", "mesh", "convert", source, source.with_name("copy.nc"))[1] == ""
    assert "the mesh is in" in run("mesh", "convert", source, source.with_name("copy.nc"))[1]
    assert (logging.getLogger("gensim_graph").level, list(logging.getLogger().handlers)) == before


def test_what_was_asked_for_is_printed_in_quiet_too(run, source):
    assert "faces" in run("mesh", "info", source, "--quiet")[1]


def test_quiet_and_verbose_exclude_each_other(run, source):
    code, _, error = run("--quiet", "mesh", "info", source, "--verbose")
    assert code == 2
    assert "give one of them" in error


def test_verbose_shows_where_an_error_came_from(run, tmp_path):
    assert "Traceback" in run("mesh", "info", tmp_path / "missing.nc", "-v")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_takes_them(name):
    command = load_command(name)
    for one in (command, *getattr(command, "commands", {}).values()):
        assert {"quiet", "verbose"} <= {parameter.name for parameter in one.params}


# The home folder


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("~/runs/*.nc", "HOME/runs/*.nc"),
        ("~", "HOME"),
        ("--out=~/run", "--out=HOME/run"),
        ("twin=~/twin.zarr", "twin=HOME/twin.zarr"),
        ("~/state.nc@2000-01-02T00,2000-01-03", "HOME/state.nc@2000-01-02T00,2000-01-03"),
        ("~trainer.clip", "~trainer.clip"),
        ("~nobody-has-this-name/x", "~nobody-has-this-name/x"),
        ("back~/up", "back~/up"),
        ("trainer.max_steps=5", "trainer.max_steps=5"),
    ],
)
def test_the_home_folder(monkeypatch, word, expected):
    monkeypatch.setenv("HOME", "HOME")
    assert expand_home(word) == expected


def test_the_home_folder_in_quotes(run, monkeypatch, source):
    monkeypatch.setenv("HOME", str(source.parent))
    code, _, error = run("mesh", "convert", "~/mesh.nc", "~/copy.nc")
    assert code == 0, error
    assert source.with_name("copy.nc").exists()


# What ships


def test_the_models_that_ship(run, narrow):
    code, out, _ = run("models")
    assert code == 0
    folder = out[out.index("small is in ") + 12 :].split(";")[0]
    assert (Path(folder) / "weights.safetensors").exists()
    assert "4.0 MB" in out
    assert "gensim-graph forecast --model small --initial FILE@TIME" in out


def test_the_data_that_ship(run, monkeypatch, tmp_path):
    """The folder holds all files of the table; with the link, the tutorial finds its mesh."""
    monkeypatch.chdir(tmp_path)
    _, out, _ = run("data")
    folder = Path(next(line for line in out.splitlines() if line.startswith("the files are in ")).split(" in ")[1])
    names = [path.name for path in cyclone_meshes().values()]
    names += [path.name for split in ("train", "test", "zero_shot") for path in cyclone_trajectories(split)]
    for name in names:
        assert name in out
        assert (folder / name).exists()

    link = next(line for line in out.splitlines() if "ln -s" in line)
    assert link.strip() == 'ln -s "$(gensim-graph data --folder)" meshes'
    Path("meshes").symlink_to(run("data", "--folder")[1].strip())
    assert Path("meshes/cyclone_512km/box_16km_a.msh").exists()
    assert "ln -s" not in run("data")[1]


# Device


def test_the_device_of_a_training(run, tmp_path):
    data = cyclone_trajectories("train")[0]
    code, out, error = run("train", "--data", data, "--device", "cpu", "--dry-run", "--out", tmp_path / "run")
    assert code == 0, error
    assert json.loads(out[out.index("{") :])["trainer"]["accelerator"] == "cpu"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--device", "tpu"], "expected auto, cpu or cuda"),
        (["--device", "cuda:1"], "CUDA_VISIBLE_DEVICES"),
        (["--device", "cuda"], "finds no GPU; take --device cpu"),
        (["--device", "cpu", "trainer.accelerator=gpu"], "give one of them"),
    ],
)
def test_devices_that_cannot_be_chosen(run, monkeypatch, tmp_path, words, message):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    code, _, error = run("train", *words, "--out", tmp_path / "run")
    assert code == 2
    assert message in error
    assert not list(tmp_path.iterdir())

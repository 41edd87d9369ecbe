"""The command line: the whole path on small data, exit codes and messages."""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import meshio
import numpy as np
import pytest
import xarray as xr
import zarr

from gensim_graph.cli import main
from gensim_graph.cli.sweep_folder import open_sweep
from gensim_graph.data import cyclone_meshes, cyclone_trajectories
from gensim_graph.errors import InputError

SMALL = [
    *("operator.width=16", "operator.heads=1", "operator.blocks=2", "operator.cell_width=8", "operator.embedding=8"),
    *("data.batch=2", "data.levels=[1.0]", "sampler.steps=2", "trainer.accelerator=cpu"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A model after two steps, trained through the command line."""
    out = tmp_path_factory.mktemp("cli") / "run"
    sys_argv, sys.argv = sys.argv, ["gensim-graph", "train", "--out", str(out), "trainer.max_steps=2", *SMALL]
    try:
        with pytest.raises(SystemExit) as exit_:
            main()
        assert not exit_.value.code
    finally:
        sys.argv = sys_argv
    return out


def test_mesh_info_counts_equal_meshio(run):
    path = cyclone_meshes()["box_16km_b"]
    code, out, _ = run("mesh", "info", path, "--json")
    report = json.loads(out)[str(path)]
    raw = meshio.read(path)
    assert code == 0
    assert report["nodes"] == len(raw.points)
    assert report["faces"] == len(raw.cells_dict["triangle"])


def test_train_forecast_evaluate(run, trained, tmp_path):
    truth = cyclone_trajectories("test")[0]
    store, report = tmp_path / "fc.zarr", tmp_path / "report"
    state = f"{truth}@2000-01-02T00:00"
    code, _, _ = run("forecast", "--model", trained, "--initial", state, "--members", 3, "--steps", 2, "--out", store)
    assert code == 0
    forecast = xr.open_zarr(store)
    assert forecast.sit.dims == ("member", "lead_time", "face")
    assert forecast.sit.shape == (3, 3, 2640)
    assert np.isfinite(forecast.sit).all()
    assert forecast.valid_time.values[-1] == np.datetime64("2000-01-03")
    code, _, _ = run("evaluate", store, "--truth", truth, "--out", report)
    assert code == 0
    assert (report / "report.html").stat().st_size > 100_000
    scores = json.loads((report / "scores.json").read_text())
    assert {row["model"] for row in scores} == {"forecast", "persistence"}
    assert all(row["out_of_bounds"] == 0 for row in scores)


def test_a_forecast_that_is_not_finished_is_not_scored(run, trained, tmp_path):
    truth, store = cyclone_trajectories("test")[0], tmp_path / "fc.zarr"
    state = f"{truth}@2000-01-02T00:00"
    run("forecast", "--model", trained, "--initial", state, "--members", 2, "--steps", 1, "--out", store)
    next((store / "restart").glob("*.safetensors")).unlink()
    zarr.open_array(str(store / "sit"))[1, -1] = np.nan
    code, _, message = run("evaluate", store, "--truth", truth, "--out", tmp_path / "report")
    assert code == 2
    assert "not finished" in message


def test_dry_run_writes_nothing(run, tmp_path):
    out = tmp_path / "run"
    code, text, _ = run("train", "--mesh", cyclone_meshes()["box_16km_d"], "--out", out, "--dry-run", *SMALL)
    assert code == 0
    assert "weights" in text
    assert not out.exists()


def broken_mesh(folder: Path) -> Path:
    whole = cyclone_meshes()["box_16km_a"].read_text()
    path = folder / "short.msh"
    path.write_text(whole[: len(whole) // 2])
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["mesh", "info", "nowhere.msh"], ["nowhere.msh", "no such file"]),
        (["train", "trainer.max_step=5"], ["max_step", "trainer.{max_steps"]),
        (["train", "data.batch=many"], ["data.batch", "many"]),
        (["train", "--preset", "huge"], ["huge", "tiny, small, medium, base"]),
        (["train", "--data", "nowhere/*.nc"], ["nowhere/*.nc", "no such file"]),
        (["train", "data.lead_time=5h"], ["5 h", "3 h", "data.lead_time"]),
        (["train", "data.lead_time=soon"], ["soon", "12h"]),
        (["forecast", "--model", "nowhere", "--initial", "x.nc"], ["nowhere", "no trained model"]),
        (["evaluate", "nowhere.zarr", "--truth", "x.nc"], ["nowhere.zarr", "no such forecast"]),
    ],
)
def test_wrong_input_is_one_message_and_exit_code_2(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    code, _, error = run(*arguments)
    assert code == 2
    assert "Traceback" not in error
    for word in words:
        assert word in error
    assert not list(tmp_path.iterdir())


def test_truncated_mesh(run, tmp_path):
    path = broken_mesh(tmp_path)
    code, _, error = run("train", "--mesh", path, "--out", tmp_path / "run")
    assert code == 2
    assert "short.msh" in error
    assert not (tmp_path / "run").exists()


def test_mesh_elsewhere_says_what_data_is_needed(run, tmp_path):
    points = np.array([[9e6, 0, 0], [9.1e6, 0, 0], [9.1e6, 1e5, 0], [9e6, 1e5, 0]])
    meshio.write_points_cells(tmp_path / "far.vtu", points, {"triangle": np.array([[0, 1, 2], [0, 2, 3]])})
    data = cyclone_trajectories("train")[0]
    code, _, error = run("train", "--mesh", tmp_path / "far.vtu", "--data", data, "--out", tmp_path / "run")
    assert code == 2
    assert "lies elsewhere" in error
    assert "--data" in error


@pytest.mark.parametrize("command", ["train", "forecast", "evaluate", "demo"])
def test_foreign_output_is_left_alone(run, trained, tmp_path, command):
    truth = cyclone_trajectories("test")[0]
    out = tmp_path / ("mine.zarr" if command == "forecast" else "mine")
    out.mkdir()
    (out / "thesis.tex").write_text("precious")
    state = f"{truth}@2000-01-02T00:00"
    if command == "evaluate":
        fc = tmp_path / "fc.zarr"
        run("forecast", "--model", trained, "--initial", state, "--members", 1, "--steps", 1, "--out", fc)
    arguments = {
        "train": ["train", "--out", out],
        "forecast": ["forecast", "--model", trained, "--initial", state, "--out", out],
        "evaluate": ["evaluate", tmp_path / "fc.zarr", "--truth", truth, "--out", out],
        "demo": ["demo", "--out", out],
    }[command]
    code, _, error = run(*arguments)
    assert code == 2
    assert "mine" in error
    assert [path.name for path in out.iterdir()] == ["thesis.tex"]


def test_time_that_the_file_lacks(run, trained, tmp_path):
    truth = cyclone_trajectories("test")[0]
    code, _, error = run(
        "forecast", "--model", trained, "--initial", f"{truth}@2001-01-01", "--out", tmp_path / "fc.zarr"
    )
    assert code == 2
    assert "2001-01-01" in error
    assert not (tmp_path / "fc.zarr").exists()


def test_forcing_that_does_not_reach(run, trained, tmp_path):
    truth = cyclone_trajectories("test")[0]
    state = f"{truth}@2000-01-04T12:00"
    code, _, error = run("forecast", "--model", trained, "--initial", state, "--steps", 9, "--out", tmp_path / "f.zarr")
    assert code == 2
    assert "forcing" in error
    assert not list(tmp_path.iterdir())


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.strip() == f"gensim-graph {version('gensim-graph')}"


def test_a_file_of_settings(run, tmp_path):
    (tmp_path / "mine.yaml").write_text("defaults:\n  - operator: small\ntrainer:\n  max_steps: 7\n")
    code, out, _ = run("train", "--config", tmp_path / "mine.yaml", "--out", tmp_path / "run", "--dry-run")
    assert code == 0
    assert '"max_steps": 7' in out
    assert '"width": 160' in out


@pytest.mark.slow
def test_a_sweep_trains_every_combination(run, tmp_path):
    """Numbered folders, each a run of its own; the same command resumes, another one is refused."""
    sweep = ["train", "--multirun", "--out", tmp_path / "sweep", "trainer.max_steps=1", *SMALL]
    code, _, error = run(*sweep, "trainer.seed=1,2")
    assert code == 0, error
    seeds = [json.loads((tmp_path / "sweep" / name / "run.json").read_text())["config"]["trainer"] for name in "01"]
    assert [one["seed"] for one in seeds] == [1, 2]
    assert all((tmp_path / "sweep" / name / "weights.safetensors").exists() for name in "01")
    rows = json.loads((tmp_path / "sweep" / "multirun.json").read_text())
    assert rows["1"][-1] == "trainer.seed=2"
    assert run(*sweep, "trainer.seed=1,2")[0] == 0
    code, _, error = run(*sweep, "trainer.seed=1,3")
    assert code == 2
    assert "another folder" in error


def test_a_sweep_goes_on_with_more_steps(tmp_path):
    """The steps may change, as those of a single run; the values of the sweep may not."""
    open_sweep(
        tmp_path / "sweep", [["trainer.max_steps=5", "trainer.seed=1"], ["trainer.max_steps=5", "trainer.seed=2"]]
    )
    open_sweep(
        tmp_path / "sweep", [["trainer.max_steps=9", "trainer.seed=1"], ["trainer.max_steps=9", "trainer.seed=2"]]
    )
    with pytest.raises(InputError, match="a sweep over other values"):
        open_sweep(tmp_path / "sweep", [["trainer.seed=1"], ["trainer.seed=3"]])


def test_several_values_without_multirun(run, tmp_path):
    code, _, error = run("train", "--out", tmp_path / "run", "trainer.seed=1,2")
    assert code == 2
    assert "--multirun" in error


def test_a_mistake_in_a_sweep_shows_before_the_first_training(run, tmp_path):
    code, _, error = run("train", "--multirun", "--out", tmp_path / "sweep", "trainer.max_steps=5,0")
    assert code == 2
    assert "trainer.max_steps" in error
    assert not (tmp_path / "sweep").exists()


@pytest.mark.parametrize("command", [["study"], ["benchmark", "--suite", "resolutions"]])
def test_the_study_by_its_name_and_by_that_of_version_0_1(run, monkeypatch, tmp_path, command):
    """Both spellings hand the same plan, budget and protocol on."""
    asked = []

    def watch(options, watch):
        asked.append(options)
        (tmp_path / "table.md").write_text("a table")
        return tmp_path / "table.md"

    monkeypatch.setattr("gensim_graph.cli.benchmarks.run_resolutions", watch)
    code, out, error = run(*command, "--quick", "--preset", "small", "--out", tmp_path, "operator.unit_km=null")
    assert code == 0, error
    assert "a table" in out
    assert asked[0].budget.preset == "small"
    assert asked[0].budget.steps == 800
    assert "operator.unit_km=null" in asked[0].budget.overrides

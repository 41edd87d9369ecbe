"""Training: resumes bit for bit, refuses folders and settings that are not its own, learns."""

import dataclasses
import json
import math
import os
import shutil
import signal
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.examples import TINY, small_trajectory
from support.meshes import jittered_box

from gensim_graph.config import RunConfig, compose_config
from gensim_graph.data import cyclone_trajectories
from gensim_graph.errors import InputError
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import config_of, fit, plan_training, read_record, train
from gensim_graph.train.run_folder import lock_folder
from gensim_graph.train.training_module import TrainingModule, linear_maps

DATA = [small_trajectory(jittered_box(6), seed=seed) for seed in range(2)]


class Killed(Exception):  # noqa: N818 - not an error of the program
    """The process ends without warning."""


def run(folder: Path, steps: int = 6, every: int = 3, *more: str, seed: int = 0) -> Surrogate:
    overrides = [*TINY, f"trainer.save_every={every}", f"trainer.seed={seed}", *more]
    return train(data=DATA, max_steps=steps, out=folder, overrides=overrides, progress=False)


def kill_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Raise in the forward pass after ``step`` steps; checkpoints saved before stay."""
    forward = TrainingModule.training_step

    def training_step(self, batch, batch_idx):
        if self.trainer.global_step == step:
            raise Killed
        return forward(self, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


def killed_and_resumed(folder: Path, monkeypatch: pytest.MonkeyPatch, at: int, **keywords: int) -> Surrogate:
    with monkeypatch.context() as patch:
        kill_at(patch, at)
        with pytest.raises(Killed):
            run(folder, **keywords)
    assert not (folder / "surrogate.json").exists()
    return run(folder, **keywords)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A run of 6 steps without interruption."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    run(folder)
    return folder


@pytest.fixture(scope="module")
def resumed(tmp_path_factory) -> Path:
    """A run of 6 steps, killed after 5 and resumed from its checkpoint after 3."""
    folder = tmp_path_factory.mktemp("runs") / "resumed"
    with pytest.MonkeyPatch.context() as monkeypatch:
        killed_and_resumed(folder, monkeypatch, at=5)
    return folder


def training_state(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", map_location="cpu", weights_only=False)["state_dict"]


# Going on from a trained model


def others() -> list:
    """Data of another mesh."""
    return [small_trajectory(jittered_box(7), seed=3)]


def test_a_start_gives_weights_size_and_statistics(finished):
    start = Surrogate.load(finished)
    plan = plan_training(data=others(), config=compose_config("tiny", TINY[5:]), start=start)
    assert plan.config.operator == start.operator.config
    known, kept = start.normaliser.statistics, plan.normaliser.statistics
    assert plan.normaliser.table == start.normaliser.table
    assert dataclasses.replace(kept, ranges=known.ranges) == known
    for name, (low, high) in kept.ranges.items():  # of both data
        ranges = [one.ranges[name] for one in (known, plan.statistics)]
        assert (low, high) == (min(one[0] for one in ranges), max(one[1] for one in ranges))
    weights = plan.operator().state_dict()
    assert all(torch.equal(weights[name], value) for name, value in start.operator.state_dict().items())


def test_a_few_steps_from_a_start_stay_near_it(tmp_path, finished):
    """With a small learning rate the weights stay near those of the start."""
    slow = [*TINY[5:], "trainer.learning_rate=1e-5"]
    tuned = train(data=others(), max_steps=2, out=tmp_path / "tuned", overrides=slow, start=finished, progress=False)
    start, found = Surrogate.load(finished).operator.state_dict(), tuned.operator.state_dict()
    name = "lift_conditions.scalar.weight"
    assert torch.allclose(found[name], start[name], atol=1e-4)
    assert not torch.equal(found[name], start[name])
    assert tuned.information["started_from"]["steps"] == 6


def test_a_run_from_another_start_is_another_run(tmp_path, finished):
    settings = {"data": DATA, "max_steps": 1, "out": tmp_path / "run", "overrides": TINY[5:], "progress": False}
    train(**settings, start=finished)
    train(**settings, start=finished)
    with pytest.raises(InputError, match=r"holds a run with other settings \(.*start"):
        train(**settings)


def test_other_data_from_a_start_are_another_run(tmp_path, finished):
    settings = {"max_steps": 1, "out": tmp_path / "run", "overrides": TINY[5:], "progress": False, "start": finished}
    train(**settings, data=[DATA[0]])
    with pytest.raises(InputError, match=r"other settings \(statistics"):
        train(**settings, data=[DATA[1]])


def test_a_start_keeps_its_size_but_not_its_backend(tmp_path, finished):
    settings = {"data": DATA, "max_steps": 1, "out": tmp_path / "run", "start": finished}
    with pytest.raises(InputError, match=r"leave out operator.width=32"):
        train(**settings, overrides=["operator.width=32"])
    chosen = config_of(Surrogate.load(finished), compose_config("tiny", ["operator.backend=reference", TINY[6]]))
    assert (chosen.operator.width, chosen.operator.backend) == (16, "reference")


def test_a_start_that_is_not_there_is_found_before_anything_is_simulated(tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys.modules["gensim_graph.train.training_run"], "plan_simulation", lambda *_: pytest.fail("simulated first")
    )
    with pytest.raises(InputError, match="no trained model here"):
        train(jittered_box(8), start=tmp_path / "nothing", out=tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["data.lead_time=6h"], "trained for 3 h; came data.lead_time=6h"),
        (["trainer.deterministic=true"], "is no deterministic twin"),
    ],
)
def test_settings_that_a_start_does_not_allow(finished, change, message):
    with pytest.raises(InputError, match=message):
        plan_training(data=DATA, config=compose_config("tiny", [*TINY, *change]), start=Surrogate.load(finished))


def test_data_that_lack_what_the_start_knows(finished):
    with pytest.raises(InputError, match="the data lack sid, which the model was trained with"):
        plan_training(data=[DATA[0].drop_vars("sid")], config=config(), start=Surrogate.load(finished))


def test_models_without_a_unit_have_that_of_their_time(tmp_path, finished):
    """Before ``unit_km`` existed, the unit of length was the spacing of the cells."""
    shutil.copytree(finished, tmp_path / "old")
    path = tmp_path / "old" / "surrogate.json"
    description = json.loads(path.read_text())
    assert description["operator"].pop("unit_km") == 16.0
    path.write_text(json.dumps(description))
    assert Surrogate.load(tmp_path / "old").operator.config.unit_km is None


def test_a_network_of_ones_own_has_to_be_known(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "own")
    path = tmp_path / "own" / "surrogate.json"
    path.write_text(path.read_text().replace('"network": "attention"', '"network": "mine"'))
    with pytest.raises(InputError, match="holds a network of your own, 'mine'; make it known first"):
        Surrogate.load(tmp_path / "own")


# Resuming


def test_a_resumed_run_has_the_same_averaged_weights(finished, resumed):
    whole, parts = (load_file(folder / "weights.safetensors") for folder in (finished, resumed))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_a_resumed_run_has_the_same_weights_and_scales(finished, resumed):
    whole, parts = training_state(finished), training_state(resumed)
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


def test_a_resumed_run_has_the_same_record(finished, resumed):
    """The mean loss of a row counts the steps before the interruption, too. Times of the clock differ."""
    clock = ["samples_per_second", "waiting"]
    whole, parts = (read_record(folder).drop(columns=clock) for folder in (finished, resumed))
    pd.testing.assert_frame_equal(whole, parts)


def test_a_resumed_run_has_the_same_optimiser(finished, resumed):
    states = [torch.load(f / "last.ckpt", weights_only=False)["optimizer_states"][0] for f in (finished, resumed)]
    whole, parts = (state["state"] for state in states)
    for key, values in whole.items():
        assert all(torch.equal(values[name], parts[key][name]) for name in values)


def test_a_run_killed_before_its_first_checkpoint_starts_anew(tmp_path, monkeypatch, finished):
    killed_and_resumed(tmp_path / "run", monkeypatch, at=2)
    whole, parts = (load_file(folder / "weights.safetensors") for folder in (finished, tmp_path / "run"))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_the_weights_move(finished):
    untrained = plan_training(data=DATA, config=config()).operator().state_dict()
    trained = load_file(finished / "weights.safetensors")
    assert any(not torch.equal(untrained[name], trained[name]) for name in trained)


def config() -> RunConfig:
    return compose_config("tiny", TINY)


def test_another_seed_is_another_run(tmp_path, finished):
    run(tmp_path / "run", seed=1)
    whole, other = (load_file(folder / "weights.safetensors") for folder in (finished, tmp_path / "run"))
    assert not torch.equal(whole["lift_conditions.scalar.weight"], other["lift_conditions.scalar.weight"])


def test_a_finished_run_comes_back_without_training(finished, monkeypatch):
    kill_at(monkeypatch, 0)
    before = (finished / "weights.safetensors").read_bytes()
    surrogate = run(finished)
    assert (finished / "weights.safetensors").read_bytes() == before
    assert surrogate.information["steps"] == 6


def test_nothing_temporary_is_left(finished):
    assert sorted(path.name for path in finished.iterdir()) == [
        "curves.png",
        "last.ckpt",
        "metrics.csv",
        "run.json",
        "surrogate.json",
        "weights.safetensors",
    ]


def test_what_training_returns_is_what_it_saved(finished):
    saved = Surrogate.load(finished).operator.state_dict()
    returned = run(finished).operator.state_dict()
    assert all(torch.equal(saved[name], returned[name]) for name in saved)


# Going on with a finished run


def compare_runs(one: Path, other: Path) -> None:
    """Weights, their average and the scale model are equal, bit for bit."""
    first, second = training_state(one), training_state(other)
    assert [name for name in first if not torch.equal(first[name], second[name])] == []


@pytest.mark.parametrize("every", [3, 4])
def test_a_finished_run_goes_on_with_more_steps(tmp_path, monkeypatch, caplog, every):
    """It equals one run of 10 steps whose rate follows the cosine of 6 steps first, then that of 10.

    With a checkpoint every 3 steps the last one is written within the sixth step, with 4 after the end.
    """
    run(tmp_path / "longer", 6, every)
    surrogate = run(tmp_path / "longer", 10, every)
    assert surrogate.information["steps"] == Surrogate.load(tmp_path / "longer").information["steps"] == 10
    assert json.loads((tmp_path / "longer" / "run.json").read_text())["config"]["trainer"]["max_steps"] == 10
    assert "goes on from step 6 to 10, with a learning rate of 0.0015" in caplog.text

    def rate(self, step):
        length = 6 if step < 6 else 10
        cosine = 0.5 * (1 + math.cos(math.pi * (step - 4) / (length - 4)))
        return (step + 1) / 4 if step < 4 else 0.01 + 0.99 * cosine

    monkeypatch.setattr(TrainingModule, "rate", rate)
    run(tmp_path / "one", 10, every)
    compare_runs(tmp_path / "longer", tmp_path / "one")


def test_a_longer_run_may_be_interrupted(tmp_path, monkeypatch):
    """The model of the shorter run stays until the longer one is finished."""
    run(tmp_path / "whole", 4, 2)
    shutil.copytree(tmp_path / "whole", tmp_path / "parts")
    run(tmp_path / "whole", 8, 2)
    with monkeypatch.context() as patch:
        kill_at(patch, 7)
        with pytest.raises(Killed):
            run(tmp_path / "parts", 8, 2)
    assert Surrogate.load(tmp_path / "parts").information["steps"] == 4
    run(tmp_path / "parts", 8, 2)
    compare_runs(tmp_path / "whole", tmp_path / "parts")


def test_fewer_steps_than_are_done(tmp_path, finished):
    shutil.copytree(finished, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    with pytest.raises(InputError, match=r"run: is trained for 6 steps already, and came trainer\.max_steps=5\. Give"):
        run(tmp_path / "run", 5)
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before


def test_checkpoints_and_device_of_a_run_may_change(tmp_path, finished, monkeypatch):
    """They change when and where it is computed, not what."""
    shutil.copytree(finished, tmp_path / "run")
    kill_at(monkeypatch, 0)
    run(tmp_path / "run", 6, 2, "trainer.accelerator=auto")
    trainer = json.loads((tmp_path / "run" / "run.json").read_text())["config"]["trainer"]
    assert (trainer["save_every"], trainer["accelerator"]) == (2, "auto")


# The average


def test_the_average_follows_the_weights(tmp_path):
    """Averaged by lerp with min(decay, (1 + n) / (10 + n)): with decay 0 it is the last weights."""
    run(tmp_path / "run", 3, 6, "trainer.ema=0.0")
    state = training_state(tmp_path / "run")
    averaged = [name for name in state if name.startswith("average.module.")]
    assert averaged
    for name in averaged:
        assert torch.equal(state[name], state[name.replace("average.module", "operator")])


# What is refused


@pytest.mark.parametrize("more", ["trainer.learning_rate=1e-4", "operator.width=24", "data.batch=3"])
def test_other_settings_in_the_same_folder(finished, more):
    with pytest.raises(InputError, match=rf"other settings \({more.split('=')[0]}\).*--out"):
        run(finished, 6, 3, more)


def test_other_data_in_the_same_folder(finished):
    other = small_trajectory(jittered_box(7))
    with pytest.raises(InputError, match=r"other settings.*meshes"):
        train(data=other, max_steps=6, out=finished, overrides=[*TINY, "trainer.save_every=3"], progress=False)


def test_a_foreign_folder(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="not a training run"):
        run(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "run").write_text("precious")
    with pytest.raises(InputError, match="not a training run"):
        run(tmp_path / "run")


def test_an_empty_folder_is_fine(tmp_path):
    assert run(tmp_path, 1, 6).information["steps"] == 1


def test_a_truncated_checkpoint(tmp_path):
    run(tmp_path / "run", 2, 1)
    checkpoint = tmp_path / "run" / "last.ckpt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"last\.ckpt: cannot be read.*delete it"):
        run(tmp_path / "run", 2, 1)


def test_wrong_data_leave_nothing_behind(tmp_path):
    with pytest.raises(InputError, match=r"no multiple of the data's step of 3 h"):
        run(tmp_path / "run", 12, 6, "data.lead_time=4h")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("text", ["soon", "h", "12 parsecs"])
def test_a_lead_time_that_is_none(tmp_path, text):
    with pytest.raises(InputError, match=r"data\.lead_time: expected .*such as 12h"):
        run(tmp_path / "run", 12, 6, f"data.lead_time='{text}'")


# What is trained


def test_data_on_another_mesh_of_the_box_are_remapped():
    mesh = jittered_box(8, seed=5)
    plan = plan_training(mesh, DATA, config())
    assert [part.mesh.hash for part in plan.data] == [mesh.hash]


def test_meshes_stay_apart_without_a_mesh_of_their_own():
    plan = plan_training(data=[DATA[0], small_trajectory(jittered_box(8))], config=config())
    assert [part.mesh.n_faces for part in plan.data] == [72, 128]


def test_initial_weights_follow_from_the_seed_alone():
    first = plan_training(data=DATA, config=config()).operator().state_dict()
    torch.randn(7)
    second = plan_training(data=DATA, config=config()).operator().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.slow
def test_200_steps_on_the_built_in_data_are_100_and_100(tmp_path, monkeypatch, cyclone_meshes):
    """The tiny preset as users run it, killed after 130 steps."""

    overrides = ["trainer.save_every=100", "trainer.accelerator=cpu"]

    def fit(folder: Path) -> None:
        train(max_steps=200, out=folder, overrides=overrides, progress=False)

    fit(tmp_path / "whole")
    with monkeypatch.context() as patch:
        kill_at(patch, 130)
        with pytest.raises(Killed):
            fit(tmp_path / "parts")
    fit(tmp_path / "parts")
    whole, parts = training_state(tmp_path / "whole"), training_state(tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


# What goes wrong on the way


def lose_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Make the loss NaN after ``step`` steps."""
    nll = TrainingModule._nll

    def broken(self, batch, predicted):
        return nll(self, batch, predicted) * (torch.nan if self.global_step == step else 1.0)

    monkeypatch.setattr(TrainingModule, "_nll", broken)


def test_a_loss_that_is_not_finite_stops_the_training(tmp_path, monkeypatch):
    lose_at(monkeypatch, 4)
    with pytest.raises(InputError, match=r"step 5: the loss is nan .*lower trainer\.learning_rate than 0\.002"):
        run(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["last.ckpt", "run.json"]
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=False)["global_step"] == 3
    assert all(values.isfinite().all() for values in training_state(tmp_path / "run").values())


def test_a_gradient_that_is_not_finite_is_never_saved(tmp_path, monkeypatch):
    nll = TrainingModule._nll
    monkeypatch.setattr(TrainingModule, "_nll", lambda *args: nll(*args) + (0 * args[2]).abs().sqrt().sum())
    with pytest.raises(InputError, match="step 1: the gradient is nan"):
        run(tmp_path / "run")
    assert not (tmp_path / "run" / "last.ckpt").exists()


def test_an_interrupted_run_saves_its_step_and_goes_on_bit_for_bit(tmp_path, monkeypatch, caplog, finished):
    """Ctrl-C in the middle of the fifth step; the next checkpoint was due after the sixth."""
    forward = TrainingModule.training_step
    handler = signal.getsignal(signal.SIGINT)

    def interrupted(self, batch, batch_idx):
        if self.global_step == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return forward(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run")
    assert "stopped after 5 steps; the same command goes on" in caplog.text
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "run" / "surrogate.json").exists()
    kill_at(monkeypatch, 4)  # done before
    run(tmp_path / "run")
    for whole, parts in [
        (training_state(finished), training_state(tmp_path / "run")),
        tuple(load_file(folder / "weights.safetensors") for folder in (finished, tmp_path / "run")),
    ]:
        assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []


def test_a_second_interrupt_stops_at_once(tmp_path, monkeypatch):
    def interrupted(self, batch, batch_idx):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("went on")

    monkeypatch.setattr(TrainingModule, "training_step", interrupted)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) is handler
    assert not (tmp_path / "run" / "last.ckpt").exists()


# Folders


@pytest.mark.parametrize("more", ["trainer.accelerator=abacus", "trainer.precision=7-bit"])
def test_an_accelerator_or_precision_that_is_none(tmp_path, more):
    with pytest.raises(InputError, match=more.replace("=", "=.*")):
        run(tmp_path / "run", 6, 3, more)
    assert not (tmp_path / "run").exists()


def test_a_failed_start_does_not_block_a_folder(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        kill_at(patch, 0)
        with pytest.raises(Killed):
            run(tmp_path / "run", 2)
    assert run(tmp_path / "run", 1).information["steps"] == 1


def damaged(finished: Path, folder: Path, name: str, content: str) -> Path:
    """Copy a run and replace the content of one file."""
    shutil.copytree(finished, folder)
    (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize("content", ["", '{"config": {"oper', "[]", "{}"])
def test_a_truncated_description_of_the_run(tmp_path, finished, content):
    with pytest.raises(InputError, match=r"run\.json: cannot be read.*--out"):
        run(damaged(finished, tmp_path / "run", "run.json", content))


def test_a_run_of_another_format(tmp_path, finished):
    described = json.loads((finished / "run.json").read_text()) | {"format_version": 2}
    with pytest.raises(InputError, match=r"run\.json: expected format_version 1, came 2"):
        run(damaged(finished, tmp_path / "run", "run.json", json.dumps(described)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"state_dict": {}}, "the weights"),
        ({"global_step": "three"}, "a global_step .* came 'three'"),
        ({"global_step": None}, "a global_step"),
        ({"global_step": -1}, "a global_step"),
    ],
)
def test_a_checkpoint_that_lacks_something(tmp_path, finished, change, message):
    shutil.copytree(finished, tmp_path / "run")
    checkpoint = tmp_path / "run" / "last.ckpt"
    torch.save(torch.load(checkpoint, weights_only=False) | change, checkpoint)
    with pytest.raises(InputError, match=rf"last\.ckpt: lacks {message}.*delete it"):
        run(tmp_path / "run")


@pytest.mark.parametrize("key", ["state_dict", "global_step", "optimizer_states", "loops"])
def test_a_checkpoint_without_one_of_its_parts(tmp_path, finished, key):
    shutil.copytree(finished, tmp_path / "run")
    checkpoint = tmp_path / "run" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=False)
    del state[key]
    torch.save(state, checkpoint)
    with pytest.raises(InputError, match=rf"last\.ckpt: .*{key}.*delete it"):
        run(tmp_path / "run")


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(InputError, match="is a file, not a folder"):
        run(tmp_path / "file" / "deep" / "run")


# Decay


def test_only_linear_maps_decay():
    """Scales, biases and logits are not pulled towards zero."""
    operator = plan_training(data=DATA, config=config()).operator()
    names = {id(weight): name for name, weight in operator.named_parameters()}
    decayed = {names[id(weight)] for weight in linear_maps(operator)}
    assert "blocks.0.attention.project.tensor" in decayed
    assert not [name for name in decayed if name.endswith(("scale", "bias", "logit", "from_length"))]
    assert not [name for name in set(names.values()) - decayed if name.endswith(("weight", ".vector", ".tensor"))]


def test_training_on_the_test_trajectory_is_said(caplog):
    """The default data contain no test trajectory, so there is no warning for them."""
    plan_training()
    assert "holds back" not in caplog.text
    plan_training(data=[str(path) for path in (*cyclone_trajectories("train")[:1], *cyclone_trajectories("test"))])
    assert "cyclone_16km_04.nc, which the built-in split holds back" in caplog.text


# Safety of a run folder


class Runs:
    """An object that makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_checkpoint_runs_no_code(tmp_path):
    """A run folder that somebody sends may hold anything; what is no tensor, number or text is refused."""
    plan = plan_training(data=DATA, config=compose_config("tiny", [*TINY, "trainer.max_steps=2"]))
    fit(plan, tmp_path / "run", progress=False)
    checkpoint = tmp_path / "run" / "last.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    torch.save(state | {"extra": Runs(tmp_path / "executed")}, checkpoint)
    with pytest.raises(InputError, match="might run code"):
        fit(plan, tmp_path / "run", progress=False)
    assert not (tmp_path / "executed").exists()


def test_two_trainings_in_one_folder(tmp_path):
    """The second is refused while the first one holds the folder, and may go on afterwards."""
    plan = plan_training(data=DATA, config=compose_config("tiny", [*TINY, "trainer.max_steps=1"]))
    with lock_folder(tmp_path / "run"), pytest.raises(InputError, match="another training is writing here"):
        fit(plan, tmp_path / "run", progress=False)
    fit(plan, tmp_path / "run", progress=False)
    assert (tmp_path / "run" / "weights.safetensors").exists()


def test_sigterm_saves_and_exits_with_143(tmp_path, monkeypatch, caplog):
    """As Ctrl-C: the step is finished and saved, a word is said, and the same command goes on."""
    plan = plan_training(data=DATA, config=compose_config("tiny", [*TINY, "trainer.max_steps=4"]))
    forward = TrainingModule.training_step

    def kill(self, batch, batch_idx):
        if self.trainer.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(self, batch, batch_idx)

    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "training_step", kill)
        with pytest.raises(SystemExit) as exit_:
            fit(plan, tmp_path / "run", progress=False)
    assert exit_.value.code == 143
    assert "the same command goes on" in caplog.text
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 2
    fit(plan, tmp_path / "run", progress=False)

"""What decides how fast a training is: the form of the optimiser, data on the device, and a clock of the waiting."""

import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from support.examples import small_trajectory
from support.meshes import jittered_box

from gensim_graph.data import TrainingSamples
from gensim_graph.surrogate import Surrogate
from gensim_graph.train import read_record, train
from gensim_graph.train.loop import WaitingTime, build_adamw, suits_fused
from gensim_graph.train.training_module import TrainingModule

QUICK = [
    "operator.width=16",
    "operator.heads=1",
    "operator.blocks=1",
    "operator.cell_width=8",
    "operator.embedding=8",
    "data.batch=2",
    "data.lead_time=3h",
    "trainer.warmup=2",
    "trainer.accelerator=cpu",
]
DATA = [small_trajectory(jittered_box(12), seed=seed) for seed in range(2)]


def run(folder: Path, steps: int = 6, *more: str) -> Surrogate:
    return train(data=DATA, max_steps=steps, out=folder, overrides=[*QUICK, *more], progress=False)


def state_of(folder: Path) -> dict:
    return torch.load(folder / "last.ckpt", map_location="cpu", weights_only=True)


def difference(one: Path, other: Path) -> float:
    """Largest difference of all weights and averages."""
    first, second = (state_of(folder)["state_dict"] for folder in (one, other))
    return max(float((value - second[name]).abs().max()) for name, value in first.items() if value.numel())


# The optimiser


def weights_after(steps: int, fused: bool, optimiser=None, weights=None):
    """Minimise a quadratic function; returns weights and optimiser."""
    weights = weights or [torch.nn.Parameter(torch.linspace(-1, 2, 7)), torch.nn.Parameter(torch.ones(3, 2))]
    groups = [{"params": weights[:1], "lr": 0.1, "weight_decay": 0.01}, {"params": weights[1:], "lr": 0.05}]
    optimiser = optimiser or build_adamw(groups, (0.9, 0.99), fused)
    for _ in range(steps):
        optimiser.zero_grad()
        sum(
            ((weight - 0.3) ** 2 * torch.arange(1.0, weight.numel() + 1).reshape(weight.shape)).sum()
            for weight in weights
        ).backward()
        optimiser.step()
    return weights, optimiser


def adam_by_hand(weight: torch.Tensor, steps: int, rate: float, decay: float) -> torch.Tensor:
    """Loshchilov and Hutter (2019), algorithm 2, in double precision."""
    value, mean, square = weight.double(), 0.0, 0.0
    scale = torch.arange(1.0, weight.numel() + 1).double().reshape(weight.shape)
    for step in range(1, steps + 1):
        gradient = 2 * (value - 0.3) * scale
        mean, square = 0.9 * mean + 0.1 * gradient, 0.99 * square + 0.01 * gradient**2
        update = mean / (1 - 0.9**step) / ((square / (1 - 0.99**step)).sqrt() + 1e-8)
        value = value - rate * decay * value - rate * update
    return value


@pytest.mark.parametrize("fused", [False, True])
def test_both_forms_are_adamw(fused):
    weights, _ = weights_after(20, fused)
    torch.testing.assert_close(
        weights[0].double(), adam_by_hand(torch.linspace(-1, 2, 7), 20, 0.1, 0.01), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(weights[1].double(), adam_by_hand(torch.ones(3, 2), 20, 0.05, 0.01), atol=1e-5, rtol=0)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_a_form_goes_on_with_the_state_of_the_other(before, after):
    """Ten steps and ten steps are twenty; the form is that of the second optimiser, not that of the saved one."""
    weights, optimiser = weights_after(10, before)
    saved = optimiser.state_dict()
    copies = [torch.nn.Parameter(weight.detach().clone()) for weight in weights]
    _, second = weights_after(0, after, weights=copies)
    second.load_state_dict(saved)
    weights_after(10, after, second, copies)

    assert {group["fused"] for group in second.param_groups} == {after or None}
    for came, expected in zip(copies, weights_after(20, after)[0], strict=True):
        torch.testing.assert_close(came, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("device", "precision", "expected"),
    [("cuda", "32-true", True), ("cuda", "bf16-mixed", True), ("cuda", "16-mixed", False), ("cpu", "32-true", False)],
)
def test_where_the_fused_form_is_taken(device, precision, expected):
    assert suits_fused(torch.device(device), precision) is expected


def test_a_training_changes_its_form_when_it_is_resumed(tmp_path, monkeypatch):
    """The fused form runs on a processor, too; clipping, rates, average and checkpoints are the same with it."""
    run(tmp_path / "plain", 6)
    for name, forms in (("fused", (True, True)), ("first", (True, False)), ("second", (False, True))):
        for steps, fused in zip((3, 6), forms, strict=True):
            with monkeypatch.context() as patch:
                patch.setattr(sys.modules[TrainingModule.__module__], "suits_fused", lambda *_, chosen=fused: chosen)
                patch.setattr(TrainingModule, "rate", lambda self, step: 0.5)
                run(tmp_path / name, steps)
        groups = state_of(tmp_path / name)["optimizer_states"][0]["param_groups"]
        assert {group["fused"] for group in groups} == {forms[1] or None}
    with monkeypatch.context() as patch:
        patch.setattr(TrainingModule, "rate", lambda self, step: 0.5)
        run(tmp_path / "constant", 6)
    assert difference(tmp_path / "fused", tmp_path / "constant") < 1e-5
    assert difference(tmp_path / "first", tmp_path / "constant") < 1e-5
    assert difference(tmp_path / "second", tmp_path / "constant") < 1e-5
    assert difference(tmp_path / "plain", tmp_path / "constant") > 1e-4


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_gpu_trains_and_goes_on_from_a_processor(tmp_path, precision):
    more = (f"trainer.precision={precision}", "trainer.compile=false", "trainer.log_every=1")
    run(tmp_path / "run", 3, *more[1:], "trainer.accelerator=cpu", f"trainer.precision={precision}")
    run(tmp_path / "run", 6, *more, "trainer.accelerator=gpu")
    groups = state_of(tmp_path / "run")["optimizer_states"][0]["param_groups"]
    assert {group["fused"] for group in groups} == {None if precision == "16-mixed" else True}
    record = read_record(tmp_path / "run")
    assert record["loss"].notna().all()
    assert record["waiting"].between(0, 1).all()


# Data on the device


def test_data_on_the_device_give_the_same_training(tmp_path):
    """Bit for bit on meshes that are not coarsened, also where the setting changes when the run is resumed."""
    fine = "data.levels=[1.0]"
    run(tmp_path / "off", 6, fine, "data.on_device=false")
    run(tmp_path / "on", 6, fine, "data.on_device=true")
    assert difference(tmp_path / "on", tmp_path / "off") == 0


@pytest.mark.parametrize("workers", [0, 1])
def test_data_on_the_device_with_levels_and_workers(tmp_path, workers):
    run(tmp_path / "off", 4, "data.on_device=false")
    run(tmp_path / "on", 4, "data.on_device=true", f"data.workers={workers}")
    assert difference(tmp_path / "on", tmp_path / "off") < 1e-5


def test_a_run_may_move_its_data(tmp_path):
    for steps, choice in ((3, "true"), (6, "auto")):
        run(tmp_path / "run", steps, f"data.on_device={choice}")
    for steps in (3, 6):
        run(tmp_path / "other", steps, "data.on_device=false")
    assert difference(tmp_path / "run", tmp_path / "other") < 1e-5


# Waiting


def test_the_clock_runs_while_a_batch_is_made():
    def batches():
        for number in range(3):
            time.sleep(0.05)
            yield number

    waiting = WaitingTime()
    begin, used = time.perf_counter(), 0.0
    for _ in waiting.measured(batches()):
        now = time.perf_counter()
        time.sleep(0.02)
        used += time.perf_counter() - now
    whole = time.perf_counter() - begin
    assert 0.15 - 1e-3 <= waiting.take() <= whole - used
    assert waiting.take() == 0


def slow_samples(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    made = TrainingSamples.__getitems__

    def slow(self, numbers):
        time.sleep(seconds)
        return made(self, numbers)

    monkeypatch.setattr(TrainingSamples, "__getitems__", slow)


def test_waiting_is_recorded_and_said(tmp_path, monkeypatch, caplog):
    """Every batch takes 0.3 s. The loader is one batch ahead, so the first row has two waits and the last row one."""
    slow_samples(monkeypatch, 0.3)
    run(tmp_path / "run", 4, "trainer.log_every=2", "data.workers=0")
    record = read_record(tmp_path / "run")
    seconds = 2 * 2 / record["samples_per_second"]
    assert (record["waiting"] * seconds >= np.array([0.6, 0.3]) - 1e-3).all()
    assert (record["waiting"] <= 1).all()
    assert caplog.text.count("the training waited for its samples in") == 1
    assert "raise data.workers" in caplog.text


def test_a_training_that_does_not_wait_says_nothing(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(WaitingTime, "take", lambda self: 0.0)
    run(tmp_path / "run", 4, "trainer.log_every=2", "data.workers=0")
    assert (read_record(tmp_path / "run")["waiting"] == 0).all()
    assert "waited for its samples" not in caplog.text

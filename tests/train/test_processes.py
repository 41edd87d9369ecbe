"""Training in two processes: the weights of one, and a clear end and the same weights if one of them is killed."""

import subprocess
import sys
import time

import psutil
import pytest
import torch
from safetensors.torch import load_file

from gensim_graph.data import cyclone_trajectories
from gensim_graph.train import is_first_process

NETWORK = ["operator.width=16", "operator.heads=1", "operator.blocks=1", "operator.cell_width=8", "data.workers=0"]
QUICK = [*NETWORK, "data.batch=2", "trainer.accelerator=cpu", "trainer.save_every=5"]


def command(out, devices, steps):
    data = str(cyclone_trajectories("train")[0])
    run = [sys.executable, "-m", "gensim_graph", "train", "--data", data, "--out", str(out), *QUICK]
    return [*run, f"trainer.devices={devices}", f"trainer.max_steps={steps}"]


def largest_difference(first, second):
    one, other = (load_file(folder / "weights.safetensors") for folder in (first, second))
    return max(float((one[name] - other[name]).abs().max()) for name in one if one[name].numel())


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path):
    """Fifty steps of the same batches: weights to 1e-6 (float32), and only one of the two talks."""
    for devices in (1, 2):
        done = subprocess.run(command(tmp_path / str(devices), devices, 50), capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("the model is in") == 1
    assert largest_difference(tmp_path / "1", tmp_path / "2") < 1e-6


@pytest.mark.slow
def test_a_process_that_is_killed(tmp_path):
    """The others end with a clear word; the same command goes on to the weights of a run that nobody killed."""
    out = tmp_path / "run"
    with subprocess.Popen(command(out, 2, 20), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as main:
        while not (out / "last.ckpt").exists():
            time.sleep(0.1)
            assert main.poll() is None
        psutil.Process(main.pid).children()[0].kill()
        error = main.communicate(timeout=120)[1]

    assert main.returncode == 2
    assert "another process of this training ended" in error
    assert "the same command goes on" in error

    for folder in (out, tmp_path / "whole"):
        assert subprocess.run(command(folder, 2, 20), capture_output=True).returncode == 0
    assert largest_difference(out, tmp_path / "whole") == 0


@pytest.mark.parametrize(
    ("environment", "first"),
    [({}, True), ({"RANK": "0"}, True), ({"RANK": "3"}, False), ({"LOCAL_RANK": "1"}, False), ({"RANK": ""}, True)],
)
def test_the_first_process_talks(monkeypatch, environment, first):
    for name in ("RANK", "SLURM_PROCID", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() is first


def test_a_sum_over_one_process():
    from gensim_graph.train.processes import sum_over_processes

    value = torch.tensor([1.0, 2.0])
    assert sum_over_processes(value) is value

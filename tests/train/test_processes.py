"""Training in two processes, started by Lightning, torchrun or SLURM: the weights of one process.

If one of them is killed, the others end with a clear word, and the same command leads to the same weights.
"""

import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil
import pytest
import torch
from safetensors.torch import load_file

from gensim_graph.data import cyclone_trajectories
from gensim_graph.errors import InputError
from gensim_graph.train import is_first_process, simulated_data
from gensim_graph.train.processes import check_launch, own_part, sum_over_processes
from gensim_graph.train.sharded_training import whole

NETWORK = ["operator.width=16", "operator.heads=1", "operator.blocks=1", "operator.cell_width=8", "data.workers=0"]
QUICK = [*NETWORK, "data.batch=2", "trainer.accelerator=cpu", "trainer.save_every=5"]


def arguments(out, devices, steps):
    data = str(cyclone_trajectories("train")[0])
    run = ["-m", "gensim_graph", "train", "--data", data, "--out", str(out), *QUICK]
    return [*run, f"trainer.devices={devices}", f"trainer.max_steps={steps}"]


def command(out, devices, steps):
    return [sys.executable, *arguments(out, devices, steps)]


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def torchrun(*options):
    return [sys.executable, "-m", "torch.distributed.run", *options]


def on_one_machine(out):
    """One torchrun that starts two processes: a list of (command, environment)."""
    return [(torchrun("--standalone", "--nproc_per_node=2") + arguments(out, 2, 20), {})]


def on_two_machines(out):
    """Two torchruns with a process each, as on two machines."""
    place = ["--nnodes=2", "--nproc_per_node=1", "--master_addr=127.0.0.1", f"--master_port={free_port()}"]
    train = [*arguments(out, 1, 20), "trainer.num_nodes=2"]
    return [(torchrun(*place, f"--node_rank={number}") + train, {}) for number in range(2)]


def under_slurm(out):
    """Two processes in the environment that srun makes for two tasks on one machine."""
    job = {
        **{"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "train", "SLURM_JOB_NUM_NODES": "1", "SLURM_NNODES": "1"},
        **{"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NODEID": "0", "SLURM_NODELIST": "localhost"},
        **{"SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "1"},
        **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())},
    }
    places = [{"SLURM_PROCID": number, "SLURM_LOCALID": number} for number in "01"]
    return [(command(out, 2, 20), job | place) for place in places]


def sharded(out):
    """Two processes that Lightning starts, with a part of the weights each."""
    return [([*command(out, 2, 20), "trainer.strategy=fsdp"], {})]


def run_together(commands):
    """Run commands at the same time; returns their output, all of it."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    running = [subprocess.Popen(words, env=os.environ | more, **pipes) for words, more in commands]
    texts = [one.communicate(timeout=300)[0] for one in running]
    assert [one.returncode for one in running] == [0] * len(running), texts
    return "".join(texts)


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


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Folder of the same training in one process."""
    out = tmp_path_factory.mktemp("alone") / "run"
    run_together([(command(out, 1, 20), {})])
    return out


@pytest.mark.slow
@pytest.mark.parametrize("start", [on_one_machine, on_two_machines, under_slurm, sharded])
def test_launchers_train_as_one_process(tmp_path, alone, start):
    """Twenty steps: weights to 1e-6 (float32), one folder, one process that talks."""
    text = run_together(start(tmp_path / "run"))
    assert text.count("the model is in") == text.count("training data") == 1
    assert "warning" not in text.lower().replace("warnings.", "")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert {path.name for path in (tmp_path / "run").iterdir()} == {path.name for path in alone.iterdir()}
    assert largest_difference(tmp_path / "run", alone) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("strategies", [("fsdp", "fsdp"), ("fsdp", "ddp"), ("auto", "fsdp")])
def test_a_run_goes_on_with_another_strategy(tmp_path, strategies):
    """Ten steps with one strategy and ten with another: the weights of one process that did both."""
    for steps, strategy in zip((10, 20), strategies, strict=True):
        devices = 1 if strategy == "auto" else 2
        run_together([([*command(tmp_path / "two", devices, steps), f"trainer.strategy={strategy}"], {})])
        run_together([(command(tmp_path / "one", 1, steps), {})])
    assert largest_difference(tmp_path / "two", tmp_path / "one") < 1e-6


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


LAUNCHERS = {
    **dict.fromkeys(("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "TORCHELASTIC_RUN_ID")),
    **dict.fromkeys(("SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_NAME", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NUM_NODES")),
}


@pytest.fixture
def launched(monkeypatch):
    """Set the variables of a launcher, and only those."""

    def launch(environment):
        for name in LAUNCHERS:
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

    return launch


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0"}, True),
        ({"RANK": "3"}, False),
        ({"RANK": "0", "SLURM_PROCID": "1"}, True),  # torchrun under srun
        ({"LOCAL_RANK": "1"}, False),
        ({"RANK": ""}, True),
        ({"SLURM_PROCID": "0", "LOCAL_RANK": "1"}, False),  # started by Lightning in a batch script
        ({"SLURM_PROCID": "2"}, False),
        ({"NODE_RANK": "1", "LOCAL_RANK": "0"}, False),
    ],
)
def test_the_first_process_talks(launched, environment, first):
    launched(environment)
    assert is_first_process() is first


def of_torchrun(processes, here):
    return {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(here)}


def of_srun(processes, machines):
    numbers = {"SLURM_STEP_NUM_TASKS": str(processes), "SLURM_STEP_NUM_NODES": str(machines)}
    return {"SLURM_NTASKS": str(processes), "SLURM_JOB_NAME": "train", **numbers}


@pytest.mark.parametrize(
    ("environment", "devices", "machines", "message"),
    [
        ({}, 4, 2, None),
        (of_torchrun(4, 2), 2, 2, None),
        (of_srun(8, 2), 4, 2, None),
        ({"SLURM_NTASKS": "8", "SLURM_JOB_NAME": "train"}, 1, 1, None),  # a batch script that does not call srun
        (of_torchrun(2, 2), 1, 1, "torchrun started 2 processes.*add trainer.devices=2 trainer.num_nodes=1"),
        (of_torchrun(4, 2), 4, 1, "torchrun started 4 processes on 2 machines; add trainer.devices=2 trainer.num_nod"),
        (of_srun(1, 1), 4, 1, "srun started 1 process, .* ask for 4; add trainer.devices=1 trainer.num_nodes=1"),
        (of_srun(3, 2), 1, 1, "srun started 3 processes.*processes of each machine"),
    ],
)
def test_settings_that_do_not_fit_the_launcher(launched, environment, devices, machines, message):
    launched(environment)
    if message is None:
        check_launch(devices, machines)
        return
    with pytest.raises(InputError, match=message):
        check_launch(devices, machines)


def test_two_processes_simulate_once(tmp_path, square_grid, monkeypatch):
    """Both want the data at the same time: one simulates, the other one waits, and nothing else is left there."""
    calls = []

    def write(ensemble, store, progress):
        calls.append(store)
        time.sleep(0.3)
        original(ensemble, store, progress=False)

    original = simulated_data.write_cyclone
    monkeypatch.setattr(simulated_data, "write_cyclone", write)
    data = simulated_data.plan_simulation(square_grid, tmp_path / "run", seed=0)
    data = replace(data, experiment=replace(data.experiment, members=1, days=0.5))

    both = [threading.Thread(target=data.write, args=(False,)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(calls) == 1
    assert data.exists
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["simulated.zarr"]


def test_values_of_one_process():
    value = torch.tensor([1.0, 2.0])
    assert sum_over_processes(value) is value
    assert whole(value) is value
    assert own_part(value).data_ptr() == value.data_ptr()

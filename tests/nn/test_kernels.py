"""Few kernels on a GPU: counted after compilation, without a GPU, and no step that makes the processor wait for it."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.examples import SMALL, small_trajectory
from support.meshes import jittered_box
from support.places import ROOT
from support.surrogates import DATA, MESH, random_surrogate
from support.waiting import NoWaiting
from torch.utils._python_dispatch import _disable_current_modes

import gensim_graph as gg
from gensim_graph.config import TrainerConfig
from gensim_graph.data import Normaliser, SamplingConfig, TrainingSamples, Trajectories, as_forcing, statistics_of
from gensim_graph.flow import Bounds, SamplerConfig, sample
from gensim_graph.nn import OperatorConfig, VelocityOperator
from gensim_graph.train.batch_loader import BatchLoader
from gensim_graph.train.measures import Measures
from gensim_graph.train.training_module import TrainingModule

FORWARD, TRAINING = 150, 420
"""Most kernels of ``tiny``, of which 91 and 260 are matrix products and operators."""


@pytest.mark.slow
def test_number_of_kernels():
    code = (
        "import json\n"
        "from kernel_count import count_kernels\n"
        "print(json.dumps([count_kernels('tiny', cells=32, gradients=way).kernels for way in (False, True)]))\n"
    )
    paths = os.pathsep.join((str(ROOT), str(ROOT / "benchmarks")))
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr
    forward, training = json.loads(done.stdout.splitlines()[-1])
    assert forward <= FORWARD
    assert training <= TRAINING


@pytest.mark.parametrize("gradients", [False, True])
@pytest.mark.parametrize("backend", ["clusters", "native"])
def test_the_network_and_a_step_of_the_sampler_never_wait(backend, gradients):
    size = OperatorConfig(width=16, blocks=2, heads=1, cell_width=16, cell_layers=1, embedding=16, backend=backend)
    operator = VelocityOperator(size, 6, 18)
    axis = np.arange(16) * 16e3
    graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
    plan = operator.plan(graph)
    noise, conditions = torch.randn(2, graph.n_cells, 6), torch.randn(2, graph.n_cells, 18)
    bounds = Bounds(torch.full((6,), -3.0), torch.full((6,), 3.0))

    with torch.set_grad_enabled(gradients), NoWaiting():
        prepared = operator.prepare(conditions, plan)

        def velocity(state, flow_time):
            return operator.velocity(state, state.new_full((len(state),), flow_time), prepared)

        result = sample(velocity, noise, SamplerConfig(steps=2), bounds)

    assert torch.isfinite(result).all()


STEPS = 4


class WatchedSteps(Callback):
    """Refuses to wait from the moment the batch is there until all other callbacks are done.

    The first step may read from a checkpoint how many steps are done.
    """

    def __init__(self):
        self.mode, self.steps = None, 0

    def on_train_batch_start(self, trainer, *args):
        if 0 < trainer.global_step < trainer.max_steps - 1:  # the last step writes the measures
            self.mode = NoWaiting()
            self.mode.__enter__()

    def on_train_batch_end(self, *args):
        if self.mode:
            self.mode.__exit__(None, None, None)
            self.mode, self.steps = None, self.steps + 1

    def on_exception(self, *args):
        self.on_train_batch_end()


@pytest.mark.parametrize("backend", ["clusters", "native"])
def test_a_training_step_never_waits(backend, monkeypatch, tmp_path):
    """Loss, gradients, clipping, average and measures; the optimiser of PyTorch counts its steps on the processor."""
    update = torch.optim.AdamW.step

    def unwatched(self, closure=None):
        loss = closure()
        with _disable_current_modes():
            update(self)
        return loss

    monkeypatch.setattr(torch.optim.AdamW, "step", unwatched)
    module, batches = training(backend)
    watched = WatchedSteps()
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_steps=STEPS,
        callbacks=[Measures(every=100, samples=2), watched],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module, batches)
    assert watched.steps == STEPS - 2
    assert torch.isfinite(module.gradient_norm)


def training(backend: str) -> tuple[TrainingModule, BatchLoader]:
    """A module and its batches, two small samples each."""
    table, config = gg.default_variables(), SamplingConfig(batch=2, clusters=2, core=1, lead_time="6h")
    store = gg.open_store(small_trajectory(jittered_box(16), hours=12, seed=0))
    data = [Trajectories.from_dataset(store, table, config.lead)]
    normaliser = Normaliser(table, statistics_of(data, table, 6.0))
    size = replace(SMALL, backend=backend)
    operator = VelocityOperator(size, normaliser.state_channels, normaliser.condition_channels)
    samples = TrainingSamples(data, normaliser, config, seed=0, count=2 * STEPS)
    return TrainingModule(operator, TrainerConfig(max_steps=STEPS)), BatchLoader(samples, 2)


@pytest.mark.parametrize("deterministic", [False, True])
def test_a_step_of_a_forecast_never_waits(deterministic):
    model = random_surrogate(deterministic, size=0.1)
    plan, time = model.plan(MESH), DATA["time"].values[0]
    forcing = as_forcing(DATA, MESH, model.normaliser.table)
    now = forcing.at(time)
    state = torch.rand(2, MESH.n_faces, len(model.normaliser.table.state))
    inputs = (torch.from_numpy(values) for values in (now.forcing, now.forcing, now.slow))
    generators = [torch.Generator().manual_seed(member) for member in range(2)]
    model.step(state, *inputs, plan, generators)  # statistics and bounds become tensors at their first use

    inputs = (torch.from_numpy(values) for values in (now.forcing, now.forcing, now.slow))
    with NoWaiting():
        result = model.step(state, *inputs, plan, generators)
    assert torch.isfinite(result).all()

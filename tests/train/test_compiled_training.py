"""A compiled training: padded batches, the same weights as without, one compilation, and it goes on after a stop.

The training runs in a process of its own, without the shape checks of the other tests, which the compiler would trace.
The backend ``aot_eager`` compiles no code.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.examples import relative_error, small_trajectory
from support.meshes import jittered_box
from support.places import ROOT

from gensim_graph.graph import GraphSizes
from gensim_graph.nn import compile_network
from gensim_graph.train import train, training_module
from gensim_graph.train.training_module import TrainingModule

SETTINGS = ["operator.width=16", "operator.heads=1", "operator.blocks=2", "operator.cell_width=16"]
SETTINGS += ["operator.cell_layers=1", "operator.embedding=16", "data.batch=2", "data.clusters=3", "data.core=1"]
SETTINGS += ["data.lead_time=6h", "data.validation=0", "data.workers=1", "trainer.save_every=3"]


class Killed(Exception):  # noqa: N818 - not an error of the program
    """The training was killed."""


def weights(folder: Path) -> torch.Tensor:
    state = torch.load(folder / "last.ckpt", map_location="cpu", weights_only=False)["state_dict"]
    return torch.cat([values.double().flatten() for values in state.values()])


def trainings(folder: Path) -> dict:
    """Six steps without and with compilation, and three and three more with it."""
    data = [small_trajectory(jittered_box(size), hours=12, seed=0) for size in (20, 27)]
    sizes = set()
    step = TrainingModule.training_step

    def seen(self, batch, batch_idx):
        sizes.add(GraphSizes.of(batch.graph))
        return step(self, batch, batch_idx)

    def compiled(*arguments, **options):
        return compile_network(*arguments, **options, backend="aot_eager")

    training_module.compile_network = compiled
    TrainingModule.training_step = seen

    def run(name: str, steps: int, choice: str) -> torch.Tensor:
        overrides = [*SETTINGS, f"trainer.compile={choice}"]
        train(data=data, max_steps=steps, out=folder / name, overrides=overrides, progress=False)
        return weights(folder / name)

    plain, several = run("plain", 6, "false"), len(sizes)
    sizes.clear()
    fast = run("fast", 6, "true")
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]

    kill_at(3)
    try:
        run("stopped", 6, "true")
    except Killed:
        TrainingModule.training_step = seen
    again = run("stopped", 6, "true")

    return {
        "error": relative_error(fast, plain),
        "sizes": [several, len(sizes)],
        "graphs": graphs,
        "goes on": torch.equal(again, fast),
    }


def kill_at(step: int) -> None:
    """Raise in the forward pass after ``step`` steps."""
    forward = TrainingModule.training_step

    def training_step(self, batch, batch_idx):
        if self.trainer.global_step == step:
            raise Killed
        return forward(self, batch, batch_idx)

    TrainingModule.training_step = training_step


@pytest.mark.slow
def test_compiled_training(tmp_path):
    environment = os.environ | {"UNCHECKED": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    command = [sys.executable, __file__, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["error"] < 1e-4, found
    assert found["sizes"][0] > found["sizes"][1] == 1, found
    assert found["graphs"] == 5, found  # conditions, tokens, a block, a skip, cells
    assert found["goes on"], found


if __name__ == "__main__":
    print(json.dumps(trainings(Path(sys.argv[1]))))

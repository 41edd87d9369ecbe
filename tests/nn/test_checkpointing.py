"""Blocks that are computed again in the backward pass: the same numbers with less memory."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from support.examples import SMALL, random_operator, regular_grid, relative_error
from support.places import ROOT
from torch.autograd.graph import saved_tensors_hooks

from gensim_graph.config import TrainerConfig, compose_config
from gensim_graph.graph import build_graph
from gensim_graph.nn import BASELINES, build_operator
from gensim_graph.train.training_module import TrainingModule

BLOCKS = 6


def operator_of(backend: str):
    if backend != "meshgraphnet":
        return random_operator(replace(SMALL, blocks=BLOCKS, backend=backend))
    config = replace(BASELINES["meshgraphnet"], width=16, blocks=BLOCKS, embedding=16)
    like = random_operator()
    operator = build_operator(config, like.state, like.conditions)
    torch.nn.init.normal_(operator.decode[-1].weight)
    return operator


def inputs(operator):
    torch.manual_seed(1)
    graph = build_graph(regular_grid(20))
    fields = torch.randn(2, graph.n_cells, 24)
    return fields[..., :6], fields[..., 6:], torch.tensor([0.2, 0.7]), operator.plan(graph)


def evaluate(operator, noised, conditions, flow_time, plan):
    return operator.velocity(noised, flow_time, operator.prepare(conditions, plan))


def gradients(operator, function=evaluate):
    """Loss, gradients of all weights, and bytes kept for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    values = inputs(operator)
    with saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = function(operator, *values).square().mean()
    grads = torch.autograd.grad(loss, list(operator.parameters()), allow_unused=True)
    return loss.detach(), torch.cat([part.flatten() for part in grads if part is not None]), sum(kept.values())


@pytest.mark.parametrize("backend", ["native", "clusters", "meshgraphnet"])
def test_the_same_loss_and_gradients_with_less_memory(backend):
    operator = operator_of(backend)
    loss, grads, kept = gradients(operator)
    operator.checkpoint_blocks = True
    again, same_grads, less = gradients(operator)
    assert torch.equal(again, loss)
    assert torch.equal(same_grads, grads)
    assert less < 0.6 * kept


def test_the_setting_reaches_the_network_and_not_its_average():
    config = compose_config("tiny", ["trainer.checkpoint_blocks=true"]).trainer
    module = TrainingModule(random_operator(), config)
    assert module.operator.checkpoint_blocks
    assert not module.average.module.checkpoint_blocks
    assert not TrainingModule(random_operator(), TrainerConfig()).operator.checkpoint_blocks


def compiled_gradients() -> dict:
    """Loss and gradients of the compiled network, with checkpoints against without."""
    operator, found = operator_of("native"), []
    for operator.checkpoint_blocks in (False, True):
        compiled = torch.compile(evaluate, dynamic=False, fullgraph=True, backend="aot_eager")
        found.append(gradients(operator, compiled))

    plain, again = found
    errors = [relative_error(one, other) for one, other in zip(again[:2], plain[:2], strict=True)]
    return {"error": max(errors), "share": again[2] / plain[2]}


@pytest.mark.slow
def test_compiled_with_the_same_numbers():
    environment = os.environ | {"UNCHECKED": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    command = [sys.executable, __file__]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["error"] < 1e-6, found
    assert found["share"] < 0.6, found


if __name__ == "__main__":
    print(json.dumps(compiled_gradients()))

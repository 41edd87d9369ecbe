"""Padded batches: the same loss and gradients, few different shapes, and one compilation for many batches."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from support.examples import SMALL, random_operator, regular_grid, relative_error
from support.meshes import jittered_box
from support.places import ROOT

import gensim_graph as gg
from gensim_graph.config import TrainerConfig
from gensim_graph.data import (
    Normaliser,
    SamplingConfig,
    TrainingBatch,
    TrainingSamples,
    Trajectories,
    collate,
    cyclone_trajectories,
    pad_batch,
    statistics_of,
)
from gensim_graph.graph import GraphSizes, batch_graphs, build_graph, extract_subgraph, pad_graph
from gensim_graph.nn import BASELINES, build_operator
from gensim_graph.nn.attention.triton.token_lists import list_readers
from gensim_graph.train.batch_loader import BatchLoader, BatchPadding
from gensim_graph.train.training_module import TrainingModule, _velocity_of

TABLE = gg.default_variables()
LARGER = GraphSizes(cells=1500, edges=5000, clusters=11, neighbours=7, keys=832)


def graphs():
    """Parts of a triangle mesh, a whole grid, and a mesh whose last cluster is not full."""
    mesh = jittered_box(24)
    return [
        extract_subgraph(build_graph(mesh), 0, 1, 3).graph,
        build_graph(regular_grid(10)),
        build_graph(jittered_box(11)),
    ]


def random_batch(parts, state=6, conditions=18, seed=0) -> TrainingBatch:
    random = torch.Generator().manual_seed(seed)
    samples = []
    for graph in parts:
        noised, velocity = torch.randn(2, graph.n_cells, state, generator=random)
        values = torch.randn(graph.n_cells, conditions, generator=random)
        lower, upper = torch.rand(2, graph.n_cells, state, generator=random) < 0.1
        weight = (torch.rand(graph.n_cells, 1, generator=random) < 0.8).float().expand(-1, state)
        time = torch.rand((), generator=random)
        samples.append(TrainingBatch(graph, noised, values, velocity, lower, upper & ~lower, weight, time))
    return collate(samples)


def in_float64(batch: TrainingBatch) -> TrainingBatch:
    def precise(values):
        return values.double() if values.is_floating_point() else values

    graph = type(batch.graph)(**{name: precise(values) for name, values in batch.graph.to_dict().items()})
    return TrainingBatch._make([graph, *(precise(values) for values in batch[1:])])


def loss_and_gradients(module: TrainingModule, batch: TrainingBatch):
    plan = module.operator.plan(batch.graph)
    loss, weight = module._summed_loss(batch, module._evaluate(batch.noised, batch.conditions, batch.flow_time, plan))
    mean = loss / weight
    weights = [weight for weight in module.parameters() if weight.requires_grad]
    grads = torch.autograd.grad(mean, weights, allow_unused=True)
    return mean.detach(), torch.cat([grad.flatten() for grad in grads if grad is not None])


def module_of(backend: str) -> TrainingModule:
    if backend == "meshgraphnet":
        config = replace(BASELINES["meshgraphnet"], width=16, blocks=2, embedding=16)
        operator = build_operator(config, random_operator().state, random_operator().conditions)
        torch.nn.init.normal_(operator.decode[-1].weight)
    else:
        operator = random_operator(replace(SMALL, backend=backend, heads=2))
    return TrainingModule(operator, TrainerConfig())


@pytest.mark.parametrize("backend", ["native", "clusters", "reference", "meshgraphnet"])
@pytest.mark.parametrize("unit", [16.0, None])
def test_loss_and_gradients_are_the_same(backend, unit):
    module = module_of(backend)
    module.operator.config = replace(module.operator.config, unit_km=unit)
    batch = random_batch(graphs())
    padded = pad_batch(batch, LARGER)
    assert GraphSizes.of(padded.graph) == LARGER
    plain, longer = (loss_and_gradients(module, one) for one in (batch, padded))
    assert relative_error(longer[0], plain[0]) < 1e-6
    assert relative_error(longer[1], plain[1]) < 2e-6


def test_loss_and_gradients_are_the_same_in_double_precision():
    module = module_of("reference").double()
    batch = in_float64(random_batch(graphs()))
    plain, longer = (loss_and_gradients(module, one) for one in (batch, pad_batch(batch, LARGER)))
    assert relative_error(longer[0], plain[0]) < 1e-13
    assert relative_error(longer[1], plain[1]) < 1e-11


def test_a_single_graph_is_padded_too():
    module = module_of("native")
    batch = random_batch(graphs()[:1])
    assert batch.graph.batch is None
    plain, longer = (loss_and_gradients(module, one) for one in (batch, pad_batch(batch, LARGER)))
    assert relative_error(longer[1], plain[1]) < 2e-6


def test_the_values_of_padding_have_no_influence():
    """Numbers in the padded cells change neither the loss nor a gradient."""
    module = module_of("native")
    batch = random_batch(graphs())
    padded = pad_batch(batch, LARGER)
    noise = torch.randn_like(padded.noised)
    noise[:, : batch.graph.n_cells] = 0
    changed = padded._replace(noised=padded.noised + noise, velocity=padded.velocity - noise)
    plain, other = (loss_and_gradients(module, one) for one in (padded, changed))
    assert torch.equal(other[0], plain[0])
    assert relative_error(other[1], plain[1]) < 1e-6


def test_a_graph_that_does_not_fit_is_refused():
    graph = batch_graphs(graphs())
    with pytest.raises(ValueError, match="cannot be padded"):
        pad_graph(graph, LARGER._replace(cells=graph.n_cells))
    assert pad_graph(graph, GraphSizes.of(graph)) is graph


def test_sizes_grow_by_quarters():
    base = GraphSizes.covering([GraphSizes.of(batch_graphs(graphs()[:2]))])
    union = batch_graphs(graphs())
    larger = base.holding(union)
    assert all(one <= room for one, room in zip(GraphSizes.of(union), larger, strict=True))
    assert larger.holding(union) == larger
    assert base.holding(graphs()[0]) == base.holding(graphs()[1])


def test_lists_of_readers_are_those_of_the_unpadded_graph():
    batch = random_batch(graphs())
    padded = BatchPadding(LARGER, readers=256)(batch)
    expected, came = list_readers(batch.graph), list_readers(padded.graph)
    assert came.tokens.shape == (LARGER.clusters, 256)
    assert torch.equal(came.counts[: len(expected.counts)], expected.counts)
    assert not came.counts[len(expected.counts) :].any()
    for row, (tokens, count) in enumerate(zip(expected.tokens, expected.counts.tolist(), strict=True)):
        assert torch.equal(came.tokens[row, :count], tokens[:count])


def cyclone_samples(batch: int, batches: int, clusters: int = 12) -> TrainingSamples:
    lead = np.timedelta64(12, "h")
    parts = [Trajectories.from_dataset(gg.open_store(path), TABLE, lead) for path in cyclone_trajectories("train")]
    config = SamplingConfig(batch=batch, clusters=clusters, core=1)
    return TrainingSamples(parts, Normaliser(TABLE, statistics_of(parts, TABLE, 12.0)), config, 0, batch * batches)


def test_most_batches_have_the_same_sizes():
    samples = cyclone_samples(8, 40)
    padding = BatchPadding.of_run(samples, 8, range(8))
    batches = list(BatchLoader(samples, 8, padding=padding))
    sizes = [GraphSizes.of(batch.graph) for batch in batches]
    assert sizes.count(padding.sizes) > 0.9 * len(sizes)
    real = sum(int((batch.graph.slot_weight > 0).sum()) for batch in batches)
    assert real > 0.7 * sum(one.cells for one in sizes)


def test_a_run_that_goes_on_has_the_same_batches():
    samples = cyclone_samples(4, 6, clusters=3)
    padding = BatchPadding.of_run(samples, 4, range(4))
    whole, rest = (list(BatchLoader(samples, 4, first, padding=padding)) for first in (0, 3))
    for first, second in zip(whole[3:], rest, strict=True):
        assert torch.equal(first.noised, second.noised)
        assert all(torch.equal(values, second.graph[name]) for name, values in first.graph.to_dict().items())


def compiled_training() -> dict:
    """Twenty batches of the built-in data through a network that is compiled for fixed sizes."""
    from gensim_graph.nn import compile_network

    samples = cyclone_samples(4, 20)
    normaliser = samples.normaliser
    torch.manual_seed(0)
    operator = build_operator(SMALL, normaliser.state_channels, normaliser.condition_channels)
    with torch.no_grad():
        for parameter in operator.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    module = TrainingModule(operator, TrainerConfig())
    compiled = partial(_velocity_of, *compile_network(operator, torch.device("cpu"), backend="aot_eager"))
    padding = BatchPadding.of_run(samples, 4, range(4))
    errors = []

    for plain in BatchLoader(samples, 4):
        batch = padding(plain)
        expected = loss_and_gradients(module, plain)
        module._evaluate, eager = compiled, module._evaluate
        came = loss_and_gradients(module, batch)
        module._evaluate = eager
        errors += [relative_error(one, other) for one, other in zip(came, expected, strict=True)]

    return {"error": max(errors), "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"]}


@pytest.mark.slow
def test_twenty_batches_are_compiled_once_or_twice():
    command = [sys.executable, __file__]
    environment = os.environ | {"UNCHECKED": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["error"] < 1e-4, found
    assert found["graphs"] <= 10, found  # five parts


if __name__ == "__main__":
    print(json.dumps(compiled_training()))

"""torch.compile gives the same numbers from one graph for each part, without recompilation for other meshes.

Each case runs in a process of its own, without the shape checks of the other tests, which the compiler would trace. The
backend ``aot_eager`` traces forward and backward pass as the backend of a GPU does, but compiles no code.
"""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib.util import find_spec

import pytest
import torch
from support.places import ROOT

from gensim_graph.config import TrainerConfig
from gensim_graph.errors import InputError
from gensim_graph.nn import compile_choice, compile_network, is_compiled_on
from gensim_graph.nn.networks import GPU_OPTIONS


def compiled_forecasts() -> dict:
    """Two forecasts with different starts and seeds, each compiled and plain."""
    from support.surrogates import DATA, random_surrogate

    plain, compiled = random_surrogate(size=0.1), random_surrogate(size=0.1).compile(backend="aot_eager")
    errors = []
    for seed in (0, 1):
        pair = [
            model.forecast(DATA.isel(time=seed), DATA, steps=2, members=3, seed=seed, batch=3)
            for model in (plain, compiled)
        ]
        errors += [
            float(abs(pair[0][name] - pair[1][name]).max() / abs(pair[0][name]).max()) for name in ("sit", "siu")
        ]
    return {"error": max(errors), "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"]}


def compiled_gradients() -> dict:
    """Gradients of all weights on meshes of different sizes."""
    from support.examples import random_operator, relative_error
    from support.meshes import jittered_box

    from gensim_graph.graph import build_graph, extract_subgraph

    operator = random_operator()
    compiled = torch.compile(operator.velocity, dynamic=True, fullgraph=True, backend="aot_eager")
    graphs = [build_graph(jittered_box(cells)) for cells in (20, 27, 33)]
    graphs += [extract_subgraph(graphs[-1], 1, 1, 6).graph]
    weights, errors = list(operator.parameters()), []
    for graph in graphs:
        fields = torch.randn(1, graph.n_cells, 24)
        plan = operator.plan(graph)
        pair = [
            way(fields[..., :6], torch.tensor([0.3]), operator.prepare(fields[..., 6:], plan))
            for way in (operator.velocity, compiled)
        ]
        grads = [torch.autograd.grad(out.square().mean(), weights, allow_unused=True) for out in pair]
        flat = [torch.cat([part.flatten() for part in found if part is not None]) for found in grads]
        errors += [relative_error(pair[1], pair[0]), relative_error(flat[1], flat[0])]
    return {"error": max(errors), "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"]}


def compiled_batches() -> dict:
    """Training steps on batches of the same sizes on different meshes, compiled for these sizes."""
    from support.examples import random_operator, relative_error
    from support.meshes import jittered_box

    from gensim_graph.graph import build_graph, with_length_unit

    operator = random_operator()
    _, compiled = compile_network(operator, torch.device("cpu"), backend="aot_eager")
    graph, errors = build_graph(jittered_box(20)), []
    for length in (8e3, 16e3, 24e3):
        fields = torch.randn(2, graph.n_cells, 24)
        prepared = operator.prepare(fields[..., 6:], operator.plan(with_length_unit(graph, length)))
        flow_time = torch.rand(2)
        pair = [way(fields[..., :6], flow_time, prepared) for way in (operator.velocity, compiled)]
        pair[1].square().mean().backward()
        errors.append(relative_error(pair[1], pair[0]))
    return {"error": max(errors), "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"]}


def compiled_depths() -> dict:
    """Networks of 4 and of 8 blocks: the blocks share their code."""
    from support.examples import SMALL, random_operator, relative_error
    from support.meshes import jittered_box

    from gensim_graph.graph import build_graph

    graph, errors, graphs = build_graph(jittered_box(20)), [], []
    for blocks in (4, 8):
        torch.compiler.reset()
        torch._dynamo.utils.counters.clear()
        operator = random_operator(replace(SMALL, blocks=blocks))
        prepare, velocity = compile_network(operator, torch.device("cpu"), backend="aot_eager")
        fields, plan = torch.randn(1, graph.n_cells, 24), operator.plan(graph)
        inputs = fields[..., :6], torch.tensor([0.3])
        came = velocity(*inputs, prepare(fields[..., 6:], plan))
        errors.append(relative_error(came, operator.velocity(*inputs, operator.prepare(fields[..., 6:], plan))))
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    return {"error": max(errors), "graphs": graphs}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "graphs"),
    [
        ("compiled_forecasts", 4),
        ("compiled_gradients", 1),  # compiled as a whole
        ("compiled_batches", 4),
        ("compiled_depths", [6, 6]),  # the first skip is from a block to itself, and has a graph of its own
    ],
)
def test_one_graph_for_each_part_with_the_same_numbers(case, graphs):
    command = [sys.executable, __file__, case]
    environment = os.environ | {"UNCHECKED": "1", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "tests")))}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["error"] < 1e-4, found
    assert found["graphs"] == graphs


def test_who_compiles():
    gpu, processor = torch.device("cuda"), torch.device("cpu")
    assert is_compiled_on("auto", gpu) == (find_spec("triton") is not None)
    assert not is_compiled_on("auto", processor)
    assert is_compiled_on("true", processor)
    assert not is_compiled_on("false", gpu)


@pytest.mark.parametrize(("given", "kept"), [(True, "true"), (False, "false"), ("True", "true"), ("auto", "auto")])
def test_choices_and_booleans_of_earlier_versions(given, kept):
    assert compile_choice(given, "trainer.compile") == kept
    assert TrainerConfig(compile=given).compile == kept


def test_another_choice_is_refused():
    with pytest.raises(InputError, match=r"trainer\.compile: expected one of auto, true, false; came 'fast'"):
        TrainerConfig(compile="fast")


def test_the_compiler_knows_the_options():
    assert set(GPU_OPTIONS) <= set(torch._inductor.list_options())


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))

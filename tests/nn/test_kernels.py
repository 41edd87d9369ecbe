"""Few kernels on a GPU: counted after compilation, without a GPU, and no step that makes the processor wait for it."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.places import ROOT
from torch.utils._python_dispatch import TorchDispatchMode

import gensim_graph as gg
from gensim_graph.flow import Bounds, SamplerConfig, sample
from gensim_graph.nn import OperatorConfig, VelocityOperator

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


class NoWaiting(TorchDispatchMode):
    """Refuses the operations for which the processor would wait for a GPU."""

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "unique", "item"), name
        if name in ("index", "index_put", "index_put_"):
            assert all(index is None or index.dtype != torch.bool for index in arguments[1]), "boolean index"
        if name == "_to_copy" and keywords:
            assert keywords.get("device") in (None, arguments[0].device), "copy between devices"
        return function(*arguments, **(keywords or {}))


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

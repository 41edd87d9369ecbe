"""Count the kernels and bytes of one evaluation of the network after compilation for a GPU, on a machine without one.

Usage: python benchmarks/kernel_count.py [tiny small base ...] [--cells 64] [--float32] [--list] [--operators]

The evaluation, conditions and velocity, is traced on a processor as ``torch.compile`` does it. The compiler then plans
the kernels of the traced graphs as for an H100, with the options of the package; it generates no code, and nothing
runs. "Forward" is an evaluation of a forecast, "training" the forward and the backward pass.

- A *kernel* is one launch: a generated kernel, a matrix product, or an operator of the package (the attention). What an
  operator launches inside is not counted.
- *Bytes* are those that the kernels read and write, divided by the number of cells; a kernel counts every tensor that
  it reads once. Products are in bf16, as with ``--precision bf16``, unless ``--float32`` is given.
"""

import argparse
import copy
import dataclasses
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

os.environ.setdefault("TRITON_INTERPRET", "1")  # the tables of the Triton attention can then be made on a processor

import numpy as np
import torch
import torch._inductor.config as inductor
from torch._dynamo.device_interface import CudaInterface
from torch._functorch.aot_autograd import aot_function, make_boxed_func
from torch._functorch.partitioners import min_cut_rematerialization_partition
from torch._inductor import ir, scheduler
from torch._inductor.compile_fx import compile_fx_inner
from torch._inductor.decomposition import select_decomp_table
from torch._inductor.fx_passes.joint_graph import joint_graph_passes
from torch._inductor.graph import GraphLowering
from torch._inductor.runtime.hints import DeviceProperties
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call
from torch.fx.passes.fake_tensor_prop import FakeTensorProp
from torch.utils._python_dispatch import TorchDispatchMode

import gensim_graph as gg
from gensim_graph.graph import MeshGraph
from gensim_graph.nn import PRESETS
from gensim_graph.nn.native import loader
from gensim_graph.nn.networks import GPU_OPTIONS

STATE, CONDITIONS = 6, 18
"""Channels of the default variables."""

GPU = torch.device("cuda:0")
H100 = SimpleNamespace(
    major=9, minor=0, multi_processor_count=132, total_memory=80 * 2**30, warp_size=32, name="H100", gcnArchName=""
)
"""Properties of the device that the compiler plans for."""


@dataclasses.dataclass(frozen=True)
class Count:
    """Kernels of one evaluation.

    Attributes:
        kernels: number of launches.
        external: matrix products and operators among them.
        bytes: that they read and write.
        rows: bytes, shape and origin of every kernel.
    """

    kernels: int = 0
    external: int = 0
    bytes: int = 0
    rows: tuple[str, ...] = ()

    def __add__(self, other: "Count") -> "Count":
        kernels, external = self.kernels + other.kernels, self.external + other.external
        return Count(kernels, external, self.bytes + other.bytes, self.rows + other.rows)


class Evaluation(torch.nn.Module):
    """Conditions and velocity in one call."""

    def __init__(self, operator: gg.VelocityOperator) -> None:
        super().__init__()
        self.operator = operator

    def forward(
        self, noised: torch.Tensor, conditions: torch.Tensor, flow_time: torch.Tensor, plan: Any
    ) -> torch.Tensor:
        """Compute the velocity."""
        return self.operator.velocity(noised, flow_time, self.operator.prepare(conditions, plan))


def count_kernels(
    preset: str, *, gradients: bool = False, cells: int = 64, bf16: bool = True, options: dict[str, Any] = GPU_OPTIONS
) -> Count:
    """Plan the kernels of one evaluation on a square grid.

    Args:
        preset: size of the network.
        gradients: add the backward pass.
        cells: along each side of the grid.
        bf16: matrix products in half precision.
        options: of the compiler.
    """
    axis = np.arange(cells) * 16e3
    graph = gg.build_graph(gg.Mesh.from_grid(axis, axis))
    operator = gg.VelocityOperator(dataclasses.replace(PRESETS[preset], backend="triton"), STATE, CONDITIONS)
    module, plan_of_graph = Evaluation(operator), operator.plan(graph)
    tables: list[torch.Tensor] = []
    _with_tensors(plan_of_graph, lambda table: (tables.append(table), table)[1])
    inputs = (torch.zeros(1, cells**2, STATE), torch.zeros(1, cells**2, CONDITIONS), torch.zeros(1))
    weights = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    counts: list[Count] = []

    def evaluate(
        inputs: tuple[torch.Tensor, ...], weights: dict[str, torch.Tensor], tables: list[torch.Tensor]
    ) -> torch.Tensor:
        remaining = iter(tables)
        plan = _with_tensors(plan_of_graph, lambda _: next(remaining))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return functional_call(module, weights, (*inputs, plan))

    def plan(traced: torch.fx.GraphModule, examples: list[torch.Tensor]) -> Any:
        counts.append(_planned(traced, examples, options))
        return make_boxed_func(traced.forward)

    compiled = aot_function(
        evaluate, fw_compiler=plan, bw_compiler=plan, partition_fn=_partition, decompositions=select_decomp_table()
    )
    with patch("torch.compiler._is_compiling_flag", new=True), torch.set_grad_enabled(gradients):
        result = compiled(inputs, weights, tables)
    if gradients:
        result.sum().backward()

    return sum(counts, Count())


class OperatorCount(TorchDispatchMode):
    """Counts the operators that move numbers: without compilation, a GPU starts about one kernel for each."""

    number = 0

    def __torch_dispatch__(self, operator: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count an operator, unless its result is a view or not written."""
        name = operator._schema.name.partition("::")[2]
        is_view = any(one.alias_info is not None and not one.alias_info.is_write for one in operator._schema.returns)
        self.number += not (is_view or name in ("empty", "empty_like", "new_empty", "_unsafe_view"))
        return operator(*args, **(kwargs or {}))


def count_operators(preset: str, gradients: bool, cells: int = 64) -> int:
    """Operators of one evaluation that is not compiled, on a square grid.

    Args:
        preset: size of the network.
        gradients: add the backward pass.
        cells: along each side of the grid.
    """
    axis = np.arange(cells) * 16e3
    operator = gg.VelocityOperator(dataclasses.replace(PRESETS[preset], backend="triton"), STATE, CONDITIONS)
    plan = operator.plan(gg.build_graph(gg.Mesh.from_grid(axis, axis)))
    noised, conditions = torch.zeros(1, cells**2, STATE), torch.zeros(1, cells**2, CONDITIONS)

    with ExitStack() as stack:
        stack.enter_context(patch.object(loader, "native_available", lambda: False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        stack.enter_context(torch.autocast("cpu", torch.bfloat16))
        count = stack.enter_context(OperatorCount())
        result = operator.velocity(noised, torch.zeros(1), operator.prepare(conditions, plan))
        if gradients:
            result.float().sum().backward()
    return count.number


def _with_tensors(item: Any, replace: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Copy a plan with other tensors in the places of its own, always in the same order."""
    if isinstance(item, torch.Tensor):
        return replace(item)
    if isinstance(item, MeshGraph):
        return MeshGraph(**{name: _with_tensors(value, replace) for name, value in item.to_dict().items()})
    if dataclasses.is_dataclass(item):
        values = {field.name: _with_tensors(getattr(item, field.name), replace) for field in dataclasses.fields(item)}
        return type(item)(**values)
    if isinstance(item, tuple):
        return type(item)(*(_with_tensors(part, replace) for part in item))
    return item


def _partition(joint: torch.fx.GraphModule, inputs: Any, **options: Any) -> Any:
    joint_graph_passes(joint)
    return min_cut_rematerialization_partition(joint, inputs, compiler="inductor", **options)


def _planned(traced: torch.fx.GraphModule, examples: list[torch.Tensor], options: dict[str, Any]) -> Count:
    """Compile a graph up to the list of its kernels."""
    found: list[Count] = []

    def stop(lowering: GraphLowering) -> None:
        lowering.init_wrapper_code()
        lowering._update_scheduler()
        found.append(_count(lowering.scheduler))
        raise _Planned

    with _pretended_gpu(), inductor.patch(options), patch.object(GraphLowering, "compile_to_module", stop):
        moved, inputs = _moved(traced, examples)
        try:
            compile_fx_inner(moved, inputs)
        except _Planned:
            return found[0]
    raise RuntimeError("the compiler planned no kernels")


class _Planned(BaseException):
    """Ends the compilation when the kernels are known."""


def _moved(traced: torch.fx.GraphModule, examples: list[torch.Tensor]) -> tuple[torch.fx.GraphModule, list[Any]]:
    """Move a traced graph, with inputs that have no values, to the GPU."""
    moved = copy.deepcopy(traced)
    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def on_gpu(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            with mode:
                return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=GPU)
        return GPU if isinstance(value, torch.device) else value

    for node in moved.graph.nodes:
        node.kwargs = {name: on_gpu(value) for name, value in node.kwargs.items()}
        node.args = torch.fx.map_arg(node.args, lambda argument: argument)
        if node.op == "get_attr":
            setattr(moved, node.target, on_gpu(getattr(moved, node.target)))

    inputs = [on_gpu(example) for example in examples]
    FakeTensorProp(moved, mode).propagate_dont_convert_inputs(*inputs)
    return moved, inputs


@contextmanager
def _pretended_gpu() -> Iterator[None]:
    """Answer what the compiler asks of the device."""
    device = DeviceProperties("cuda", 0, 132, 90, 9, 65536, 2048, 1024, 32)
    answers: list[tuple[Any, str, Any]] = [
        (torch.cuda, "get_device_properties", lambda *_: H100),
        (torch.cuda, "get_device_capability", lambda *_: (H100.major, H100.minor)),
        (torch.cuda, "current_device", lambda *_: 0),
        (CudaInterface, "is_bf16_supported", lambda *_, **__: True),
        (scheduler, "has_triton", lambda *_: True),
        (torch.Tensor, "copy_", lambda own, other, *_: torch.ops.aten.copy_.default(own, other)),  # needs no driver
        (DeviceProperties, "create", lambda *_: device),
    ]
    with ExitStack() as stack:
        for place, name, answer in answers:
            stack.enter_context(patch.object(place, name, answer))
        yield


def _bytes_of(kernel: scheduler.BaseSchedulerNode) -> int:
    """Bytes that a kernel reads and writes; of a slice of a tensor only those of the slice."""
    if not isinstance(kernel, scheduler.ExternKernelSchedulerNode):
        return int(kernel.get_read_write_buffers_sizes())
    read = [operand for operand in kernel.node.inputs if isinstance(operand, ir.IRNode)]
    written = [] if isinstance(kernel.node.layout, ir.MultiOutputLayout) else [kernel.node]
    written += [user.node.node for output in kernel.outputs for user in output.users if _is_output(user)]
    return sum(int(math.prod(part.get_size())) * part.get_dtype().itemsize for part in (*read, *written))


def _is_output(user: Any) -> bool:
    """Return True for one of several results of a kernel."""
    return isinstance(getattr(user.node, "node", None), ir.MultiOutput)


def _count(planned: scheduler.Scheduler) -> Count:
    total = Count()
    for kernel in planned.nodes:
        parts = kernel.get_nodes()
        if isinstance(kernel, scheduler.NopKernelSchedulerNode) or isinstance(parts[0].node, ir.MultiOutput):
            continue

        size = _bytes_of(kernel)
        names = [
            getattr(origin.target, "_overloadpacket", origin.target) for part in parts for origin in part.node.origins
        ]
        common = Counter(str(name).rpartition(".")[2] for name in names).most_common(6)
        shape = getattr(kernel, "group", (None, type(parts[0].node).__name__))[1]
        row = f"{size:>12,} {shape!s:>24} {' '.join(f'{name}:{count}' for name, count in common)}"
        total += Count(1, int(isinstance(kernel, scheduler.ExternKernelSchedulerNode)), size, (row,))
    return total


def main() -> None:
    """Print a table of presets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=["tiny", "small", "base"], help="sizes of the network")
    parser.add_argument("--cells", type=int, default=64, help="cells along each side of the grid")
    parser.add_argument("--float32", action="store_true", help="products in single precision")
    parser.add_argument("--list", action="store_true", help="print every kernel with its bytes, shape and origin")
    parser.add_argument("--plain-options", action="store_true", help="compile without the options of the package")
    parser.add_argument("--operators", action="store_true", help="count the operators without compilation instead")
    parser.add_argument("--forward-only", action="store_true", help="leave the training out")
    arguments = parser.parse_args()

    if arguments.operators:
        for preset in arguments.presets:
            counts = [count_operators(preset, gradients, arguments.cells) for gradients in (False, True)]
            print(f"{preset}: {counts[0]} operators forward, {counts[1]} with gradients", flush=True)
        return

    options = {} if arguments.plain_options else GPU_OPTIONS
    print("| preset | pass | kernels | of them matrix products and operators | kB a cell |\n|---|---|---|---|---|")
    for preset in arguments.presets:
        for gradients in (False,) if arguments.forward_only else (False, True):
            count = count_kernels(
                preset, gradients=gradients, cells=arguments.cells, bf16=not arguments.float32, options=options
            )
            size = count.bytes / 1e3 / arguments.cells**2
            name = "training" if gradients else "forward"
            print(f"| {preset} | {name} | {count.kernels} | {count.external} | {size:.1f} |", flush=True)
            if arguments.list:
                print(*count.rows, sep="\n")


if __name__ == "__main__":
    main()

"""Registry of networks: build the one that a configuration names, register your own, and compile it.

:func:`compile_network` is the one place where the package calls ``torch.compile``. A GPU spends more time on starting
kernels and on moving numbers between them than on arithmetic. The options let the compiler join more steps in one
kernel than it does by itself; ``benchmarks/kernel_count.py`` counts the kernels.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch

from gensim_graph.errors import InputError
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.operator import VelocityOperator
from gensim_graph.nn.operator_config import NETWORKS, OperatorConfig

Builder = Callable[[OperatorConfig, Channels, Channels], Operator[Any]]
"""Function of configuration, channels of the state and channels of the conditions; returns the network."""


def _mesh_graph_net(config: OperatorConfig, state: Channels, conditions: Channels) -> Operator[Any]:
    from gensim_graph.nn.meshgraphnet import MeshGraphNet  # imports torch-geometric, which takes a second

    return MeshGraphNet(config, state, conditions)


_BUILDERS: dict[str, Builder] = {"attention": VelocityOperator, "meshgraphnet": _mesh_graph_net}

COMPILE_CHOICES = ("auto", "true", "false")
"""Choices of the user: ``auto`` compiles on a GPU only, because compiling for a processor takes minutes."""

GPU_OPTIONS: dict[str, Any] = {
    # Features of different spins lie side by side: write them in one kernel, not in one for each part.
    "force_pointwise_cat": True,
    # Steps with many operands, such as the products of the gate, stay in the kernel that uses them.
    "realize_reads_threshold": 16,
    "realize_opcount_threshold": 400,
    "realize_acc_reads_threshold": 64,
    # Small kernels that do not depend on each other, such as those on weights, start together.
    "combo_kernels": True,
    "combo_kernel_max_num_nodes": 32,
}
"""Options of the compiler ``inductor`` on a GPU."""


def build_operator(config: OperatorConfig, state: Channels, conditions: Channels) -> Operator[Any]:
    """Build the network that a configuration names, with its initial weights.

    Args:
        config: name and size of the network.
        state: channels of the noised state.
        conditions: channels of the conditions.

    Example:
        >>> from gensim_graph.nn import BASELINES, PRESETS, Channels, build_operator
        >>> state, conditions = Channels.default_state(6), Channels.default_conditions(18)
        >>> build_operator(PRESETS["tiny"], state, conditions).n_parameters
        277228
        >>> type(build_operator(BASELINES["meshgraphnet"], state, conditions)).__name__
        'MeshGraphNet'
    """
    return _BUILDERS[config.network](config, state, conditions)


def register_network(name: str, build: Builder) -> None:
    """Make ``operator.network=name`` known, to train a network of your own and to load its weights.

    Args:
        name: name of the network in configurations and in saved models.
        build: function of configuration, channels of the state and channels of the conditions; returns the network.

    Example:
        >>> from gensim_graph.nn import Channels, OperatorConfig, VelocityOperator, build_operator, register_network
        >>> class WithoutDecoder(VelocityOperator):
        ...     def __init__(self, config, state, conditions):
        ...         super().__init__(config, state, conditions)
        ...         self.decoder = self.decoder[:0]
        >>> register_network("without_decoder", WithoutDecoder)
        >>> config = OperatorConfig(network="without_decoder", width=16, blocks=2, cell_width=16, embedding=16)
        >>> type(build_operator(config, Channels.default_state(6), Channels.default_conditions(18))).__name__
        'WithoutDecoder'
    """
    _BUILDERS[name] = build
    if name not in NETWORKS:
        NETWORKS.append(name)


def compile_choice(choice: bool | str, name: str) -> str:
    """Return a choice of the user in the form of ``COMPILE_CHOICES``; booleans are those of earlier versions.

    Args:
        choice: one of the choices, or a boolean.
        name: of the setting, for the message.

    Raises:
        InputError: another value.

    Example:
        >>> from gensim_graph.nn import compile_choice
        >>> compile_choice(True, "trainer.compile"), compile_choice("auto", "trainer.compile")
        ('true', 'auto')
    """
    text = str(choice).lower()
    if text not in COMPILE_CHOICES:
        raise InputError(f"{name}: expected one of {', '.join(COMPILE_CHOICES)}; came '{choice}'")
    return text


def is_compiled_on(choice: str, device: torch.device) -> bool:
    """Return True if a choice means to compile on this device; without Triton, ``auto`` does not compile.

    Args:
        choice: one of ``COMPILE_CHOICES``.
        device: that computes.
    """
    if choice == "auto":
        return device.type == "cuda" and find_spec("triton") is not None
    return choice == "true"


def compile_network(
    operator: Operator[Any], device: torch.device, *, dynamic: bool = False, fullgraph: bool = True, **options: Any
) -> tuple[Callable[..., Prepared[Any]], Callable[..., torch.Tensor]]:
    """Return ``prepare`` and ``velocity`` of a network in compiled form; they are compiled at their first calls.

    The velocity consists of parts, each of which is one graph for the compiler (:meth:`Operator.compiled`): equal
    blocks are compiled once. The numbers are the same.

    Args:
        operator: the network.
        device: that computes.
        dynamic: compile once for all sizes; otherwise once for each size, and faster code.
        fullgraph: refuse a network that needs several graphs for one of its parts.
        options: further arguments of ``torch.compile``.

    Raises:
        InputError: a function in place of the network, as in version 0.1.
    """
    if not isinstance(operator, Operator):
        raise InputError("compile_network: expected the network, not one of its methods; give operator")
    if device.type == "cuda" and options.get("backend", "inductor") == "inductor":
        known = torch._inductor.list_options()  # other versions of PyTorch do not have all of them
        options = {"options": {name: value for name, value in GPU_OPTIONS.items() if name in known}, **options}

    def compile_function(function: Callable[..., Any]) -> Callable[..., Any]:
        return torch.compile(function, dynamic=dynamic, fullgraph=fullgraph, **options)

    return compile_function(operator.prepare), operator.compiled(compile_function)

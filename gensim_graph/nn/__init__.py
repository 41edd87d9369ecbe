"""The velocity operator and its parts.

Reading order: spin (features that turn with the frame), embedding, stencil and kernel (cells), pooling (cells to
tokens), localisation, heads, reference, cluster_places, clusters (and their kernel), backends, split, attention, chunks,
gate, block, channels, config, base, operator; meshgraphnet is a baseline. What is compiled: native_library, then
native_kernel, native_tokens and native_backend beside the sources in ``native/``.
"""

from collections.abc import Callable

from gensim_graph.nn.attention import AttentionPlan
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels, rotate_vectors
from gensim_graph.nn.embedding import Modulation, log_length
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.meshgraphnet import MeshGraphNet
from gensim_graph.nn.neighbour_sum import stencil_sum
from gensim_graph.nn.operator import VelocityOperator
from gensim_graph.nn.operator_config import BASELINES, NETWORKS, PRESETS, OperatorConfig
from gensim_graph.nn.spin import SpinLinear

__all__ = [
    "BASELINES",
    "NETWORKS",
    "PRESETS",
    "AttentionPlan",
    "Channels",
    "MeshGraphNet",
    "Modulation",
    "Operator",
    "OperatorConfig",
    "Prepared",
    "SpinLinear",
    "VelocityOperator",
    "build_operator",
    "face_graph",
    "log_length",
    "register_network",
    "rotate_vectors",
    "stencil_sum",
]


Builder = Callable[[OperatorConfig, Channels, Channels], Operator]
_BUILDERS: dict[str, Builder] = {"attention": VelocityOperator, "meshgraphnet": MeshGraphNet}


def build_operator(config: OperatorConfig, state: Channels, conditions: Channels) -> Operator:
    """The network that a configuration names, with its initial weights."""
    return _BUILDERS[config.network](config, state, conditions)


def register_network(name: str, build: Builder) -> None:
    """Make ``operator.network=name`` known, to train a network of your own and to load what was trained.

    Args:
        name: in configurations and in saved models.
        build: configuration, channels of the state, channels of the conditions -> the network.
    """
    _BUILDERS[name] = build
    if name not in NETWORKS:
        NETWORKS.append(name)

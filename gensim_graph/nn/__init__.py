"""The velocity operator and its parts.

Reading order: spin (features that turn with the frame), embedding, stencil and kernel (cells), pooling (cells to
tokens), localisation, heads, clusters (and their kernel), reference, backends, attention, chunks, block, channels,
config, base, operator; meshgraphnet is a baseline.
"""

from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels, rotate_vectors
from gensim_graph.nn.config import BASELINES, PRESETS, OperatorConfig
from gensim_graph.nn.heads import AttentionPlan
from gensim_graph.nn.meshgraphnet import MeshGraphNet
from gensim_graph.nn.operator import VelocityOperator

__all__ = [
    "BASELINES",
    "PRESETS",
    "AttentionPlan",
    "Channels",
    "MeshGraphNet",
    "Operator",
    "OperatorConfig",
    "Prepared",
    "VelocityOperator",
    "build_operator",
    "rotate_vectors",
]


def build_operator(config: OperatorConfig, state: Channels, conditions: Channels) -> Operator:
    """The network that a configuration names, with its initial weights."""
    kind = {"attention": VelocityOperator, "meshgraphnet": MeshGraphNet}[config.network]
    return kind(config, state, conditions)

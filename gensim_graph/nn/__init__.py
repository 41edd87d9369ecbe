"""The velocity operator: the network that predicts the velocity of the flow on the cells of any mesh.

Reading order, from the concepts to the whole:

- Features: ``spin`` (channels that turn with the axes, and their layers), ``gate`` (its products), ``channels`` (from
  variables to features), ``embedding`` (flow time and length unit).
- Layers: ``neighbour_sum`` and ``graph_kernel`` (on cells), ``pooling`` (from cells to tokens and back), the package
  ``attention`` (between tokens), ``block`` (attention and gated network).
- Networks: ``operator_config`` (sizes), ``graph_plan`` and ``base`` (what all networks share), ``operator`` (ours),
  ``meshgraphnet`` (a baseline), ``networks`` (the registry, and compilation).
- Speed: ``chunks`` (memory of large meshes) and the package ``native`` (compiled code).
"""

from typing import TYPE_CHECKING, Any

from gensim_graph.nn.attention import AttentionPlan, with_readers
from gensim_graph.nn.base import Operator, Prepared
from gensim_graph.nn.channels import Channels, rotate_vectors
from gensim_graph.nn.embedding import Modulation, log_length
from gensim_graph.nn.graph_kernel import face_graph
from gensim_graph.nn.graph_plan import GraphPlan
from gensim_graph.nn.neighbour_sum import stencil_sum
from gensim_graph.nn.networks import (
    build_operator,
    compile_choice,
    compile_network,
    is_compiled_on,
    register_network,
)
from gensim_graph.nn.operator import VelocityOperator
from gensim_graph.nn.operator_config import BASELINES, NETWORKS, PRESETS, OperatorConfig
from gensim_graph.nn.spin import SpinLinear

if TYPE_CHECKING:
    from gensim_graph.nn.meshgraphnet import MeshGraphNet

__all__ = [
    "BASELINES",
    "NETWORKS",
    "PRESETS",
    "AttentionPlan",
    "Channels",
    "GraphPlan",
    "MeshGraphNet",
    "Modulation",
    "Operator",
    "OperatorConfig",
    "Prepared",
    "SpinLinear",
    "VelocityOperator",
    "build_operator",
    "compile_choice",
    "compile_network",
    "face_graph",
    "is_compiled_on",
    "log_length",
    "register_network",
    "rotate_vectors",
    "stencil_sum",
    "with_readers",
]


def __getattr__(name: str) -> Any:
    """Import torch-geometric, which takes a second, only for the network that uses it."""
    if name != "MeshGraphNet":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from gensim_graph.nn.meshgraphnet import MeshGraphNet

    return MeshGraphNet

"""Registry of networks: build the one that a configuration names, and register your own."""

from collections.abc import Callable
from typing import Any

from gensim_graph.nn.base import Operator
from gensim_graph.nn.channels import Channels
from gensim_graph.nn.meshgraphnet import MeshGraphNet
from gensim_graph.nn.operator import VelocityOperator
from gensim_graph.nn.operator_config import NETWORKS, OperatorConfig

Builder = Callable[[OperatorConfig, Channels, Channels], Operator[Any]]
"""Function of configuration, channels of the state and channels of the conditions; returns the network."""

_BUILDERS: dict[str, Builder] = {"attention": VelocityOperator, "meshgraphnet": MeshGraphNet}


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

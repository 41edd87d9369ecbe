"""The velocity operator and its parts.

Reading order: spin (features that turn with the frame), embedding, kernel (cells), pooling (cells to tokens),
localisation, backends, attention, block, channels, operator.
"""

from gensim_graph.nn.channels import Channels, rotate_vectors
from gensim_graph.nn.operator import PRESETS, OperatorConfig, VelocityOperator

__all__ = ["PRESETS", "Channels", "OperatorConfig", "VelocityOperator", "rotate_vectors"]

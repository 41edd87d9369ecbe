"""The velocity operator and its parts.

Reading order: spin (features that turn with the frame), embedding, stencil and kernel (cells), pooling (cells to
tokens), localisation, heads, clusters (and their kernel), reference, backends, attention, chunks, block, channels,
operator.
"""

from gensim_graph.nn.channels import Channels, rotate_vectors
from gensim_graph.nn.heads import AttentionPlan
from gensim_graph.nn.operator import PRESETS, OperatorConfig, Prepared, VelocityOperator

__all__ = ["PRESETS", "AttentionPlan", "Channels", "OperatorConfig", "Prepared", "VelocityOperator", "rotate_vectors"]

"""Attention to the tokens within a radius, with a learned localisation; several backends compute it.

Reading order: ``localisation`` (how far and in which direction a head looks), ``split`` (features of the heads),
``interface`` (the stages of a backend, and the plan), ``reference`` (the definition: all pairs, in float64), the
packages ``clusters``, ``native`` and ``triton`` (fast backends), ``backends`` (their registry, and the attention as a
function), ``layer`` (the attention as a layer of a network).
"""

from gensim_graph.nn.attention.backends import AUTO, BACKENDS, CHOICES, local_attention, plan_attention
from gensim_graph.nn.attention.interface import AttentionInputs, AttentionPlan, HeadWeights
from gensim_graph.nn.attention.layer import LocalAttention
from gensim_graph.nn.attention.localisation import Localisation, LocalisationHead
from gensim_graph.nn.attention.triton import with_readers
from gensim_graph.nn.native import HEAD_CONTENT

__all__ = [
    "AUTO",
    "BACKENDS",
    "CHOICES",
    "HEAD_CONTENT",
    "AttentionInputs",
    "AttentionPlan",
    "HeadWeights",
    "LocalAttention",
    "Localisation",
    "LocalisationHead",
    "local_attention",
    "plan_attention",
    "with_readers",
]
